// Prices, costs and margins: parts of the catalog, in words.

import { h } from "../dom.js";
import { money } from "../format.js";

const WORDS = {
  per_image: "an image", per_request: "a request", per_1m_input_tokens: "1M tokens in",
  per_1m_cached_input_tokens: "1M cached in", per_1m_output_tokens: "1M tokens out",
};

/** The parts that are priced, a line each. `signed` colours what is below zero. */
export function price(parts, { signed = false } = {}) {
  const said = Object.entries(parts ?? {});
  if (said.length === 0) return h("span", { class: "muted" }, "not told");
  return h("span", { class: "price" }, said.map(([part, units]) => h("span", { class: signed && units < 0 ? "num negative" : "num" }, money(units), h("span", { class: "muted small" }, ` ${WORDS[part] ?? part}`))));
}
