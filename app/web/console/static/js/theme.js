// Dark, light, or as the system says. The choice is kept for this browser; it is no secret.

const PLACE = "oneshape.theme";
const ORDER = ["system", "light", "dark"];
const listeners = new Set();

/** The choice: system, light or dark. */
export const theme = () => (ORDER.includes(localStorage.getItem(PLACE)) ? localStorage.getItem(PLACE) : "system");

/** Puts the choice in force; call it once at the start. */
export function applyTheme() {
  document.documentElement.dataset.theme = theme();
  listeners.forEach((listener) => listener());
}

/** Takes the next choice. */
export function nextTheme() {
  localStorage.setItem(PLACE, ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length]);
  applyTheme();
}

/** Calls `listener` when the colours change; it is forgotten with `signal`. */
export function onTheme(listener, signal) {
  listeners.add(listener);
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", listener, { signal });
  signal.addEventListener("abort", () => listeners.delete(listener));
}
