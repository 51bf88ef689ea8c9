// Accounts: who pays, what they have, and the money that operators give and correct.

import { get, patch, post } from "../api.js";
import { h } from "../dom.js";
import { amountOf, currencyCode, money, unitsOf } from "../format.js";
import { amount, badge, button, copyable, facts, heading, section, tile, to, when } from "../parts/bits.js";
import { form, secret } from "../parts/dialog.js";
import { createKey, keyTable } from "../parts/keys.js";
import { entryTable } from "../parts/ledger.js";
import { empty, loads } from "../parts/states.js";
import { listing, table } from "../parts/table.js";
import { done } from "../parts/toast.js";
import { go, link } from "../router.js";

/** All accounts. */
export function accountsPage({ signal }) {
  const create = () => newAccount((account) => go(`/accounts/${account.id}`));
  const list = listing({
    path: "/accounts", signal, what: "The list of accounts", render: accountTable,
    none: () => empty("No accounts yet", "An account holds a balance and has keys.", button("New account", create, "primary")),
  });
  return [heading("Accounts", "Who pays. A prepaid account spends what it was granted; an unlimited one is only counted.",
    button("New account", create, "primary")), list];
}

/** One account with its keys and the newest entries of its ledger. */
export function accountPage({ params, signal }) {
  const path = `/accounts/${encodeURIComponent(params.id)}`;
  const place = loads({
    what: "This account", signal, ask: () => get(path, {}, { signal }),
    render: (account) => h("div", { class: "stack" }, accountHead(account, path, again), accountMoney(account)),
  });
  const keys = listing({
    path: "/keys", query: { account: params.id }, signal, what: "The list of keys",
    render: (items) => keyTable(items, { changed: () => keys.restart() }),
    none: () => empty("No keys", "Clients authenticate with keys."),
  });
  const entries = listing({
    path: "/ledger/entries", query: { account: params.id }, limit: 10, signal, what: "The ledger",
    render: (items) => entryTable(items, { account: false }), none: () => empty("No entries", "Nothing was granted or charged yet."),
  });
  const again = () => (place.again(), entries.restart());
  const newKey = button("New key", () => createKey({ accountId: params.id, created: () => keys.restart() }), "primary");
  return [place, section("Keys", keys, newKey), section("Ledger", entries, to("/ledger", "All entries", { account: params.id }))];
}

function accountTable(items) {
  return table({
    caption: "Accounts", items, open: (account) => link(`/accounts/${account.id}`),
    columns: [
      { label: "Name", cell: (account) => to(`/accounts/${account.id}`, account.name) },
      { label: "Billing", cell: state },
      { label: "Available", num: true, cell: (account) => available(account) },
      { label: "Held", num: true, cell: (account) => amount(account.held_units, { short: true }) },
      { label: "Balance", num: true, cell: (account) => amount(account.balance_units, { short: true }) },
      { label: "Created", cell: (account) => when(account.created_at) },
    ],
  });
}

const state = (account) => h("span", {}, badge(account.billing), account.disabled && badge("disabled"));
const available = (account) => (account.billing === "unlimited" ? h("span", { class: "muted" }, "unlimited") : amount(account.available_units, { short: true, signed: account.available_units <= 0 }));

function accountHead(account, path, again) {
  const change = async (body, text) => (await patch(path, body), done(text), again());
  const onOff = account.disabled
    ? button("Enable", () => change({ disabled: false }, "The account is enabled."))
    : button("Disable", () => form({
      title: `Disable ${account.name}?`, text: "Its keys are refused with 403 until it is enabled again. Work that runs is finished.",
      fields: [], label: "Disable", kind: "danger", act: () => change({ disabled: true }, "The account is disabled."),
    }), "danger");
  return heading(account.name, state(account), button("Edit", () => edit(account, change)), onOff,
    button("Adjust", () => moveMoney("adjustments", account, path, again)),
    button("Grant", () => moveMoney("grants", account, path, again), "primary"));
}

function accountMoney(account) {
  const left = account.billing === "unlimited" ? "unlimited" : money(account.available_units);
  const poor = account.billing === "prepaid" && account.available_units <= 0 ? "bad" : "";
  return [
    h("div", { class: "tiles" }, tile("Available", left, "what new requests may spend", poor),
      tile("Held", money(account.held_units), "by requests that run"), tile("Balance", money(account.balance_units), "held included")),
    h("div", { class: "card" }, facts([["Id", copyable(account.id)], ["Webhooks go to", account.webhook_url ?? "nowhere by default"], ["Created", when(account.created_at)]])),
  ];
}

function edit(account, change) {
  form({
    title: "Edit account", label: "Save",
    fields: [
      { name: "name", label: "Name", value: account.name, required: true },
      { name: "billing", label: "Billing", type: "select", options: ["prepaid", "unlimited"], value: account.billing },
      { name: "webhook_url", label: "Webhook URL", type: "url", value: account.webhook_url, hint: "Where task events go when a task says nothing else. Empty: nowhere." },
    ],
    act: (said) => change({ ...said, webhook_url: said.webhook_url || null }, "The account is saved."),
  });
}

function newAccount(created) {
  form({
    title: "New account", label: "Create",
    fields: [
      { name: "name", label: "Name", required: true },
      { name: "billing", label: "Billing", type: "select", options: ["prepaid", "unlimited"] },
      { name: "webhook_url", label: "Webhook URL", type: "url", hint: "Optional." },
    ],
    act: async (said) => {
      const account = await post("/accounts", { ...said, webhook_url: said.webhook_url || null });
      secret({
        title: "The account's webhook secret", value: account.webhook_secret, onclose: () => created(account),
        text: "Receivers verify webhooks with it. It is shown this once.",
      });
    },
  });
}

/** Grants or adjusts. The amount is typed in the currency and sent in units. */
function moveMoney(kind, account, path, again) {
  const granting = kind === "grants";
  form({
    title: `${granting ? "Grant to" : "Adjust"} ${account.name}`, label: granting ? "Grant" : "Adjust",
    text: granting ? "Adds to the balance." : "Corrects the balance, up or down; the ledger keeps both.",
    fields: [
      { name: "units", label: `Amount in ${currencyCode()}`, inputmode: "decimal", required: true, placeholder: granting ? "100" : `-${amountOf(134000)}` },
      { name: "reason", label: "Reason", required: true, hint: "Kept in the ledger." },
    ],
    act: async ({ units, reason }) => {
      const entry = await post(`${path}/${kind}`, { units: unitsOf(units) ?? units, reason });
      done(`${granting ? "Granted" : "Adjusted by"} ${money(entry.units)}.`);
      again();
    },
  });
}
