// A row of tokens to choose from, by click or arrow keys. Text goes in through textContent only.
function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "dpoq-picker";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-orientation", "horizontal");
  list.setAttribute("data-lm-suppress-shortcuts", "true");
  el.appendChild(list);

  const choose = (index, focus) => {
    const last = list.children.length - 1;
    model.set("selected", Math.max(0, Math.min(last, index)));
    model.save_changes();
    if (focus) list.children[model.get("selected")]?.focus();
  };

  const draw = () => {
    const focused = list.contains(document.activeElement);
    list.setAttribute("aria-label", model.get("label"));
    list.replaceChildren(
      ...model.get("cells").map((cell, index) => {
        const option = document.createElement("span");
        option.className = "dpoq-token" + (cell.flaw ? " flaw" : "") + (cell.seen ? " seen" : "");
        if (cell.seen) option.title = "not the policy's own";
        option.setAttribute("role", "option");
        option.style.background = cell.background;
        for (const [name, text] of [["t", cell.text], ["v", cell.value]]) {
          const part = document.createElement("span");
          part.className = name;
          part.textContent = text;
          option.appendChild(part);
        }
        option.addEventListener("click", () => choose(index, true));
        return option;
      }),
    );
    mark();
    if (focused) list.children[model.get("selected")]?.focus();
  };

  const mark = () => {
    [...list.children].forEach((option, index) => {
      const here = index === model.get("selected");
      option.setAttribute("aria-selected", String(here));
      option.tabIndex = here || (model.get("selected") < 0 && index === 0) ? 0 : -1;
    });
  };

  list.addEventListener("keydown", (event) => {
    const at = model.get("selected");
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: list.children.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(to, true);
  });

  model.on("change:cells", draw);
  model.on("change:selected", mark);
  draw();
  return () => {
    model.off("change:cells", draw);
    model.off("change:selected", mark);
  };
}

export default { render };
