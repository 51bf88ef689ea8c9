// Tasks: found by what they are, as a table or as their pictures, kept fresh while one looks.

import { all, get } from "../api.js";
import { h } from "../dom.js";
import { duration, plural } from "../format.js";
import { amount, badge, heading, idLink, to, when } from "../parts/bits.js";
import { filters } from "../parts/form.js";
import { namesOf } from "../parts/names.js";
import { thumbnail } from "../parts/pictures.js";
import { empty, every } from "../parts/states.js";
import { listing, table } from "../parts/table.js";
import { link, setQuery } from "../router.js";

const STATES = [["", "any state"], "queued", "in_progress", "succeeded", "failed", "cancelled"];
const FRESH_MS = 5000;

/** The page. */
export async function tasksPage({ query, signal }) {
  const [nameOf, choices] = await Promise.all([namesOf("/accounts", signal), choicesOf(signal)]);
  const { view = "table", ...asked } = query;
  const render = view === "pictures" ? (items) => gallery(items) : (items) => taskTable(items, nameOf);
  const none = () => (Object.keys(asked).length ? empty("No task is like that", "Take a filter away to see more.") : empty("No tasks yet", "Each image request becomes a task.", to("/playground", "Make one in the playground")));
  const list = listing({ path: "/tasks", query: asked, limit: view === "pictures" ? 24 : 50, signal, what: "The list of tasks", render, none });
  every(FRESH_MS, () => view !== "pictures" && list.again(), signal, list);
  return [
    heading("Tasks", "Every image request, newest first.", viewSwitch(query, view)),
    filters([
      { name: "status", label: "State", type: "select", options: STATES, value: query.status ?? "" },
      { name: "model", label: "Model", value: query.model, list: choices.models, placeholder: "any" },
      { name: "vendor", label: "Tried at vendor", value: query.vendor, list: choices.vendors, placeholder: "any" },
      { name: "account", label: "Account", type: "select", options: [["", "any account"], ...choices.accounts], value: query.account ?? "" },
      { name: "key", label: "Key", value: query.key, placeholder: "any id" },
    ], (said) => setQuery({ ...said, view: query.view })),
    list,
  ];
}

/** Tasks as a table; other pages show a few with it. */
export function taskTable(items, nameOf = (id) => id) {
  return table({
    caption: "Tasks", items, open: (task) => link(`/tasks/${task.id}`),
    columns: [
      { label: "Task", cell: (task) => h("div", { class: "pictured" }, thumbnail(task, { small: true }), h("div", {}, idLink(`/tasks/${task.id}`, task.id), h("div", { class: "small muted" }, task.model))) },
      { label: "State", cell: (task) => h("span", {}, badge(task.status), task.error && h("div", { class: "small muted" }, task.error.code)) },
      { label: "Surface", cell: (task) => h("span", {}, task.surface.replaceAll("_", " "), task.mode === "async" && h("span", { class: "muted" }, " async")) },
      { label: "Account", cell: (task) => to(`/accounts/${task.account_id}`, nameOf(task.account_id)) },
      { label: "Images", num: true, cell: (task) => h("span", { class: "num" }, `${task.images_delivered} / ${task.images_requested}`) },
      { label: "Took", num: true, cell: (task) => h("span", { class: "num" }, took(task)) },
      { label: "Charged", num: true, cell: (task) => amount(task.units, { short: true }) },
      { label: "Created", cell: (task) => when(task.created_at) },
    ],
  });
}

/** How long a task took, or has run. Whole seconds: the list tells no finer ones. */
function took(task) {
  if (task.finished_at === null) return task.started_at ? `${duration(Math.max(Date.now() / 1000 - task.started_at, 0) | 0)}…` : "waits";
  const seconds = task.finished_at - task.created_at;
  return seconds < 1 ? "< 1 s" : duration(seconds);
}

function gallery(items) {
  return h("ul", { class: "gallery" }, items.map((task) => h("li", {}, h("a", { href: link(`/tasks/${task.id}`), "aria-label": `Task ${task.id}, ${task.model}, ${task.status}` },
    thumbnail(task),
    h("div", { class: "gallery-model" }, task.model),
    h("div", { class: "gallery-text small muted" }, h("span", {}, task.status === "succeeded" ? plural(task.images_delivered, "picture") : badge(task.status)), when(task.created_at))))));
}

function viewSwitch(query, view) {
  const choice = (name, text) => h("button", { type: "button", "aria-pressed": String(view === name), onclick: () => setQuery({ ...query, view: name === "table" ? "" : name }) }, text);
  return h("div", { class: "segmented", role: "group", "aria-label": "View" }, choice("table", "Table"), choice("pictures", "Pictures"));
}

async function choicesOf(signal) {
  const quiet = (promise, instead) => promise.catch(() => instead);
  const [models, vendors, accounts] = await Promise.all([
    quiet(get("/models", {}, { signal }), { items: [] }), quiet(get("/vendors", {}, { signal }), { items: [] }), quiet(all("/accounts", {}, { most: 300, signal }), []),
  ]);
  return {
    models: models.items.filter((model) => model.kind === "image").map((model) => model.id),
    vendors: vendors.items.map((vendor) => vendor.name),
    accounts: accounts.map((account) => [account.id, account.name]),
  };
}
