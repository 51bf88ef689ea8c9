// Fields with labels, and forms that say beside the field what the gateway did not take.

import { fill, h } from "../dom.js";

let nextId = 0;

/**
 * A labelled field: `{name, label, type, value, hint, required, options, rows, …}`. `type` is an input's, or `select`
 * (`options` are texts or `[value, text]`), `textarea`, or `checkbox`. Anything else becomes an attribute.
 */
export function field({ name, label, hint, type = "text", options, value, list, ...attributes }) {
  const id = `field-${(nextId += 1)}`;
  const shared = { id, name, "aria-describedby": `${id}-note`, autocomplete: "off", ...attributes };
  const control = build(type, { shared, options, value, list });
  const note = h("div", { id: `${id}-note`, class: "field-note small muted" }, hint);
  const choices = list && h("datalist", { id: `${id}-list` }, list.map((item) => h("option", { value: item })));
  if (list) control.setAttribute("list", `${id}-list`);
  const labelled = h("label", { for: id }, label);
  const parts = type === "checkbox" ? [h("div", { class: "check" }, control, labelled)] : [labelled, control];
  return h("div", { class: "field", data: { name } }, parts, choices, note);
}

/** What was said in a form, by name; checkboxes as booleans, texts trimmed. */
export function values(form) {
  const said = {};
  for (const control of form.elements) {
    if (control.name) said[control.name] = control.type === "checkbox" ? control.checked : control.value.trim();
  }
  return said;
}

/** Shows an ApiError in a form: beside the field it names, otherwise at `place`. */
export function complain(form, place, error) {
  form.querySelectorAll(".field.wrong").forEach((wrong) => wrong.classList.remove("wrong"));
  const name = error.param?.split(/[.[]/)[0];
  const wrong = name && form.querySelector(`.field[data-name="${CSS.escape(name)}"]`);
  fill(place, error.message);
  if (!wrong) return;
  wrong.classList.add("wrong");
  wrong.querySelector("input, select, textarea").focus();
}

/** A row of fields that filters a page: `changed(values)` after each change. */
export function filters(fields, changed) {
  const form = h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, fields.map(field));
  form.addEventListener("change", () => changed(values(form)));
  return form;
}

function build(type, { shared, options, value }) {
  if (type === "select") {
    const choices = options.map((option) => (Array.isArray(option) ? option : [option, option]));
    const select = h("select", shared, choices.map(([key, text]) => h("option", { value: key }, text)));
    if (value !== undefined && value !== null) select.value = value;
    return select;
  }
  if (type === "textarea") return h("textarea", { ...shared, value: value ?? "" });
  const input = h("input", { ...shared, type, value: type === "checkbox" ? undefined : (value ?? "") });
  if (type === "checkbox") input.checked = Boolean(value);
  return input;
}
