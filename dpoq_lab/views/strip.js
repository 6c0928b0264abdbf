// In a strip of tokens a click or a key chooses one. `this` is the strip; a number box beside it is told.
// Up and Down also lead from one strip of a pair to the other; a pair has one token chosen.
const all = [...(this.closest(".dpoq-pair") ?? this).querySelectorAll(".dpoq-token")];
const tokens = all.filter((token) => this.contains(token));
const at = tokens.findIndex((token) => token.tabIndex === 0);
const begun = tokens[at].getAttribute("aria-selected") === "true";
const middle = (token) => token.offsetLeft + token.offsetWidth / 2;
const nearest = (side) => {
  const other = all.filter((token) => side * (token.offsetTop - tokens[at].offsetTop) > 0);
  const row = side * Math.min(...other.map((token) => side * token.offsetTop));
  const far = (token) => Math.abs(middle(token) - middle(tokens[at]));
  return other.length ? other.filter((token) => token.offsetTop === row).reduce((a, b) => (far(b) < far(a) ? b : a)) : tokens[at];
};
const along = (index) => tokens[Math.max(0, Math.min(tokens.length - 1, index))];
const moves = {
  ArrowRight: () => along(begun ? at + 1 : at),
  ArrowLeft: () => along(at - 1),
  ArrowDown: () => nearest(1),
  ArrowUp: () => nearest(-1),
  Home: () => along(0),
  End: () => along(tokens.length - 1),
  Enter: () => along(at),
  " ": () => along(at),
};
if (event.ctrlKey || event.metaKey || event.altKey) return;
const clicked = event.type === "click" && event.target.closest(".dpoq-token");
if (clicked === null || (!clicked && !moves[event.key])) return;
event.preventDefault();
event.stopPropagation();
const to = clicked || moves[event.key]();
const strip = to.closest(".dpoq-strip");
all.forEach((token) => {
  token.setAttribute("aria-selected", String(token === to));
  if (strip.contains(token)) token.tabIndex = token === to ? 0 : -1;
});
to.focus();
const box = this.closest(".dpoq-picker")?.querySelector("input");
if (box) {
  box.value = tokens.indexOf(to);
  box.dispatchEvent(new Event("change", { bubbles: true }));
}
