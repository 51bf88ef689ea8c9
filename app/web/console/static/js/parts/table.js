// Tables that become cards on a phone, and lists that go on.

import { fill, h } from "../dom.js";
import { get } from "../api.js";
import { button } from "./bits.js";
import { failed, loading, unavailable } from "./states.js";

/**
 * A table. `columns` are `{label, cell(item), num}`; `open(item)` answers the address that a row leads to, or null.
 * `foot` is one more item, shown as sums.
 */
export function table({ columns, items, caption, open = () => null, foot = null }) {
  const head = h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.num && "num" }, column.label)));
  return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, head),
      h("tbody", {}, items.map((item) => row(columns, item, open))),
      foot && h("tfoot", {}, row(columns, foot, () => null))));
}

/**
 * A list of the admin API with a button for more. `render(items)` draws all that was read so far, `none()` an empty list.
 * The element has `again()`: it reads the first page anew, and leaves the list alone when more pages are shown.
 */
export function listing({ path, query = {}, limit = 50, render, none, signal, what }) {
  const body = h("div", {}, loading(8));
  const more = h("div", { class: "more" });
  const place = h("div", { class: "place" }, body, more);
  let items = [];
  let pages = 0;

  const read = async (after) => {
    try {
      const page = await get(path, { ...query, limit, after }, { signal });
      if (signal.aborted) return;
      items = after === null ? page.items : [...items, ...page.items];
      pages = after === null ? 1 : pages + 1;
      fill(body, items.length ? render(items) : none());
      fill(more, page.has_more && button("Show more", () => read(page.next_cursor)));
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      if (error.status === undefined) throw error;
      fill(body, error.unavailable ? unavailable(what) : failed(error, () => read(null)));
    }
  };
  place.again = () => (pages > 1 ? undefined : read(null));
  place.restart = () => read(null);
  place.ready = read(null);
  return place;
}

function row(columns, item, open) {
  const cells = columns.map((column) => h("td", { class: column.num && "num", data: { label: column.label } }, [column.cell(item)].flat()));
  const href = open(item);
  return h("tr", href ? { class: "opens", onclick: (event) => follow(event, href) } : {}, cells);
}

/** A click anywhere in the row follows it, but not one on something in it, nor the end of selecting text. */
function follow(event, href) {
  if (event.target.closest("a, button, input, select, summary") || String(getSelection())) return;
  location.hash = href;
}
