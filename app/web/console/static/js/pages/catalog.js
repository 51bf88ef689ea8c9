// The catalog as text: tried, compared, put in force, and taken back. A draft outlives leaving the page, not the tab.

import { ApiError, ask, post } from "../api.js";
import { fill, h } from "../dom.js";
import { plural } from "../format.js";
import { badge, button, heading, section, when } from "../parts/bits.js";
import { changes } from "../parts/code.js";
import { confirm } from "../parts/dialog.js";
import { editor } from "../parts/editor.js";
import { empty, loads, unavailable } from "../parts/states.js";
import { listing, table } from "../parts/table.js";
import { done } from "../parts/toast.js";

const YAML = "application/yaml";
let draft = null;

/** The page. */
export function catalogPage({ signal }) {
  const revisions = listing({
    path: "/catalog/revisions", limit: 10, signal, what: "The history", render: (items) => history(items, changed), none: () => empty("No revisions", "A file rules this catalog."),
  });
  const changed = () => ((draft = null), place.again(), revisions.restart());
  const place = loads({ what: "The catalog", signal, lines: 14, ask: () => read(signal), render: (shown) => desk(shown, changed) });
  return [
    heading("Catalog", "Vendors, models, targets and prices, as one document. A change is live on every replica within five seconds; work that runs keeps its revision."),
    place, section("Revisions", revisions),
  ];
}

async function read(signal) {
  const answer = await ask("GET", "/catalog", { headers: { accept: YAML }, signal });
  return { text: await answer.text(), revision: answer.headers.get("etag") };
}

function desk({ text, revision }, changed) {
  const findings = h("div", { class: "place", "aria-live": "polite" });
  const state = h("span", { class: "small muted" });
  const edit = editor(draft?.text ?? text, { label: "The catalog as YAML", changed: (now) => note(now) });
  const apply = button("Apply…", () => putInForce({ edit, revision: draft?.revision ?? revision, findings, changed }), "primary");
  const discard = button("Discard changes", () => ((draft = null), edit.set(text), note(text), fill(findings)));
  const check = button("Validate and compare", () => attempt(findings, edit, () => put(edit.text(), { dry_run: true }), proposal));
  const note = (now) => {
    const differs = now !== text;
    draft = differs ? { text: now, revision: draft?.revision ?? revision } : null;
    apply.disabled = discard.disabled = !differs;
    fill(state, differs ? `Changed, from revision ${number(draft.revision)}.` : `Revision ${number(revision)}, ${plural(text.split("\n").length, "line")}.`);
  };
  note(edit.text());
  return h("div", { class: "card stack" }, h("div", { class: "card-head" }, state, h("div", { class: "actions" }, discard, check, apply)), edit.element, findings);
}

const number = (etag) => (etag ?? "").replace(/[^0-9]/g, "") || "?";

/** The answer of `PUT /admin/catalog`. */
async function put(text, query, revision) {
  const headers = revision ? { "if-match": revision } : {};
  return (await ask("PUT", "/catalog", { text, type: YAML, query, headers })).json();
}

/** Does something with the text and shows what came of it; errors lead to their lines. Answers whether it worked. */
async function attempt(place, edit, act, render) {
  try {
    fill(place, render(await act()));
    return true;
  } catch (error) {
    if (error.status === undefined) throw error;
    fill(place, error.unavailable ? unavailable("Changing the catalog") : trouble(error, edit));
    return false;
  }
}

function putInForce({ edit, revision, findings, changed }) {
  confirm({
    title: "Put this catalog in force?", text: "It is validated once more. Requests that come after it are served by it.", label: "Apply", danger: false,
    fields: [{ name: "comment", label: "Comment", hint: "Kept with the revision; optional.", maxlength: 200 }],
    act: async ({ comment }) => {
      let result = null;
      const worked = await attempt(findings, edit, async () => (result = await put(edit.text(), { comment }, revision)), proposal);
      if (!worked) throw new ApiError(400, "It was not applied; see what the gateway says below the text.");
      done(result.changes.length ? `Revision ${result.revision} is in force.` : "Nothing differs; no revision was made.");
      changed();
    },
  });
}

function proposal({ changes: list, warnings, dry_run: tried }) {
  const head = list.length ? `${plural(list.length, "change")}${tried ? ", if applied" : ", applied"}` : "Valid, and nothing differs.";
  return h("div", { class: "stack" }, h("p", { class: "note good" }, h("b", {}, tried ? "The catalog is valid. " : "Applied. "), head),
    warnings.length > 0 && h("ul", { class: "warnings" }, warnings.map((warning) => h("li", {}, badge("refused", "warning"), " ", finding(warning)))),
    list.length > 0 && changes(list));
}

function trouble(error, edit) {
  const errors = error.body?.oneshape?.errors ?? [];
  if (errors.length === 0) return h("p", { class: "note bad", role: "alert" }, error.message);
  const line = (one) => (one.line ? h("button", { type: "button", class: "line-link", onclick: () => edit.show(one.line) }, `line ${one.line}`) : badge("failed", "error"));
  return h("div", { role: "alert" }, h("p", { class: "note bad" }, h("b", {}, `The catalog is not valid: ${plural(errors.length, "error")}.`)),
    h("ul", { class: "warnings findings" }, errors.map((one) => h("li", {}, line(one), " ", finding(one)))));
}

const finding = ({ path, message }) => h("span", {}, path && h("code", {}, path), path && ": ", message);

function history(items, changed) {
  const restore = (item) => confirm({
    title: `Put revision ${item.revision} in force again?`, text: "It becomes a new revision; nothing is lost.", label: "Restore", danger: false,
    act: async () => (await post(`/catalog/revisions/${item.revision}/restore`), done(`Revision ${item.revision} is in force again.`), changed()),
  });
  return table({
    caption: "Revisions", items,
    columns: [
      { label: "Revision", cell: (item) => h("span", { class: "num" }, item.revision) },
      { label: "When", cell: (item) => when(item.created_at) },
      { label: "By", cell: (item) => item.author ?? "" },
      { label: "Comment", cell: (item) => item.comment ?? "" },
      { label: "", cell: (item) => (item === items[0] ? badge("ok", "newest") : button("Restore", () => restore(item))) },
    ],
  });
}
