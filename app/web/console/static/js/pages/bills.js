// Vendors' bills: what they billed beside what we expected and charged, and what does not match.

import { ApiError, ask, get, post } from "../api.js";
import { h } from "../dom.js";
import { count, money } from "../format.js";
import { amount, badge, button, copyable, facts, heading, idLink, section, tile, to, when } from "../parts/bits.js";
import { confirm, form } from "../parts/dialog.js";
import { save } from "../parts/files.js";
import { filters } from "../parts/form.js";
import { empty, loads } from "../parts/states.js";
import { listing, table } from "../parts/table.js";
import { done, refused } from "../parts/toast.js";
import { go, link, setQuery } from "../router.js";

const PERIODS = ["month", "day", "total"];
const MATCHES = ["matched", "differs", "unknown", "repeated", "unmatched", "total"];
const TONES = { matched: "ok", total: "ok", differs: "refused", unknown: "refused", repeated: "failed", unmatched: "failed" };
const WORDS = {
  matched: "as expected", differs: "at another price", unknown: "nobody knew it was done", repeated: "billed before",
  unmatched: "no work of ours", total: "sums of a day",
};
const SHOWN_MOST = 5;

/** All bills, and how they compare. */
export function billsPage({ query, signal }) {
  const by = PERIODS.includes(query.by) ? query.by : "month";
  const asked = { by, vendor: query.vendor ?? "" };
  const report = loads({ what: "Reconciliation", signal, lines: 6, ask: () => get("/reconciliation", asked, { signal }), render: ({ items }) => reconciliation(items) });
  const bills = listing({
    path: "/bills", query: { vendor: query.vendor }, signal, what: "The list of bills", render: billTable,
    none: () => empty("No bill was imported yet", "A CSV with a header and a column for the amount will do; docs/operations.md tells which others help."),
  });
  const choice = (name) => h("button", { type: "button", "aria-pressed": String(name === by), onclick: () => setQuery({ ...query, by: name }) }, name);
  return [
    heading("Bills", "What vendors billed, beside what we expected of them and charged.", button("Import a bill", importBill, "primary")),
    filters([{ name: "vendor", label: "Vendor", value: query.vendor, placeholder: "any" }], (said) => setQuery({ ...query, ...said })),
    section("Expected and billed", report, h("div", { class: "segmented", role: "group", "aria-label": "By" }, PERIODS.map(choice)), button("Export CSV", () => exportCsv(asked))),
    section("Imported", bills),
  ];
}

/** One bill and its lines. */
export function billPage({ params, query, signal }) {
  const path = `/bills/${encodeURIComponent(params.id)}`;
  const place = loads({ what: "This bill", signal, ask: () => get(path, {}, { signal }), render: (bill) => billHead(bill, path) });
  const lines = listing({
    path: `${path}/lines`, query, limit: 100, signal, what: "Its lines", render: lineTable, none: () => empty("No line is like that"),
  });
  const options = [["", "any"], ...MATCHES.map((match) => [match, `${match}: ${WORDS[match]}`])];
  return [place, filters([{ name: "match", label: "Match", type: "select", options, value: query.match ?? "" }], setQuery), lines];
}

function reconciliation(items) {
  if (items.length === 0) return empty("Nothing was asked of vendors yet", "Each attempt at a vendor counts here, with the cost that the catalog expects.");
  const number = (name, label) => ({ label, num: true, cell: (row) => h("span", { class: "num" }, count(row[name])) });
  const units = (name, label, tone = () => false) => ({ label, num: true, cell: (row) => amount(row[name], { short: true, signed: tone(row) }) });
  return table({
    caption: "Expected and billed", items,
    columns: [
      { label: "Vendor", cell: (row) => h("div", {}, to("/vendors", row.vendor), h("div", { class: "small muted" }, row.model)) },
      { label: "Period", cell: (row) => row.period ?? "in all" },
      number("attempts", "Attempts"), number("images", "Images"), units("charged_units", "Charged"), units("expected_units", "Expected"),
      units("exposure_units", "Exposure"), units("billed_units", "Billed"), { label: "Beyond expected", num: true, cell: beyond },
      units("margin_units", "Margin", (row) => row.margin_units < 0),
    ],
  });
}

/** What was billed beyond what we expected; nothing is known of it while there is no bill. */
const beyond = ({ billed_units: billed, difference_units: more }) =>
  (billed === 0 ? h("span", { class: "muted" }, "–") : h("span", { class: more > 0 && "negative" }, amount(more, { short: true })));

const billTable = (items) => table({
  caption: "Bills", items, open: (bill) => link(`/bills/${bill.id}`),
  columns: [
    { label: "File", cell: (bill) => to(`/bills/${bill.id}`, bill.name) },
    { label: "Vendor", cell: (bill) => bill.vendor },
    { label: "Lines", num: true, cell: (bill) => h("span", { class: "num" }, count(bill.lines)) },
    { label: "Amount", num: true, cell: (bill) => amount(bill.units, { short: true }) },
    { label: "By", cell: (bill) => bill.actor },
    { label: "Imported", cell: (bill) => h("span", {}, when(bill.created_at), bill.finished_at === null && badge("refused", "unfinished")) },
  ],
});

function billHead(bill, path) {
  const withdraw = () => confirm({
    title: `Withdraw ${bill.name}?`, text: "It is forgotten with all its lines; its file can be imported again.", label: "Withdraw",
    act: async () => (await post(`${path}/withdraw`), done("The bill is withdrawn."), go("/bills")),
  });
  const kinds = MATCHES.filter((match) => bill.matches[match]?.lines > 0);
  return h("div", { class: "stack" },
    heading(bill.name, copyable(bill.id), button("Withdraw", withdraw, "danger")),
    h("div", { class: "tiles" }, tile("Billed", money(bill.units), `${count(bill.lines)} lines`),
      kinds.map((match) => tile(badge(TONES[match], match), count(bill.matches[match].lines), `${WORDS[match]}, ${money(bill.matches[match].units)}`))),
    h("div", { class: "card" }, facts([["Vendor", to("/vendors", bill.vendor)], ["Imported", when(bill.created_at)], ["By", bill.actor]])));
}

const lineTable = (items) => table({
  caption: "Lines", items,
  columns: [
    { label: "Line", cell: (line) => h("span", { class: "num muted" }, line.line) },
    { label: "Match", cell: (line) => badge(TONES[line.match], line.match) },
    { label: "Reference", cell: (line) => (line.reference?.startsWith("task_") ? idLink(`/tasks/${line.reference}`, line.reference) : h("span", { class: "id" }, line.reference ?? "")) },
    { label: "Model", cell: (line) => line.model ?? "" },
    { label: "At", cell: (line) => when(line.at) },
    { label: "Billed", num: true, cell: (line) => amount(line.units) },
    { label: "Expected", num: true, cell: (line) => amount(line.expected_units) },
  ],
});

async function importBill() {
  const vendors = await get("/vendors").then(({ items }) => items.map((vendor) => vendor.name), () => []);
  let chosen = null;
  form({
    title: "Import a vendor's bill", label: "Import", text: "A CSV with a header. The same file again changes nothing.",
    fields: [
      { name: "vendor", label: "Vendor", type: "select", options: vendors },
      { name: "file", label: "File", type: "file", accept: ".csv,text/csv", required: true, onchange: (event) => { [chosen] = event.target.files; } },
    ],
    act: async ({ vendor }) => {
      const bill = await send(vendor, chosen);
      done(bill.repeated ? "It was imported before: nothing changes." : "The bill is imported.");
      go(`/bills/${bill.id}`);
    },
  });
}

/** Sends a file; what is wrong with its lines is told with the refusal. */
async function send(vendor, file) {
  try {
    const answer = await ask("POST", "/bills", { query: { vendor, name: file.name }, text: await file.text(), type: "text/csv" });
    return await answer.json();
  } catch (error) {
    const wrong = error.body?.oneshape?.errors;
    if (!wrong) throw error;
    throw new ApiError(error.status, [error.message, ...wrong.slice(0, SHOWN_MOST), ...(wrong.length > SHOWN_MOST ? ["…"] : [])].join(" "), { param: "file" });
  }
}

async function exportCsv(asked) {
  try {
    const answer = await ask("GET", "/reconciliation", { query: { ...asked, format: "csv" } });
    save(await answer.blob(), `reconciliation-by-${asked.by}.csv`);
  } catch (error) {
    if (error.status === undefined) throw error;
    refused(error);
  }
}
