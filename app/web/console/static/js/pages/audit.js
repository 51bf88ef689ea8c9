// The audit: who changed what, from what to what.

import { h } from "../dom.js";
import { bytes, money, moment } from "../format.js";
import { badge, heading, to, when } from "../parts/bits.js";
import { jsonBlock } from "../parts/code.js";
import { filters } from "../parts/form.js";
import { empty } from "../parts/states.js";
import { listing, table } from "../parts/table.js";
import { setQuery } from "../router.js";

const SHOWN_MOST = 6;
const PLACES = [["acc_", "/accounts/"], ["task_", "/tasks/"]];

/** The page. */
export function auditPage({ query, signal }) {
  return [
    heading("Audit", "Every change through the admin API and the command line. It can only be read."),
    filters([{ name: "subject", label: "Subject", value: query.subject, placeholder: "any account, key, task or vendor" }], setQuery),
    listing({
      path: "/audit", query, signal, what: "The audit", render: auditTable,
      none: () => empty(query.subject ? "Nothing was changed there" : "No changes yet", "Changes appear here as they are made."),
    }),
  ];
}

function auditTable(items) {
  return table({
    caption: "Changes", items,
    columns: [
      { label: "When", cell: (change) => when(change.created_at) },
      { label: "Who", cell: (change) => change.actor },
      { label: "What", cell: (change) => badge("calm", change.action) },
      { label: "Subject", cell: subject },
      { label: "Change", cell: difference },
    ],
  });
}

function subject({ subject: id }) {
  const place = PLACES.find(([prefix]) => id.startsWith(prefix));
  return h("span", { class: "id" }, place ? to(place[1] + id, id) : to("/audit", id, { subject: id }));
}

/** The fields that changed, in a line; both documents behind it. */
function difference({ before, after }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const words = names.map((name) => [name, [before?.[name], after?.[name]].filter((value) => value !== undefined)])
    .filter(([, values]) => values.some((value) => value !== null)).slice(0, SHOWN_MOST)
    .map(([name, values]) => `${name.replace(/_(units|at|bytes)$/, "").replaceAll("_", " ")}: ${values.map((value) => short(name, value)).join(" → ")}`);
  if (names.length === 0) return h("span", { class: "muted" }, "–");
  return h("details", { class: "folded" }, h("summary", {}, words.join(", ") || "nothing but empty fields"), jsonBlock({ before, after }));
}

function short(name, value) {
  if (value === null) return "none";
  if (typeof value === "number" && /(^|_)units$/.test(name)) return money(value);
  if (typeof value === "number" && name.endsWith("_at")) return moment(value);
  if (typeof value === "number" && name.endsWith("_bytes")) return bytes(value);
  if (typeof value === "object" && "units" in value) return `${money(value.units)} ${value.period ?? ""}`;
  if (Array.isArray(value) && value.some((one) => typeof one === "object")) return String(value.length);
  const text = Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 38)}…` : text;
}
