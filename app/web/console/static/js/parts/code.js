// Text of programs: blocks with a copy button, JSON without its long pictures, and differences.

import { h } from "../dom.js";
import { copyButton } from "./bits.js";

const LONG = 160;

/** A block of text; `full()` is what is copied, when that is more than is shown. */
export function block(text, { full = () => text, label = "Code" } = {}) {
  return h("div", { class: "code" }, h("pre", { tabindex: "0", "aria-label": label }, text), copyButton(full));
}

/** A JSON document. Long texts, which are pictures, are cut. */
export const jsonBlock = (value) => block(JSON.stringify(value, cut, 2) ?? "null", {
  full: () => JSON.stringify(value, null, 2), label: "JSON",
});

/** A document behind a word. */
export const folded = (title, value) => h("details", { class: "folded" }, h("summary", {}, title), jsonBlock(value));

/** Changes of a document: what was, what is. */
export function changes(list) {
  return h("ul", { class: "changes" }, list.map(({ path, before, after }) => h("li", {},
    h("code", { class: "change-path" }, path || "(everything)"),
    before !== null && before !== undefined && h("pre", { class: "minus" }, text(before)),
    after !== null && after !== undefined && h("pre", { class: "plus" }, text(after)))));
}

/** A long text as `beginning…end, n characters`. */
export const cutText = (value) => (value.length > LONG ? `${value.slice(0, 48)}… (${value.length} characters)` : value);

const cut = (_, value) => (typeof value === "string" && value.length > 2000 ? cutText(value) : value);
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
