// Keys as tables, and the dialogs that make and end them.

import { all, patch, post } from "../api.js";
import { h } from "../dom.js";
import { amountOf, currencyCode, money, moment, unitsOf } from "../format.js";
import { badge, button, chips, meter, to, when } from "./bits.js";
import { confirm, form, secret } from "./dialog.js";
import { table } from "./table.js";
import { done } from "./toast.js";

const STYLES = [["markdown", "Markdown with a URL"], ["data", "Markdown with the picture inline"], ["url", "A bare URL"]];
const PERIODS = [["", "none"], ["total", "in all"], ["day", "each day"], ["month", "each month"]];

/** Keys. `nameOf` adds a column with the account. */
export function keyTable(items, { changed, nameOf = null }) {
  const owner = { label: "Account", cell: (key) => to(`/accounts/${key.account_id}`, nameOf?.(key.account_id)) };
  return table({
    caption: "Keys", items,
    columns: [
      { label: "Name", cell: (key) => h("span", {}, key.name, " ", state(key)) },
      ...(nameOf ? [owner] : []),
      { label: "Key", cell: (key) => h("code", {}, `sk-…${key.hint}`) },
      { label: "Budget", cell: budget },
      { label: "Limits", cell: limits },
      { label: "Models", cell: (key) => (key.models === null ? "all" : chips(key.models.slice(0, 6))) },
      { label: "Created", cell: (key) => when(key.created_at) },
      { label: "", cell: (key) => (key.revoked_at ? null : actions(key, changed)) },
    ],
  });
}

/** Makes a key in a dialog and shows its secret; `created(key)` after that. Without `accountId` it asks which account. */
export async function createKey({ accountId = null, name = "", created }) {
  const accounts = accountId === null ? await all("/accounts", {}, { most: 300 }) : [];
  const whose = { name: "account_id", label: "Account", type: "select", options: accounts.map((account) => [account.id, account.name]) };
  form({
    title: "New key", label: "Create", fields: [...(accountId === null ? [whose] : []), ...rights({ name })],
    act: async (said) => {
      const key = await post("/keys", { account_id: accountId ?? said.account_id, ...bodyOf(said) });
      const text = "This is the only time it is shown. Store it where the client reads it.";
      secret({ title: "The new key", text, value: key.key, onclose: () => created(key) });
    },
  });
}

function actions(key, changed) {
  const edit = () => form({
    title: `Edit ${key.name}`, label: "Save", fields: rights(key),
    act: async (said) => (await patch(`/keys/${key.id}`, bodyOf(said)), done("The key is saved."), changed()),
  });
  const revoke = () => confirm({
    title: `Revoke ${key.name}?`, text: "It stops working on every replica within five seconds, and for good.", label: "Revoke",
    act: async () => (await post(`/keys/${key.id}/revoke`), done("The key is revoked."), changed()),
  });
  return h("span", { class: "actions" }, button("Edit", edit), button("Revoke", revoke, "danger"));
}

function rights(key) {
  const style = key.chat_image_style ?? "markdown";
  return [
    { name: "name", label: "Name", value: key.name, required: true },
    { name: "models", label: "Models", value: key.models?.join(", "), hint: "Ids, with commas between. Empty: all." },
    { name: "period", label: "Budget", type: "select", options: PERIODS, value: key.budget?.period ?? "" },
    { name: "budget", label: `Budget in ${currencyCode()}`, inputmode: "decimal", value: key.budget ? amountOf(key.budget.units) : "" },
    { name: "requests_per_minute", label: "Requests per minute", inputmode: "numeric", value: key.requests_per_minute, hint: "Empty: no limit." },
    { name: "concurrency", label: "Running at once", inputmode: "numeric", value: key.concurrency, hint: "Image requests. Empty: as many as ONESHAPE_KEY_CONCURRENCY says." },
    { name: "expires_at", label: "Expires", type: "datetime-local", value: key.expires_at ? local(key.expires_at) : "" },
    { name: "chat_image_style", label: "Pictures in chat", type: "select", options: STYLES, value: style },
  ];
}

/** What the fields mean to the API. What cannot be read as a number is sent as it is: the API says what is wrong. */
function bodyOf(said) {
  const models = said.models.split(",").map((model) => model.trim()).filter(Boolean);
  return {
    name: said.name,
    models: models.length ? models : null,
    budget: said.period ? { units: unitsOf(said.budget) ?? said.budget, period: said.period } : null,
    requests_per_minute: number(said.requests_per_minute),
    concurrency: number(said.concurrency),
    expires_at: said.expires_at ? Math.floor(new Date(said.expires_at).getTime() / 1000) : null,
    chat_image_style: said.chat_image_style,
  };
}

const number = (text) => (text === "" ? null : /^\d+$/.test(text) ? Number(text) : text);
const local = (seconds) => new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);

function state(key) {
  if (key.revoked_at) return badge("revoked");
  if (key.expires_at && key.expires_at * 1000 < Date.now()) return badge("disabled", "expired");
  return null;
}

function budget(key) {
  if (key.budget === null) return h("span", { class: "muted" }, "none");
  const used = (key.budget_usage?.spent_units ?? 0) + (key.budget_usage?.held_units ?? 0);
  const per = { total: "in all", day: "today", month: "this month" }[key.budget.period];
  return meter(used, key.budget.units, `${money(used)} of ${money(key.budget.units)} ${per}`);
}

function limits(key) {
  const said = [
    key.requests_per_minute && `${key.requests_per_minute} / min`,
    key.concurrency && `${key.concurrency} at once`,
    key.expires_at && `until ${moment(key.expires_at)}`,
  ].filter(Boolean);
  return said.length ? said.map((limit) => h("div", { class: "num" }, limit)) : h("span", { class: "muted" }, "none");
}
