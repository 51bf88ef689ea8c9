// Entries of the ledger as a table.

import { h } from "../dom.js";
import { amount, badge, idLink, shortId, when } from "./bits.js";
import { table } from "./table.js";

/** Entries, newest first. `nameOf` turns accounts into names; `account: false` leaves their column out. */
export function entryTable(items, { account = true, nameOf = (id) => id, charge = true } = {}) {
  const owner = { label: "Account", cell: (entry) => h("a", { href: `#/accounts/${entry.account_id}` }, nameOf(entry.account_id)) };
  const subject = { label: "For", cell: (entry) => (entry.charge_id?.startsWith("task_") ? idLink(`/tasks/${entry.charge_id}`, entry.charge_id) : h("span", { class: "id", title: entry.charge_id }, shortId(entry.charge_id ?? ""))) };
  return table({
    caption: "Ledger entries", items,
    columns: [
      { label: "No.", cell: (entry) => h("span", { class: "num muted" }, entry.id) },
      { label: "When", cell: (entry) => when(entry.created_at) },
      { label: "Kind", cell: (entry) => h("span", {}, badge(entry.kind), entry.estimated && badge("refused", "estimated")) },
      { label: "Amount", num: true, cell: (entry) => amount(entry.units, { signed: entry.kind === "grant" || entry.kind === "adjust" }) },
      ...(account ? [owner] : []),
      ...(charge ? [subject] : []),
      { label: "Reason", cell: (entry) => entry.reason ?? "" },
      { label: "By", cell: (entry) => entry.actor ?? h("span", { class: "muted" }, "gateway") },
    ],
  });
}
