// The first page: whether it serves, how fast, what it earns, and what wants a look. It keeps itself fresh.

import { all, get } from "../api.js";
import { fill, h } from "../dom.js";
import { count, duration, money, moneyShort, percent, plural } from "../format.js";
import { heading, section, tile, to } from "../parts/bits.js";
import { chart, SECONDS, WHOLE } from "../parts/chart.js";
import { empty, every, loads } from "../parts/states.js";
import { statistics, tally } from "../parts/statistics.js";
import { setQuery } from "../router.js";
import { taskTable } from "./tasks.js";

const FRESH_MS = 5000;
const RANGES = { "24h": ["24 hours", 1], "7d": ["7 days", 7], "30d": ["30 days", 30] };
const MINUTES = 60;
const DAY = 86400;
const TASKS_MOST = 500;

/** The page. */
export function overviewPage({ query, signal }) {
  const range = RANGES[query.range] ? query.range : "7d";
  const charts = makeCharts(signal);
  const body = h("div", { class: "stack" });
  const tiles = h("div", { class: "tiles" });
  const attention = h("div", { class: "place" });
  const failures = h("div", { class: "place" });
  fill(body, tiles, attention,
    h("div", { class: "charts" }, charts.map((one) => h("div", { class: "card" }, one.figure))), failures);
  const place = loads({
    what: "The overview", signal, lines: 12, ask: () => read(RANGES[range][1], signal),
    render: (found) => {
      fill(tiles, tilesOf(found, RANGES[range][0]));
      fill(attention, attentionOf(found));
      fill(failures, failuresOf(found));
      requestAnimationFrame(() => charts.forEach((one) => one.figure.update(one.data(found))));
      return body;
    },
  });
  every(FRESH_MS, place.again, signal, failures);
  return [heading("Overview", "Live, every five seconds.", rangeSwitch(range)), place];
}

async function read(days, signal) {
  const now = Math.floor(Date.now() / 1000);
  const from = days === 1 ? now - DAY : (Math.floor(now / DAY) - days + 1) * DAY;
  const options = { signal };
  const [totals, daily, tasks, vendors, accounts] = await Promise.all([
    get("/usage", { from }, options), get("/usage", { from, group_by: "day" }, options),
    recentTasks(now - MINUTES * 60, signal), get("/vendors", {}, options), all("/accounts", {}, { most: 300, ...options }),
  ]);
  const sums = totals.items[0] ?? {};
  return { sums, days: filled(daily.items, from, now), hour: statistics(tasks, MINUTES), tasks, vendors: vendors.items, accounts };
}

/** Tasks of the last hour, newest first, no more than a few pages: a busy gateway has its metrics for the rest. */
async function recentTasks(since, signal) {
  const tasks = [];
  let after = null;
  do {
    const page = await get("/tasks", { limit: 100, after }, { signal });
    tasks.push(...page.items);
    after = page.has_more && page.items[page.items.length - 1].created_at >= since ? page.next_cursor : null;
  } while (after !== null && tasks.length < TASKS_MOST);
  return tasks;
}

/** Every day of the time, days on which nothing happened included. */
function filled(items, from, now) {
  const known = new Map(items.map((item) => [Date.parse(`${item.day}T00:00:00Z`) / 1000, item]));
  const first = Math.floor(from / DAY) * DAY;
  const none = { requests: 0, images: 0, price_units: 0, cost_units: 0, margin_units: 0, exposure_units: 0 };
  return Array.from({ length: Math.floor((now - first) / DAY) + 1 }, (_, i) => ({ ...none, ...known.get(first + i * DAY), at: first + i * DAY }));
}

function tilesOf({ sums, hour, vendors }, words) {
  const owed = vendors.reduce((sum, vendor) => sum + (vendor.exposure_units ?? 0), 0);
  const good = hour.success === null || hour.success >= 0.95 ? "" : hour.success >= 0.8 ? "warn" : "bad";
  const inHour = `of ${plural(hour.ended, "task")} that ended`;
  return [
    tile("Requests", count(sums.requests ?? 0), `${plural(sums.images ?? 0, "image")} in ${words}`),
    tile("Success, last hour", percent(hour.success), inHour, good),
    tile("Latency, last hour", duration(hour.median), `95 %: ${duration(hour.slow)}`),
    tile("Spend", moneyShort(sums.price_units ?? 0), `charged in ${words}`),
    tile("Margin", moneyShort(sums.margin_units ?? 0), `cost ${moneyShort(sums.cost_units ?? 0)}`, sums.margin_units < 0 ? "bad" : ""),
    tile("Exposure", moneyShort(owed), "vendors may yet bill", owed > 0 ? "warn" : ""),
  ];
}

/** What an operator should look at now, as sentences with a link each. */
function attentionOf({ hour, tasks, vendors, accounts }) {
  const notes = [];
  const since = hour.at[0];
  const codes = tally(tasks.filter((task) => task.status === "failed" && task.created_at >= since).map((task) => task.error?.code ?? "unknown"));
  if (codes.length) notes.push(["bad", `${plural(hour.failed, "task")} failed in the last hour: ${codes.slice(0, 3).map(([code, times]) => `${code} (${times})`).join(", ")}.`, to("/tasks", "Look", { status: "failed" })]);
  for (const vendor of vendors) {
    if (vendor.drained) notes.push(["warn", `${vendor.name} is drained: it gets no new work.`, to("/vendors", "Vendors")]);
    if (vendor.breaker !== "closed" && vendor.configured) notes.push(["warn", `${vendor.name} is left alone: its breaker is not closed.`, to("/vendors", "Vendors")]);
    if (vendor.exposure_units > 0) notes.push(["warn", `${vendor.name} may yet bill ${money(vendor.exposure_units)} for calls that it never answered.`, to("/tasks", "Find them", { vendor: vendor.name })]);
  }
  const poor = accounts.filter((account) => account.billing === "prepaid" && !account.disabled && account.available_units <= 0);
  if (poor.length) notes.push(["warn", `${plural(poor.length, "account")} can spend no more: ${poor.slice(0, 3).map((account) => account.name).join(", ")}${poor.length > 3 ? ", …" : "."}`, to("/accounts", "Accounts")]);
  if (notes.length === 0) return h("p", { class: "note good" }, "Nothing wants attention.");
  return h("ul", { class: "notes" }, notes.map(([tone, text, where]) => h("li", { class: `note ${tone}` }, h("span", {}, text), where)));
}

function failuresOf({ tasks, accounts }) {
  const names = new Map(accounts.map((account) => [account.id, account.name]));
  const failed = tasks.filter((task) => task.status === "failed").slice(0, 5);
  if (tasks.length === 0) return empty("No tasks yet", "Each image request becomes a task.", to("/playground", "Make one in the playground"));
  return failed.length ? section("Latest failures", taskTable(failed, (id) => names.get(id) ?? id), to("/tasks", "All failures", { status: "failed" })) : null;
}

function makeCharts(signal) {
  const short = (units) => moneyShort(units);
  const make = (options, data) => ({ figure: chart({ signal, ...options }), data });
  const days = ({ days: list }, ...names) => [list.map((day) => day.at), ...names.map((name) => list.map((day) => day[name]))];
  const line = (label, color, show, more = {}) => ({ label, color, show, ...more });
  return [
    make({ title: "Tasks a minute", bars: true, axis: count, steps: WHOLE, series: [line("all", "--chart-1", count), line("failed", "--chart-2", count)] },
      ({ hour }) => [hour.at, hour.requests, hour.failures]),
    make({ title: "Latency", axis: duration, steps: SECONDS, series: [line("95 %", "--chart-4", duration), line("median", "--chart-1", duration)] },
      ({ hour }) => (hour.median === null ? [[], [], []] : [hour.at, hour.slows, hour.medians])),
    make({ title: "Requests a day", bars: true, daily: true, axis: count, steps: WHOLE, series: [line("requests", "--chart-1", count)] }, (found) => days(found, "requests")),
    make({ title: "Money a day", daily: true, axis: short, least: 100_000, series: [line("spend", "--chart-1", money, { fill: true }), line("margin", "--chart-3", money)] },
      (found) => days(found, "price_units", "margin_units")),
    make({ title: "Exposure a day", bars: true, daily: true, axis: short, least: 100_000, series: [line("exposure", "--chart-4", money)] }, (found) => days(found, "exposure_units")),
  ];
}

function rangeSwitch(range) {
  const choice = ([name, [words]]) => h("button", { type: "button", "aria-pressed": String(name === range), onclick: () => setQuery({ range: name }) }, words);
  return h("div", { class: "segmented", role: "group", "aria-label": "Time" }, Object.entries(RANGES).map(choice));
}
