// The installation: whether this replica can serve, and copies of the database.

import { get, post, reach } from "../api.js";
import { fill, h } from "../dom.js";
import { bytes, duration } from "../format.js";
import { badge, button, copyable, heading, section, when } from "../parts/bits.js";
import { empty, every, failed, loads, unavailable } from "../parts/states.js";
import { table } from "../parts/table.js";

const FRESH_MS = 5000;
const PARTS = [["database", "Database", "accounts, tasks and the ledger"], ["catalog", "Catalog", "models that can be asked for"], ["media", "Media store", "pictures, and room for more"]];
const NOT_IN_IT = "Made while the gateway serves, into DATA_DIR/backups on its machine. Pictures are files of their own: copy them too.";

/** The page. */
export function systemPage({ signal }) {
  const ready = loads({ what: "Readiness", signal, lines: 3, ask: () => readiness(signal), render: parts });
  every(FRESH_MS, ready.again, signal);
  return [heading("System", "Whether this replica can serve, and copies of its database."), section("Ready", ready), backups(signal)];
}

/** What `/readyz` tells, which answers 503 while a part cannot serve. */
async function readiness(signal) {
  const response = await reach("/readyz", { signal });
  return response.json();
}

const parts = (told) => h("ul", { class: "parts" }, PARTS.map(([name, title, what]) =>
  h("li", {}, badge(told[name] === "ok" ? "ok" : "failed", told[name]), h("span", {}, h("b", {}, title), h("div", { class: "small muted" }, what)))));

function backups(signal) {
  const outcome = h("div", { class: "place", "aria-live": "polite" });
  const made = loads({ what: "The list of backups", signal, lines: 3, ask: () => get("/audit", { subject: "database", limit: 10 }, { signal }), render: ({ items }) => history(items) });
  const make = button("Back up now", () => backUp(make, outcome, made), "primary");
  return section("Backups", h("div", { class: "stack" }, h("p", { class: "muted" }, NOT_IN_IT), outcome, made), make);
}

async function backUp(make, outcome, made) {
  make.disabled = true;
  fill(outcome, h("p", { class: "note busy" }, "The database is being copied…"));
  try {
    const { path, size_bytes: size, seconds } = await post("/backup");
    fill(outcome, h("p", { class: "note good" }, h("b", {}, "It is made."), copyable(path), h("span", {}, `${bytes(size)} in ${duration(seconds)}`)));
    made.again();
  } catch (error) {
    if (error.status === undefined) throw error;
    fill(outcome, error.unavailable ? unavailable("Backing up") : failed(error));
  } finally {
    make.disabled = false;
  }
}

const history = (items) => (items.length === 0 ? empty("No backup was made here yet", "Those of the command line appear here too.") : h("div", { class: "stack" }, table({
  caption: "Backups", items,
  columns: [
    { label: "File", cell: (change) => h("span", { class: "id" }, change.after?.file) },
    { label: "Made", cell: (change) => when(change.created_at) },
    { label: "By", cell: (change) => change.actor },
    { label: "Size", num: true, cell: (change) => h("span", { class: "num" }, bytes(change.after?.size_bytes)) },
  ],
})));
