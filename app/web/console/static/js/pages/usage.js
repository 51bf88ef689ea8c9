// Usage: what was asked, delivered, charged and paid, by what one likes, on the screen and as CSV.

import { all, ask, get } from "../api.js";
import { h } from "../dom.js";
import { count, moneyShort } from "../format.js";
import { amount, button, heading } from "../parts/bits.js";
import { save } from "../parts/files.js";
import { filters } from "../parts/form.js";
import { namesOf } from "../parts/names.js";
import { empty, loads } from "../parts/states.js";
import { table } from "../parts/table.js";
import { refused } from "../parts/toast.js";
import { setQuery } from "../router.js";

const DIMENSIONS = ["day", "account", "key", "model", "vendor"];
const COUNTS = [["requests", "Requests"], ["images", "Images"], ["input_tokens", "Tokens in"], ["output_tokens", "Tokens out"]];
const MONEY = [["price_units", "Charged"], ["cost_units", "Cost"], ["margin_units", "Margin"], ["exposure_units", "Exposure"]];
const DAYS = 30;

/** The page. */
export async function usagePage({ query, signal }) {
  const [accounts, keys] = await Promise.all([namesOf("/accounts", signal), namesOf("/keys", signal)]);
  const choices = await all("/accounts", {}, { most: 300, signal }).catch(() => []);
  const said = { group_by: query.group_by ?? "day", from: query.from ?? dayBefore(DAYS - 1), to: query.to ?? "", account: query.account ?? "" };
  const asked = { ...said, to: said.to && dayAfter(said.to) };
  const names = { account: accounts, key: keys };
  const place = loads({ what: "Usage", signal, lines: 8, ask: () => get("/usage", asked, { signal }), render: (found) => usageTable(found, names) });
  const csv = button("Export CSV", () => download(asked), "primary");
  return [
    heading("Usage", "Requests count on the day (UTC) on which they came.", csv),
    groupSwitch(said),
    filters([
      { name: "from", label: "From", type: "date", value: said.from },
      { name: "to", label: "To, included", type: "date", value: said.to },
      { name: "account", label: "Account", type: "select", options: [["", "all accounts"], ...choices.map((account) => [account.id, account.name])], value: said.account },
    ], (changed) => setQuery({ ...said, ...changed })),
    place,
  ];
}

function groupSwitch(said) {
  const chosen = said.group_by.split(",").filter(Boolean);
  const toggle = (name) => (chosen.includes(name) ? chosen.filter((other) => other !== name) : DIMENSIONS.filter((other) => other === name || chosen.includes(other)));
  const choice = (name) => h("button", { type: "button", "aria-pressed": String(chosen.includes(name)), onclick: () => setQuery({ ...said, group_by: toggle(name).join(",") || "day" }) }, name);
  return h("div", { class: "group-by" }, h("span", { class: "muted" }, "Sum by"), h("div", { class: "segmented", role: "group", "aria-label": "Sum by" }, DIMENSIONS.map(choice)));
}

function usageTable({ group_by: groups, items }, names) {
  if (items.length === 0) return empty("Nothing in this time", "Choose an earlier first day.");
  const sums = Object.fromEntries([...COUNTS, ...MONEY].map(([name]) => [name, items.reduce((sum, item) => sum + item[name], 0)]));
  const most = Math.max(...items.map((item) => item.price_units), 1);
  const ordered = groups[0] === "day" ? [...items].reverse() : [...items].sort((one, other) => other.price_units - one.price_units);
  const group = (name, first) => ({
    label: name[0].toUpperCase() + name.slice(1),
    cell: (item) => (item === sums ? (first ? "Sum" : "") : item[name] === null ? h("span", { class: "muted" }, "none") : (names[name]?.(item[name]) ?? item[name])),
  });
  const share = (item) => item !== sums && h("div", { class: "share", style: { width: `${(100 * item.price_units) / most}%` }, title: moneyShort(item.price_units) });
  return table({
    caption: "Usage", items: ordered, foot: sums,
    columns: [
      ...groups.map((name, i) => group(name, i === 0)),
      ...COUNTS.map(([name, label]) => ({ label, num: true, cell: (item) => h("span", { class: "num" }, count(item[name])) })),
      ...MONEY.map(([name, label]) => ({ label, num: true, cell: (item) => h("div", {}, amount(item[name], { short: true, signed: name === "margin_units" && item[name] < 0 }), name === "price_units" && share(item)) })),
    ],
  });
}

/** The same sums as a file. */
async function download(asked) {
  try {
    const answer = await ask("GET", "/usage", { query: { ...asked, format: "csv" } });
    save(await answer.blob(), `usage-${asked.from}-by-${asked.group_by.replaceAll(",", "-")}.csv`);
  } catch (error) {
    if (error.status === undefined) throw error;
    refused(error);
  }
}

const iso = (ms) => new Date(ms).toISOString().slice(0, 10);
const dayBefore = (days) => iso(Date.now() - days * 86400000);
const dayAfter = (day) => iso(Date.parse(`${day}T00:00:00Z`) + 86400000);
