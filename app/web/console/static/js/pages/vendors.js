// Vendors: whether they are well, what they may yet bill, and taking them out of use.

import { get, post } from "../api.js";
import { fill, h } from "../dom.js";
import { duration, money, percent, plural } from "../format.js";
import { badge, button, facts, heading, tile, to } from "../parts/bits.js";
import { folded, jsonBlock } from "../parts/code.js";
import { confirm, open } from "../parts/dialog.js";
import { empty, every, failed, loading, loads, unavailable } from "../parts/states.js";
import { done, refused } from "../parts/toast.js";

const FRESH_MS = 5000;
const SETTINGS = new Set(["name", "dialect", "base_url", "configured", "keys", "timeout_s", "concurrency", "options", "models", "drained", "exposure_units"]);

/** The page. */
export function vendorsPage({ signal }) {
  let shown = "";
  const body = h("div", { class: "vendors" });
  const list = loads({
    what: "The list of vendors", signal, lines: 10, ask: () => get("/vendors", {}, { signal }),
    render: ({ items }) => {
      const seen = JSON.stringify(items);
      if (seen !== shown) fill(body, items.length && items.every((vendor) => health(vendor) === null) ? h("p", { class: "muted small not-told" }, "Health and breaker state are not available in this version.") : null, items.length ? [...items].sort(byUse).map((vendor) => card(vendor, list.again)) : empty("The catalog has no vendors", "Add one there.", to("/catalog", "Catalog")));
      shown = seen;
      return body;
    },
  });
  every(FRESH_MS, list.again, signal);
  return [heading("Vendors", "Who does the work. A drained vendor finishes what it has and gets nothing new.", to("/catalog", "Change the catalog")), list];
}

const byUse = (one, other) => Number(other.configured) - Number(one.configured);

function card(vendor, again) {
  const buttons = [
    vendor.drained ? button("Undrain", () => act(vendor, "undrain", "It gets work again.", again)) : button("Drain", () => drain(vendor, again), "danger"),
    vendor.configured && button("Probe", () => probe(vendor)),
  ];
  return h("section", { class: `card vendor${vendor.configured ? "" : " idle"}`, "aria-label": vendor.name },
    h("div", { class: "card-head" }, h("div", {}, h("h2", {}, vendor.name), h("div", { class: "id muted" }, vendor.base_url), h("div", { class: "vendor-state" }, state(vendor))), h("div", { class: "actions" }, buttons)),
    health(vendor),
    facts([
      ["Speaks", vendor.dialect], ["Keys", String(vendor.keys)],
      ["At once", String(vendor.concurrency)], ["Timeout", vendor.timeout_s && duration(vendor.timeout_s)],
      ["Serves", to("/models", plural(vendor.models.length, "model"), { vendor: vendor.name })],
      ["Tasks", to("/tasks", "tried here", { vendor: vendor.name })],
    ]),
    Object.keys(vendor.options).length > 0 && folded("Options", vendor.options));
}

function state(vendor) {
  return [
    vendor.configured ? badge("ok", "configured") : badge("calm", "no key"),
    vendor.drained && badge("drained"),
    vendor.exposure_units > 0 && badge("refused", `exposure ${money(vendor.exposure_units)}`),
  ];
}

/** Whatever the gateway tells of a vendor's health: numbers as tiles, the rest folded. */
function health(vendor) {
  const told = flat(Object.fromEntries(Object.entries(vendor).filter(([name]) => !SETTINGS.has(name))));
  const simple = told.filter(([, value]) => value !== null && typeof value !== "object");
  const rest = told.filter(([, value]) => Array.isArray(value) && value.length > 0);
  if (told.length === 0) return null;
  return [h("div", { class: "tiles small-tiles" }, simple.map(([name, value]) => tile(words(name), shown(name, value)))), rest.map(([name, value]) => folded(words(name), value))];
}

/** Nested documents as one: `health: {error_rate}` is `error_rate`. */
function flat(told) {
  return Object.entries(told).flatMap(([name, value]) => (value && typeof value === "object" && !Array.isArray(value) ? flat(value) : [[name, value]]));
}

const words = (name) => name.replace(/_(s|ms|units)$/, "").replaceAll("_", " ");

function shown(name, value) {
  if (typeof value === "string") return badge(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (name.endsWith("_units")) return money(value);
  if (name.endsWith("_rate")) return percent(value);
  if (name.endsWith("_ms")) return duration(value / 1000);
  return name.endsWith("_s") ? duration(value) : String(value);
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
    title: `Probe ${vendor.name}?`, text: "It sends a small real request, which the vendor may bill, and tells what came back.", label: "Probe", danger: false,
    act: async () => {
      const place = h("div", {}, loading(4));
      open(`Probe of ${vendor.name}`, (close) => h("div", {}, place, h("div", { class: "dialog-actions" }, button("Close", close))), { wide: true });
      try {
        fill(place, jsonBlock(await send(vendor, "probe")));
      } catch (error) {
        if (error.status === undefined) throw error;
        fill(place, error.unavailable ? unavailable("Probing") : failed(error));
      }
    },
  });
}
