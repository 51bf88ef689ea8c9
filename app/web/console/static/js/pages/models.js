// Models as the catalog in force was understood: names, prices, targets, margins.

import { get } from "../api.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { badge, button, chips, copyable, facts, heading, section, to } from "../parts/bits.js";
import { explain } from "../parts/explain.js";
import { filters } from "../parts/form.js";
import { price } from "../parts/prices.js";
import { empty, failed, loads } from "../parts/states.js";
import { table } from "../parts/table.js";
import { go, link, setQuery } from "../router.js";

const place = (model) => `/models/${encodeURIComponent(model.id)}`;

/** All models. */
export function modelsPage({ query, signal }) {
  const list = loads({
    what: "The list of models", signal, lines: 10, ask: () => get("/models", {}, { signal }),
    render: ({ items }) => {
      const found = items.filter((model) => matches(model, query));
      return found.length ? [h("p", { class: "muted small" }, plural(found.length, "model")), modelTable(found)] : empty("No model is like that");
    },
  });
  return [
    heading("Models", "What clients may ask for, and who serves it.", to("/catalog", "Change the catalog")),
    filters([
      { name: "name", label: "Name or alias", value: query.name, type: "search", placeholder: "any" },
      { name: "vendor", label: "Served by", value: query.vendor, placeholder: "any vendor" },
      { name: "kind", label: "Kind", type: "select", options: [["", "any"], "image", "chat"], value: query.kind ?? "" },
      { name: "state", label: "State", type: "select", options: [["", "any"], ["yes", "available"], ["no", "not available"]], value: query.state ?? "" },
    ], setQuery),
    h("div", {}, list),
  ];
}

/** One model with its targets. */
export function modelPage({ params, signal }) {
  return loads({
    what: "This model", signal, ask: async () => {
      const { items } = await get("/models", {}, { signal });
      const vendors = await get("/vendors", {}, { signal }).catch(() => ({ items: [] }));
      return { model: items.find((model) => model.id === params.id), vendors: new Map(vendors.items.map((vendor) => [vendor.name, vendor])) };
    },
    render: ({ model, vendors }) => (model ? modelView(model, vendors) : failed({ message: `The catalog has no model ${params.id}.` })),
  });
}

function matches(model, { name = "", vendor = "", kind = "", state = "" }) {
  const plain = (text) => text.toLowerCase().replace(/[-_]/g, "");
  return [model.id, ...model.aliases].some((known) => plain(known).includes(plain(name)))
    && (!kind || model.kind === kind) && (!state || model.available === (state === "yes"))
    && (!vendor || model.targets.some((target) => target.vendor.includes(vendor)));
}

function modelTable(items) {
  return table({
    caption: "Models", items, open: (model) => link(place(model)),
    columns: [
      { label: "Model", cell: (model) => h("span", {}, to(place(model), model.id), model.aliases.length > 0 && h("div", { class: "small muted clip", title: model.aliases.join(", ") }, model.aliases.join(", "))) },
      { label: "Kind", cell: (model) => model.kind },
      { label: "Tier", cell: (model) => model.resolution ?? h("span", { class: "muted" }, "–") },
      { label: "State", cell: available },
      { label: "Price", cell: (model) => price(model.price) },
      { label: "Targets", cell: (model) => chips(model.targets.map((target) => target.vendor)) },
    ],
  });
}

const available = (model) => (model.available ? badge("ok", "available") : badge("disabled", "no vendor"));

function modelView(model, vendors) {
  const example = model.kind === "image"
    ? { path: "/v1/images/generations", body: { model: model.id, prompt: "a red fox reading a map" } }
    : { path: "/v1/chat/completions", body: { model: model.id, messages: [{ role: "user", content: "Hello" }] } };
  return [
    heading(model.id, available(model), button("Explain a request", () => explain(example)), button("Try it", () => go("/playground", { model: model.id }), "primary")),
    section("What it takes", facts([
      ["Id", copyable(model.id)], ["Kind", model.kind], ["Family", model.family && `${model.family}${model.default_of_family ? ", its default" : ""}`], ["Tier", model.resolution],
      ["Price", price(model.price)], ["Aspect ratios", model.aspect_ratios.length > 0 && chips(model.aspect_ratios)], ["Formats", model.output_formats.length > 0 && chips(model.output_formats)],
      ["References", model.kind === "image" ? `up to ${model.max_images}` : null], ["Pictures at once", model.kind === "image" ? `up to ${model.max_n}` : null],
      ["Mask", model.mask ? "yes" : null], ["Most tokens out", model.max_output_tokens], ["Aliases", model.aliases.length > 0 && chips(model.aliases)],
    ])),
    section("Targets", table({
      caption: "Targets", items: model.targets,
      columns: [
        { label: "Vendor", cell: (target) => to("/vendors", target.vendor) },
        { label: "Its name", cell: (target) => h("span", {}, h("code", {}, target.model), target.resolution && h("span", { class: "muted" }, ` at ${target.resolution}`)) },
        { label: "Priority", num: true, cell: (target) => h("span", { class: "num" }, target.priority) },
        { label: "Weight", num: true, cell: (target) => h("span", { class: "num" }, target.weight) },
        { label: "Cost", cell: (target) => price(target.cost) },
        { label: "Margin", cell: (target) => price(target.margin, { signed: true }) },
        { label: "State", cell: (target) => targetState(target, vendors.get(target.vendor)) },
      ],
    }), h("span", { class: "small muted" }, "lower priority first, then by weight")),
  ];
}

function targetState(target, vendor) {
  if (!target.configured) return badge("disabled", "no key");
  return vendor?.drained ? badge("drained") : badge("ok", "in use");
}
