// Short messages in a corner. They are read aloud: the container is a live region.

import { h } from "../dom.js";

const SHOWN_MS = 5000;

/** Says that something was done. */
export const done = (text) => show(text, "good");

/** Says that something was refused; it stays longer. */
export const refused = (error) => show(error.message ?? String(error), "bad", SHOWN_MS * 2);

function show(text, tone, shownMs = SHOWN_MS) {
  const close = h("button", { class: "toast-close", type: "button", "aria-label": "Dismiss", onclick: () => toast.remove() }, "×");
  const toast = h("div", { class: `toast ${tone}` }, h("span", {}, text), close);
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), shownMs);
}
