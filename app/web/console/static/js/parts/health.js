// How a vendor is doing: the last ten minutes as this replica saw them, and what a probe found.

import { h } from "../dom.js";
import { count, duration, percent, plural } from "../format.js";
import { badge, chips, tile } from "./bits.js";
import { table } from "./table.js";

const WORRYING = 0.1;

/** The health of a vendor as tiles. */
export function tilesOf(vendor) {
  const asked = vendor.seen > 0;
  const bad = (share) => (share === null || share < WORRYING ? "" : "bad");
  return h("div", { class: "tiles small-tiles" },
      tile("Errors", percent(vendor.error_rate), asked ? `of ${count(vendor.seen)} calls` : "not asked lately", bad(vendor.error_rate)),
      tile("Delivered", percent(vendor.delivered_image_rate), "with a picture", bad(vendor.delivered_image_rate === null ? null : 1 - vendor.delivered_image_rate)),
      tile("Latency", duration(vendor.latency_p50_s), vendor.latency_p95_s === null ? null : `95 %: ${duration(vendor.latency_p95_s)}`),
      tile("Running", `${vendor.in_use} / ${vendor.concurrency}`, vendor.waiting ? `${vendor.waiting} wait` : null, vendor.waiting ? "warn" : ""));
}

/** The health of each of its models, behind a word. */
export const models = (vendor) => vendor.targets.length > 0
  && h("details", { class: "folded" }, h("summary", {}, `Each of ${plural(vendor.targets.length, "model")} that was asked for`), targets(vendor.targets));

/** The breaker as a word, and for how long the vendor is left alone; nothing while it is closed. */
export function breaker({ breaker: state, rest_s: rest, share }) {
  return [
    state !== "closed" && badge(state, rest > 0 ? `breaker ${state}, ${duration(rest)}` : `breaker ${state}`),
    state === "closed" && share < 1 && badge("half_open", `${percent(share)} of its share`),
  ];
}

const targets = (items) => table({
  caption: "Health by model", items,
  columns: [
    { label: "Model", cell: (one) => one.model },
    { label: "Breaker", cell: (one) => badge(one.breaker) },
    { label: "Calls", num: true, cell: (one) => h("span", { class: "num" }, count(one.seen)) },
    { label: "Errors", num: true, cell: (one) => h("span", { class: "num" }, percent(one.error_rate)) },
    { label: "Delivered", num: true, cell: (one) => h("span", { class: "num" }, percent(one.delivered_image_rate)) },
    { label: "Latency", num: true, cell: (one) => h("span", { class: "num" }, duration(one.latency_p50_s)) },
  ],
});

/** What a probe found, model by model. */
export const findings = (items) => table({
  caption: "Findings", items,
  columns: [
    { label: "Model", cell: (one) => h("span", {}, h("b", {}, one.model), h("div", { class: "small muted" }, one.vendor_model)) },
    { label: "Result", cell: (one) => h("span", {}, one.ok ? badge("ok") : badge("failed", one.failure), one.detail && h("div", { class: "small muted" }, one.detail)) },
    { label: "Took", num: true, cell: (one) => h("span", { class: "num" }, duration(one.seconds)) },
    { label: "Came as", cell: (one) => h("span", {}, [one.form, one.pictures_at.join(", ")].filter(Boolean).join(" · ")) },
    { label: "Sizes", cell: (one) => chips(one.sizes) },
    { label: "Suggestions", cell: (one) => h("ul", {}, one.suggestions.map((text) => h("li", {}, text))) },
  ],
});
