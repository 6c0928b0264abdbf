// In a strip of tokens a click or a key chooses one. `this` is the strip; a number box beside it is told.
const tokens = [...this.querySelectorAll(".dpoq-token")];
const chosen = tokens.findIndex((token) => token.getAttribute("aria-selected") === "true");
const at = Math.max(chosen, 0);
const middle = (token) => token.offsetLeft + token.offsetWidth / 2;
const nearest = (side) => {
  const other = tokens.filter((token) => side * (token.offsetTop - tokens[at].offsetTop) > 0);
  const row = side * Math.min(...other.map((token) => side * token.offsetTop));
  const far = (token) => Math.abs(middle(token) - middle(tokens[at]));
  return other.length ? tokens.indexOf(other.filter((token) => token.offsetTop === row).reduce((a, b) => (far(b) < far(a) ? b : a))) : at;
};
const moves = {
  ArrowRight: () => (chosen < 0 ? 0 : at + 1),
  ArrowLeft: () => at - 1,
  ArrowDown: () => nearest(1),
  ArrowUp: () => nearest(-1),
  Home: () => 0,
  End: () => tokens.length - 1,
  Enter: () => at,
  " ": () => at,
};
if (event.ctrlKey || event.metaKey || event.altKey) return;
const clicked = event.type === "click" && tokens.indexOf(event.target.closest(".dpoq-token"));
if (clicked === -1 || (clicked === false && !moves[event.key])) return;
event.preventDefault();
event.stopPropagation();
const to = Math.max(0, Math.min(tokens.length - 1, clicked === false ? moves[event.key]() : clicked));
tokens.forEach((token, index) => {
  token.setAttribute("aria-selected", String(index === to));
  token.tabIndex = index === to ? 0 : -1;
});
tokens[to].focus();
const box = this.closest(".dpoq-picker")?.querySelector("input");
if (box) {
  box.value = to;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}
