// What the gateway would do with a request, without doing it.

import { post } from "../api.js";
import { fill, h } from "../dom.js";
import { money } from "../format.js";
import { badge, facts } from "./bits.js";
import { folded, jsonBlock } from "./code.js";
import { open } from "./dialog.js";
import { empty, failed, loading, unavailable } from "./states.js";

/** Opens a dialog with the explanation of `{path, body, key_id?}`. */
export function explain(request) {
  const place = h("div", {}, loading(6));
  open("What would happen", (close) => h("div", {}, h("p", { class: "muted" }, `POST ${request.path}. Nothing is sent.`), place,
    h("div", { class: "dialog-actions" }, h("button", { type: "button", onclick: close }, "Close"))), { wide: true });
  ask(place, request);
}

async function ask(place, request) {
  try {
    fill(place, explanation(await post("/explain", request)));
  } catch (error) {
    if (error.status === undefined) throw error;
    fill(place, error.unavailable ? unavailable("Explain") : failed(error, () => ask(place, request)));
  }
}

/** The known parts in words, everything else as it came: this answer is made for people. */
function explanation(found) {
  const { model, targets = [], hold_units: hold, warnings = [], ...rest } = found;
  const said = [["Model", typeof model === "object" && model ? model.id : model], ["Would be held", hold === undefined ? null : money(hold)],
    ...Object.entries(rest).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value)).map(([name, value]) => [name.replaceAll("_", " "), String(value)])];
  return h("div", { class: "stack" }, facts(said),
    warnings.length > 0 && h("ul", { class: "warnings" }, warnings.map((warning) => h("li", {}, badge("refused", "warning"), " ", typeof warning === "string" ? warning : [warning.param, warning.message].filter(Boolean).join(": ")))),
    h("h3", {}, "Targets, in order"), targets.length ? h("ol", { class: "targets" }, targets.map(target)) : empty("No target would serve it"),
    folded("The whole answer", found));
}

function target(one, index) {
  const { vendor, model, request, requests, ...rest } = one;
  const words = Object.entries(rest).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value) && value !== "").map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`);
  const sent = requests ?? (request ? [request] : []);
  return h("li", { class: "card" }, h("div", {}, h("b", {}, `${index + 1}. ${vendor}`), " ", h("span", { class: "muted" }, [model, ...words].filter(Boolean).join(" · "))), sent.map((call) => jsonBlock(call)));
}
