// Pictures of tasks: as they come in lists, and one large.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { bytes } from "../format.js";
import { button } from "./bits.js";
import { open } from "./dialog.js";

const AT_ONCE = 4;
const waiting = [];
let running = 0;

/** The address of a picture on this host: links may name the public one, which the page's policy keeps out. */
export function here(url) {
  const at = url.indexOf("/v1/media/");
  return at < 0 ? url : url.slice(at);
}

/** A picture with its size under it; a click shows it large. */
export function picture(result, { alt = "A picture of this task" } = {}) {
  const about = [`${result.width} × ${result.height}`, result.mime_type, result.size_bytes && bytes(result.size_bytes)].filter(Boolean).join(" · ");
  if (!result.url) return h("figure", { class: "picture gone" }, h("p", { class: "muted" }, "Erased"), h("figcaption", { class: "small muted" }, about));
  const image = h("img", { src: here(result.url), alt, width: result.width, height: result.height, loading: "lazy" });
  return h("figure", { class: "picture" }, h("button", { type: "button", class: "picture-open", title: "Show it large", onclick: () => large(result, alt) }, image),
    h("figcaption", { class: "small muted" }, about));
}

/** The first picture of a task, asked for when it comes into view; a few at a time. */
export function thumbnail(task, signal) {
  const place = h("div", { class: "thumb" });
  if (task.images_delivered === 0) return fill(place, h("span", { class: "muted small" }, task.error?.code ?? "no picture yet"));
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    waiting.push({ task, place, signal });
    next();
  });
  watcher.observe(place);
  signal.addEventListener("abort", () => watcher.disconnect());
  return place;
}

async function next() {
  if (running >= AT_ONCE || waiting.length === 0) return;
  const { task, place, signal } = waiting.shift();
  running += 1;
  try {
    if (!signal.aborted) show(place, await get(`/tasks/${task.id}`, {}, { signal }));
  } catch (error) {
    if (error.name !== "AbortError") fill(place, h("span", { class: "muted small" }, error.message));
  }
  running -= 1;
  next();
}

function show(place, task) {
  const [first] = task.results;
  const gone = h("span", { class: "muted small" }, "erased");
  fill(place, first?.url ? h("img", { src: here(first.url), alt: task.request.prompt ?? "", loading: "lazy" }) : gone);
}

function large(result, alt) {
  open("Picture", (close) => h("div", {},
    h("img", { src: here(result.url), alt, class: "large" }),
    h("div", { class: "dialog-actions" }, h("a", { href: here(result.url), target: "_blank", rel: "noopener" }, "Open alone"), button("Close", close, "primary"))), { wide: true });
}
