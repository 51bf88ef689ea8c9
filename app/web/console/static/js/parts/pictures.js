// Pictures of tasks: as they come in lists, and one large.

import { h } from "../dom.js";
import { bytes } from "../format.js";
import { button } from "./bits.js";
import { open } from "./dialog.js";

const KEPT_MS = 30 * 60_000;
const links = new Map();

/** The address of a picture on this host: links may name the public one or lead to a bucket, which the page's policy keeps out. */
export function here(url) {
  const at = url.indexOf("/v1/media/");
  return at < 0 ? url : `${url.slice(at)}&proxied=true`;
}

/** A picture with its size under it; a click shows it large. */
export function picture(result, { alt = "A picture of this task" } = {}) {
  const about = [`${result.width} × ${result.height}`, result.mime_type, result.size_bytes && bytes(result.size_bytes)].filter(Boolean).join(" · ");
  if (!result.url) return h("figure", { class: "picture gone" }, h("p", { class: "muted" }, "Erased"), h("figcaption", { class: "small muted" }, about));
  const image = h("img", { src: here(result.url), alt, width: result.width, height: result.height, loading: "lazy" });
  return h("figure", { class: "picture" }, h("button", { type: "button", class: "picture-open", title: "Show it large", onclick: () => large(result, alt) }, image),
    h("figcaption", { class: "small muted" }, about));
}

/** The first picture of a task in a list. `small`: beside words that say the same. */
export function thumbnail(task, { small = false } = {}) {
  const place = (...inside) => h("div", { class: small ? "thumb small-thumb" : "thumb" }, inside);
  const words = (text) => (small ? null : h("span", { class: "muted small" }, text));
  if (task.picture === null) return place(words(task.error?.code ?? (task.images_delivered ? "" : "no picture yet")));
  if (task.picture.url === null) return place(words("erased"));
  const { width, height } = task.picture;
  return place(h("img", { src: kept(task.picture), alt: "", width, height, loading: "lazy", decoding: "async" }));
}

/** A picture's address, the same for a while: each list brings new links, and a new one would be fetched anew. */
function kept({ media_id: id, url }) {
  const known = links.get(id);
  if (known && Date.now() - known.at < KEPT_MS) return known.url;
  links.set(id, { url: here(url), at: Date.now() });
  return here(url);
}

function large(result, alt) {
  open("Picture", (close) => h("div", {},
    h("img", { src: here(result.url), alt, class: "large" }),
    h("div", { class: "dialog-actions" }, h("a", { href: here(result.url), target: "_blank", rel: "noopener" }, "Open alone"), button("Close", close, "primary"))), { wide: true });
}
