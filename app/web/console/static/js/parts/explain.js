// What the gateway would do with a request, without doing it.

import { post } from "../api.js";
import { fill, h } from "../dom.js";
import { money, percent } from "../format.js";
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

function explanation({ model, hold_units: hold, warnings, refusal, targets, request }) {
  return h("div", { class: "stack" }, facts([["Model", model], ["Would be held", money(hold)]]),
    refusal && h("p", { class: "note bad" }, h("span", {}, h("b", {}, `${refusal.status}: `), refusal.message)), warned(warnings),
    h("h3", {}, "Targets, in order"), targets.length ? h("ol", { class: "targets" }, targets.map(target)) : empty("No target would serve it"),
    folded("The request as it was understood", request));
}

function target({ vendor, model, order, first_chance: chance, reason, calls, request, warnings }) {
  const place = order === null ? badge("refused", "left out") : h("b", {}, `${order}.`);
  const words = [model, chance > 0 && `first in ${percent(chance)}`, calls > 1 && `${calls} calls`, reason].filter(Boolean).join(" · ");
  return h("li", { class: "card" }, h("div", {}, place, " ", h("b", {}, vendor), " ", h("span", { class: "muted" }, words)), warned(warnings),
    request && h("details", { class: "folded" }, h("summary", {}, `${request.method} ${request.url}`), jsonBlock(request.headers), jsonBlock(request.body)));
}

const warned = (warnings) => warnings.length > 0
  && h("ul", { class: "warnings" }, warnings.map(({ code, param, message }) => h("li", {}, badge("refused", code), " ", `${param}: ${message}`)));
