// The playground: one real request over any surface, as a client makes it, with the code that makes it.

import { ApiError, errorOf, get, reach } from "../api.js";
import { fill, h } from "../dom.js";
import { duration, money } from "../format.js";
import { button, heading, idLink, section, tile } from "../parts/bits.js";
import { block, cutText, jsonBlock } from "../parts/code.js";
import { explain } from "../parts/explain.js";
import { field, values } from "../parts/form.js";
import { createKey } from "../parts/keys.js";
import { picture } from "../parts/pictures.js";
import { empty, loads } from "../parts/states.js";
import { curl, python } from "../parts/snippets.js";
import { SURFACES, noteOf, picturesOf, requestOf, textOf } from "../parts/surfaces.js";

const REFERENCES_MOST = 14;
const REFERENCE_BYTES_MOST = 8_000_000;
const WAIT_S = 20;

/** What was said last, for as long as the tab lives. The client's key is here and in no storage. */
const kept = { key: "", prompt: "a red fox reading a map, in the style of an old atlas", model: "", surface: "generations", ratio: "", n: "1", format: "", references: [] };

/** The page. */
export function playgroundPage({ query, signal }) {
  if (query.model) kept.model = query.model;
  return [
    heading("Playground", "A real request with a client's key: it is admitted, routed, charged and recorded like any other."),
    loads({ what: "The playground", signal, lines: 10, ask: () => get("/models", {}, { signal }), render: ({ items }) => bench(items.filter((model) => model.available), signal) }),
  ];
}

function bench(models, signal) {
  if (models.length === 0) return empty("No model can be served", "Give a vendor its key in the catalog or the environment.");
  if (!models.some((model) => model.id === kept.model)) kept.model = (models.find((model) => model.kind === "image") ?? models[0]).id;
  const result = h("div", { class: "place", "aria-live": "polite" }, empty("No answer yet", "Send the request to see the picture here."));
  const code = h("div", { class: "stack" });
  const form = h("form", { class: "card" });
  const draw = () => {
    const model = models.find((one) => one.id === kept.model) ?? models[0];
    const surfaces = Object.entries(SURFACES).filter(([, surface]) => surface.kinds.includes(model.kind));
    if (!surfaces.some(([name]) => name === kept.surface)) kept.surface = surfaces[0][0];
    fill(form, fields(models, model, surfaces, draw));
    fill(code, snippets(orderOf(model)));
  };
  form.addEventListener("input", (event) => {
    const { name, type } = event.target;
    if (type === "file") return;
    Object.assign(kept, pick(values(form)));
    if (name === "model" || name === "surface") draw();
    else fill(code, snippets(orderOf(models.find((one) => one.id === kept.model))));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(orderOf(models.find((one) => one.id === kept.model)), result, form, signal);
  });
  draw();
  return h("div", { class: "columns wide-first playground" }, h("div", { class: "stack" }, form, section("The same in code", code)), section("Answer", result));
}

const pick = (said) => Object.fromEntries(Object.entries(said).filter(([name]) => name in kept && name !== "references"));
const orderOf = (model) => ({ ...kept, n: Number(kept.n) || 1, kind: model.kind, references: kept.references.map((one) => one.url) });

function fields(models, model, surfaces, draw) {
  const image = model.kind === "image";
  const gemini = kept.surface === "gemini";
  const newKey = () => createKey({ name: "playground", created: (key) => ((kept.key = key.key), draw()) });
  const withOption = (text, list) => [["", text], ...list];
  return [
    h("div", { class: "key-row" }, field({ name: "key", label: "Client key", type: "password", value: kept.key, required: true, placeholder: "sk-…", hint: "Kept in this page only." }), button("Make one", newKey)),
    h("div", { class: "fields two" },
      field({ name: "model", label: "Model", type: "select", options: models.map((one) => one.id), value: model.id }),
      field({ name: "surface", label: "Surface", type: "select", options: surfaces.map(([name, { title }]) => [name, title]), value: kept.surface })),
    field({ name: "prompt", label: "Prompt", type: "textarea", rows: "3", value: kept.prompt, required: true, maxlength: "32000" }),
    image && h("div", { class: "fields" },
      field({ name: "ratio", label: "Aspect ratio", type: "select", options: withOption("not said", model.aspect_ratios), value: model.aspect_ratios.includes(kept.ratio) ? kept.ratio : "" }),
      !gemini && field({ name: "n", label: "Pictures", type: "number", min: "1", max: String(model.max_n), value: kept.n }),
      !gemini && field({ name: "format", label: "Format", type: "select", options: withOption("not said", model.output_formats), value: model.output_formats.includes(kept.format) ? kept.format : "" })),
    image && references(model, draw),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Send"), button("Explain", () => explainOrder(orderOf(model)))),
  ];
}

const explainOrder = (order) => {
  const { path, body } = requestOf(order);
  explain({ path, body });
};

function references(model, draw) {
  const note = SURFACES[kept.surface].needsReference ? "This surface needs at least one." : `Optional, up to ${Math.min(model.max_images, REFERENCES_MOST)}.`;
  const input = field({ name: "files", label: "References", type: "file", accept: "image/png,image/jpeg,image/webp,image/gif", multiple: true, hint: note });
  input.querySelector("input").addEventListener("change", async (event) => {
    const files = [...event.target.files].filter((file) => file.size <= REFERENCE_BYTES_MOST).slice(0, REFERENCES_MOST - kept.references.length);
    kept.references = [...kept.references, ...(await Promise.all(files.map(read)))];
    draw();
  });
  const remove = (one) => ((kept.references = kept.references.filter((other) => other !== one)), draw());
  const shown = kept.references.map((one) => h("li", {}, h("img", { src: one.url, alt: one.name }), h("button", { type: "button", class: "icon-button", "aria-label": `Remove ${one.name}`, onclick: () => remove(one) }, "×")));
  return h("div", {}, input, shown.length > 0 && h("ul", { class: "references" }, shown));
}

const read = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve({ name: file.name, url: reader.result });
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

/** Pictures are cut on the screen and whole in what is copied. */
function snippets(order) {
  const short = { ...order, references: order.references.map(cutText) };
  const base = location.origin;
  return [
    h("div", {}, h("h3", {}, "curl"), block(curl(requestOf(short), base), { full: () => curl(requestOf(order), base), label: "The request for curl" })),
    h("div", {}, h("h3", {}, order.surface === "gemini" ? "Python, Google's SDK" : "Python, OpenAI's SDK"), block(python(short, base), { full: () => python(order, base), label: "The request in Python" })),
  ];
}

async function send(order, result, form, signal) {
  const submit = form.querySelector("button[type=submit]");
  const began = performance.now();
  const clock = h("span", { class: "num" });
  const tick = setInterval(() => fill(clock, duration((performance.now() - began) / 1000)), 100);
  submit.disabled = true;
  fill(result, h("div", { class: "state" }, h("p", { class: "state-title" }, "Waiting for the answer"), clock));
  try {
    const answer = await call(order, signal);
    fill(result, answered(answer, (performance.now() - began) / 1000));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === undefined) throw error;
    fill(result, refusal(error, (performance.now() - began) / 1000));
  } finally {
    clearInterval(tick);
    submit.disabled = false;
  }
}

/** Sends an order as its client; a task is asked for until it has ended. */
async function call(order, signal) {
  const { path, body, keyHeader } = requestOf(order);
  const headers = { "content-type": "application/json", [keyHeader]: keyHeader === "authorization" ? `Bearer ${order.key}` : order.key };
  let answer = await json(await reach(path, { method: "POST", headers, body: JSON.stringify(body), signal }));
  while (["queued", "in_progress"].includes(answer.data?.status)) {
    answer = await json(await reach(`/v1/images/tasks/${answer.data.task_id}?wait=${WAIT_S}`, { headers, signal }));
  }
  return answer;
}

async function json(response) {
  if (!response.ok) throw await errorOf(response);
  const answer = await response.json();
  const error = answer.data?.error;
  if (error) throw new ApiError(200, error.message, { ...error, body: answer });
  return answer;
}

function answered(answer, seconds) {
  const { task_id: task, units, warnings = [] } = noteOf(answer);
  const pictures = picturesOf(answer);
  return h("div", { class: "stack" },
    h("div", { class: "tiles small-tiles" }, tile("Took", duration(seconds)), tile("Charged", money(units)), task && tile("Task", idLink(`/tasks/${task}`, task))),
    h("div", { class: "pictures" }, pictures.map((one) => picture(one, { alt: "The picture that came back" }))),
    textOf(answer) && h("blockquote", { class: "prompt" }, textOf(answer)),
    warnings.length > 0 && h("ul", { class: "warnings" }, warnings.map((warning) => h("li", { class: "note" }, [warning.param, warning.message].filter(Boolean).join(": ")))),
    h("details", { class: "folded" }, h("summary", {}, "The whole answer"), jsonBlock(answer)));
}

function refusal(error, seconds) {
  const task = error.body?.oneshape?.task_id ?? error.body?.data?.task_id;
  return h("div", { class: "stack", role: "alert" }, h("div", { class: "note bad" }, h("span", {}, h("b", {}, `${error.code ?? error.status}: `), error.message)),
    h("p", { class: "small muted" }, `HTTP ${error.status}, after ${duration(seconds)}. `, task && idLink(`/tasks/${task}`, task)), error.body && jsonBlock(error.body));
}
