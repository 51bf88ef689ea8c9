// Vendors: whether they are well, what they may yet bill, and taking them out of use.

import { get, post } from "../api.js";
import { fill, h } from "../dom.js";
import { duration, money, plural } from "../format.js";
import { badge, button, facts, heading, to } from "../parts/bits.js";
import { folded } from "../parts/code.js";
import { confirm, open } from "../parts/dialog.js";
import { breaker, findings, models, tilesOf } from "../parts/health.js";
import { empty, every, failed, loading, loads, unavailable } from "../parts/states.js";
import { done, refused } from "../parts/toast.js";

const FRESH_MS = 5000;

/** The page. */
export function vendorsPage({ signal }) {
  let shown = "";
  const body = h("div", { class: "vendors" });
  const list = loads({
    what: "The list of vendors", signal, lines: 10, ask: () => get("/vendors", {}, { signal }),
    render: ({ items }) => {
      const seen = JSON.stringify(items);
      if (seen !== shown) fill(body, items.length ? [...items].sort(byUse).map((vendor) => card(vendor, list.again)) : empty("The catalog has no vendors", "Add one there.", to("/catalog", "Catalog")));
      shown = seen;
      return body;
    },
  });
  every(FRESH_MS, list.again, signal, body);
  return [heading("Vendors", "Who does the work. A drained vendor finishes what it has and gets nothing new.", to("/catalog", "Change the catalog")), list];
}

const byUse = (one, other) => Number(other.configured) - Number(one.configured);

function card(vendor, again) {
  const buttons = [
    vendor.drained ? button("Undrain", () => act(vendor, "undrain", "It gets work again.", again)) : button("Drain", () => drain(vendor, again)),
    vendor.configured && button("Probe", () => probe(vendor)),
  ];
  return h("section", { class: `card vendor${vendor.configured ? "" : " idle"}`, "aria-label": vendor.name },
    h("div", { class: "card-head" }, h("div", {}, h("h2", {}, vendor.name), h("div", { class: "id muted" }, vendor.base_url), h("div", { class: "vendor-state" }, state(vendor))), h("div", { class: "actions" }, buttons)),
    vendor.configured && tilesOf(vendor),
    facts([
      ["Speaks", vendor.dialect], ["Keys ready", `${vendor.keys_ready} of ${vendor.keys}`],
      ["Timeout", vendor.timeout_s && duration(vendor.timeout_s)],
      ["Serves", to("/models", plural(vendor.models.length, "model"), { vendor: vendor.name })],
      ["Tasks", to("/tasks", "those tried here", { vendor: vendor.name })],
    ]),
    models(vendor),
    Object.keys(vendor.options).length > 0 && folded("Options", vendor.options));
}

function state(vendor) {
  return [
    vendor.configured ? badge("ok", "configured") : badge("calm", "no key"),
    vendor.drained && badge("drained"),
    breaker(vendor),
    vendor.exposure_units > 0 && badge("refused", `exposure ${money(vendor.exposure_units)}`),
  ];
}

function drain(vendor, again) {
  confirm({
    title: `Drain ${vendor.name}?`, text: "It gets no new work on any replica until it is undrained. Models that only it serves answer 503.", label: "Drain",
    act: async () => (await send(vendor, "drain"), done(`${vendor.name} is drained.`), again()),
  });
}

async function act(vendor, verb, text, again) {
  try {
    await send(vendor, verb);
    done(text);
    again();
  } catch (error) {
    if (error.status === undefined) throw error;
    refused(error.unavailable ? new Error(`Not available in this version: ${verb}.`) : error);
  }
}

const send = (vendor, verb) => post(`/vendors/${encodeURIComponent(vendor.name)}/${verb}`);

/** One cheap real request, which costs money: it is asked for twice. */
function probe(vendor) {
  confirm({
    title: `Probe ${vendor.name}?`, text: "It sends a small real request for each kind of model, which the vendor may bill, and tells what came back.", label: "Probe", danger: false,
    act: async () => {
      const place = h("div", {}, loading(4));
      open(`Probe of ${vendor.name}`, (close) => h("div", {}, place, h("div", { class: "dialog-actions" }, button("Close", close))), { wide: true });
      try {
        fill(place, findings((await send(vendor, "probe")).findings));
      } catch (error) {
        if (error.status === undefined) throw error;
        fill(place, error.unavailable ? unavailable("Probing") : failed(error));
      }
    },
  });
}
