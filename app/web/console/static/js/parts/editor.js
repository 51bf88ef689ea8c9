// A text field with line numbers. Tab leaves it, as everywhere; YAML is indented with spaces by hand.

import { h } from "../dom.js";

/** An editor of `text`: `element`, `text()`, `set(text)`, `show(line)`. `changed(text)` is called as one types. */
export function editor(text, { label, changed }) {
  const numbers = h("pre", { class: "editor-numbers", "aria-hidden": "true" });
  const area = h("textarea", { class: "editor-text", "aria-label": label, spellcheck: "false", autocapitalize: "off", wrap: "off", value: text });
  const count = () => {
    const lines = area.value.split("\n").length;
    numbers.textContent = Array.from({ length: lines }, (_, i) => i + 1).join("\n");
  };
  area.addEventListener("input", () => (count(), changed(area.value)));
  area.addEventListener("scroll", () => (numbers.scrollTop = area.scrollTop));
  count();
  const show = (line) => {
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    area.scrollTop = Math.max(0, (line - 6) * parseFloat(getComputedStyle(area).lineHeight));
  };
  const set = (next) => ((area.value = next), count());
  return { element: h("div", { class: "editor" }, numbers, area), text: () => area.value, set, show };
}
