// The ledger: every unit that moved, and the proof that the books are right.

import { all, get } from "../api.js";
import { fill, h } from "../dom.js";
import { count, plural } from "../format.js";
import { button, heading } from "../parts/bits.js";
import { filters } from "../parts/form.js";
import { entryTable } from "../parts/ledger.js";
import { namesOf } from "../parts/names.js";
import { empty, failed, loading, unavailable } from "../parts/states.js";
import { listing } from "../parts/table.js";
import { setQuery } from "../router.js";

const KINDS = [["", "any kind"], "hold", "capture", "release", "grant", "adjust"];

/** The page. */
export async function ledgerPage({ query, signal }) {
  const [nameOf, accounts] = await Promise.all([namesOf("/accounts", signal), all("/accounts", {}, { most: 300, signal }).catch(() => [])]);
  const verdict = h("div", { class: "place", "aria-live": "polite" });
  const verify = button("Verify", () => prove(verdict, signal), "primary");
  return [
    heading("Ledger", "Entries are added, never changed. Verifying computes every rule anew from them.", verify), verdict,
    filters([
      { name: "kind", label: "Kind", type: "select", options: KINDS, value: query.kind ?? "" },
      { name: "account", label: "Account", type: "select", options: [["", "any account"], ...accounts.map((account) => [account.id, account.name])], value: query.account ?? "" },
      { name: "key", label: "Key", value: query.key, placeholder: "any id" },
      { name: "charge", label: "Task", value: query.charge, placeholder: "any id" },
    ], setQuery),
    listing({
      path: "/ledger/entries", query, limit: 100, signal, what: "The ledger", render: (items) => entryTable(items, { nameOf }),
      none: () => empty("No entries", "Grants, holds and charges appear here."),
    }),
  ];
}

async function prove(place, signal) {
  fill(place, loading(2));
  try {
    const found = await get("/ledger/verify", {}, { signal });
    const checked = `${plural(found.entries, "entry", "entries")} of ${plural(found.accounts, "account")} checked.`;
    const list = h("ul", { class: "warnings" }, found.violations.map((violation) => h("li", {}, violation)));
    fill(place, found.ok
      ? h("p", { class: "note good" }, h("b", {}, "The books are right. "), checked)
      : h("div", { class: "note bad" }, h("b", {}, `${count(found.violations.length)} violations. `), checked, list));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === undefined) throw error;
    fill(place, error.unavailable ? unavailable("Verification") : failed(error, () => prove(place, signal)));
  }
}
