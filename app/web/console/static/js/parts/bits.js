// Small pieces that every page uses: badges, tiles, facts, copyable text, bars.

import { h, hidden } from "../dom.js";
import { ago, count, money, moment, moneyShort } from "../format.js";
import { link } from "../router.js";
import { icon } from "./icons.js";
import { done } from "./toast.js";

const TONES = {
  succeeded: "good", accepted: "good", delivered: "good", ok: "good", closed: "good", healthy: "good", capture: "good",
  failed: "bad", unknown: "bad", open: "bad", revoked: "bad", disabled: "bad", unhealthy: "bad",
  queued: "calm", in_progress: "busy", intended: "busy", sent: "busy", pending: "busy", half_open: "warn",
  cancelled: "calm", refused: "warn", drained: "warn", hold: "busy", adjust: "warn", grant: "good", release: "calm",
};

/** A state as a coloured word. */
export const badge = (state, text = state) => h("span", { class: `badge ${TONES[state] ?? "calm"}` }, String(text).replaceAll("_", " "));

/** A number with its name; `tone` colours it, `note` explains it. */
export const tile = (label, value, note, tone = "") =>
  h("div", { class: `tile ${tone}` }, h("div", { class: "tile-label" }, label), h("div", { class: "tile-value" }, value),
    note && h("div", { class: "tile-note" }, note));

/** Names and values; values that are null are left out. */
export function facts(pairs) {
  const said = pairs.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return h("dl", { class: "facts" }, said.map(([name, value]) => h("div", { class: value?.childElementCount > 3 && "wide" }, h("dt", {}, name), h("dd", {}, value))));
}

/** A part of a page with a heading. */
export const section = (title, content, ...actions) =>
  h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, title), h("div", { class: "actions" }, actions)), content);

/** The head of a page. */
export const heading = (title, note, ...actions) =>
  h("header", { class: "page-head" }, h("div", {}, h("h1", { tabindex: "-1" }, title), note && h("p", { class: "muted" }, note)),
    h("div", { class: "actions" }, actions));

/** A button. `kind` is primary, danger or nothing. */
export const button = (text, onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, text);

/** Text with a button that copies it. */
export const copyable = (text, shown = text) =>
  h("span", { class: "copyable" }, h("code", {}, shown), copyButton(() => text));

/** A button that copies `read()`. */
export function copyButton(read, label = "Copy") {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(read());
      done("Copied.");
    } catch {
      done("The browser does not let pages copy here; select the text instead.");
    }
  };
  return h("button", { type: "button", class: "icon-button", title: label, onclick: copy }, icon("copy"), hidden(label));
}

/** An amount, its exact units in the title. `signed` colours it; `short` is for a glance. */
export function amount(units, { signed = false, short = false } = {}) {
  const tone = signed && units ? (units < 0 ? " negative" : " positive") : "";
  return h("span", { class: `num${tone}`, title: units === null || units === undefined ? null : `${count(units)} units` }, (short ? moneyShort : money)(units));
}

/** A moment, in words that age; the exact time is in the title. */
export const when = (seconds) =>
  seconds === null || seconds === undefined
    ? h("span", { class: "muted" }, "–")
    : h("time", { datetime: new Date(seconds * 1000).toISOString(), title: moment(seconds, { precise: true }) }, ago(seconds));

/** A link to a page of the console. */
export const to = (path, text, query) => h("a", { href: link(path, query) }, text);

/** A task's, key's or account's id, short, as a link to where it is shown. */
export const idLink = (path, id) => h("a", { href: link(path), class: "id", title: id }, shortId(id));

/** An id that is cut in the middle of its random part. */
export const shortId = (id) => (id && id.length > 15 ? `${id.slice(0, 13)}…` : id);

/** How much of something is used: a bar with words over it. */
export function meter(used, most, text) {
  const share = most > 0 ? Math.min(used / most, 1) : 1;
  const tone = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  const bar = h("div", { class: "meter-bar", style: { width: `${share * 100}%` } });
  const track = h("div", {
    class: `meter ${tone}`, role: "meter", "aria-label": text, "aria-valuemin": "0", "aria-valuemax": "100",
    "aria-valuenow": String(Math.round(share * 100)),
  }, bar);
  return h("div", { class: "metered" }, h("div", { class: "small muted" }, text), track);
}

/** A list of words as chips. */
export const chips = (words) => h("span", { class: "chips" }, words.map((word) => h("span", { class: "chip" }, word)));
