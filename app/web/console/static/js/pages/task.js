// One task: its pictures, what was asked, what happened when, each attempt, and the money.

import { get, post } from "../api.js";
import { fill, h } from "../dom.js";
import { duration, moment, money } from "../format.js";
import { amount, badge, button, copyable, facts, heading, idLink, section, shortId, tile, to, when } from "../parts/bits.js";
import { folded } from "../parts/code.js";
import { confirm } from "../parts/dialog.js";
import { entryTable } from "../parts/ledger.js";
import { picture } from "../parts/pictures.js";
import { every, loads } from "../parts/states.js";
import { table } from "../parts/table.js";
import { done } from "../parts/toast.js";

const FINAL = new Set(["succeeded", "failed", "cancelled"]);
const FRESH_MS = 1500;
const UNKNOWN_HINT = "This settles what is owed to the vendor. The client's balance is not touched.";

/** The page. */
export function taskPage({ params, signal }) {
  const path = `/tasks/${encodeURIComponent(params.id)}`;
  let ended = false;
  let shown = "";
  const body = h("div", { class: "stack" });
  const render = (task) => {
    ended = FINAL.has(task.status);
    const { results, ...rest } = task; // links are new each time
    const seen = JSON.stringify([rest, results.length]);
    if (seen !== shown) fill(body, taskView(task, path, place));
    shown = seen;
    return body;
  };
  const place = loads({ what: "This task", signal, lines: 10, ask: () => get(path, {}, { signal }), render });
  every(FRESH_MS, () => !ended && place.again(), signal);
  return [heading("Task", copyable(params.id)), place];
}

function taskView(task, path, place) {
  return [
    h("div", { class: "tiles" },
      tile("State", badge(task.status), FINAL.has(task.status) ? `after ${duration(took(task))}` : task.progress === null ? "" : `${task.progress} %`),
      tile("Images", `${task.images_delivered} / ${task.images_requested}`, "delivered of asked"),
      tile("Charged", money(task.charge.units), `held ${money(task.charge.hold_units)}`),
      tile("Margin", money(task.charge.margin_units), `cost ${money(task.charge.cost_units)}`, task.charge.margin_units < 0 ? "bad" : ""),
      task.charge.exposure_units > 0 && tile("Exposure", money(task.charge.exposure_units), "a vendor may yet bill", "warn")),
    actions(task, path, place),
    task.error && h("div", { class: "card problem", role: "note" }, h("h2", {}, task.error.code), h("p", {}, task.error.message)),
    h("div", { class: "columns wide-first" },
      h("div", { class: "stack" }, task.results.length > 0 && pictures(task), asked(task), attempts(task)), timeline(task)),
    section("Ledger", entryTable(task.charge.entries, { account: false, charge: false }), to("/ledger", "In the ledger", { charge: task.id })),
  ];
}

const pictures = (task) => section("Pictures", h("div", { class: "pictures" },
  task.results.map((result) => picture(result, { alt: task.request.prompt ?? "A picture" }))));

/** The finest times are in the timeline. */
function took(task) {
  const moments = task.timeline;
  return moments.length ? moments[moments.length - 1].at - moments[0].at : task.finished_at - task.created_at;
}

function actions(task, path, place) {
  const unknown = task.attempts.some((tried) => tried.state === "unknown");
  const cancel = () => confirm({
    title: "Cancel this task?", text: "What was not sent to a vendor is not sent. What is at a vendor is finished and recorded.", label: "Cancel the task",
    act: async () => (await post(`${path}/cancel`), done("Cancellation is asked for."), place.again()),
  });
  const resolve = (outcome, title, label) => confirm({
    title, text: UNKNOWN_HINT, label, danger: false, fields: [{ name: "reason", label: "How is it known?", required: true, hint: "Kept in the audit." }],
    act: async ({ reason }) => (await post(`${path}/resolve`, { outcome, reason }), done("The unknown is resolved."), place.again()),
  });
  if (FINAL.has(task.status) && !unknown) return null;
  return h("div", { class: "actions" },
    !FINAL.has(task.status) && button(task.cancel_requested ? "Cancellation is asked for" : "Cancel", cancel, "danger"),
    unknown && h("span", {}, "A vendor never answered. Did it bill?"),
    unknown && button("It did bill", () => resolve("capture", "The vendor did bill?", "Book as cost")),
    unknown && button("It did not", () => resolve("release", "The vendor did not bill?", "Take off exposure")));
}

function asked(task) {
  const { prompt, model, ...rest } = task.request;
  const simple = Object.entries(rest).filter(([, value]) => typeof value !== "object");
  const pairs = [
    ["Model", to(`/models/${encodeURIComponent(task.model)}`, task.model)],
    ["Surface", `${task.surface.replaceAll("_", " ")}, ${task.mode}`],
    ...simple.map(([name, value]) => [name.replaceAll("_", " "), String(value)]),
    ["Account", idLink(`/accounts/${task.account_id}`, task.account_id)],
    ["Key", h("span", { class: "id", title: task.key_id }, to("/tasks", shortId(task.key_id), { key: task.key_id }))],
    ["Catalog revision", task.catalog_revision],
    ["Webhook", task.webhook_url],
    ["Results kept until", task.expires_at && moment(task.expires_at)],
  ];
  const warnings = task.warnings.map((warning) => h("li", {}, badge("refused", warning.code ?? "warning"), " ", [warning.param, warning.message].filter(Boolean).join(": ")));
  return section("Request", h("div", { class: "stack" },
    h("blockquote", { class: "prompt" }, prompt ?? ""), facts(pairs),
    warnings.length > 0 && h("ul", { class: "warnings" }, warnings),
    task.text && h("p", {}, h("span", { class: "muted" }, "The vendor wrote: "), task.text),
    folded("The whole record", task)));
}

function attempts(task) {
  const content = task.attempts.length === 0 ? h("p", { class: "muted" }, "No vendor was tried yet.") : table({
    caption: "Attempts", items: task.attempts,
    columns: [
      { label: "Vendor", cell: (tried) => h("span", {}, h("b", {}, tried.vendor), h("div", { class: "small muted" }, tried.vendor_model)) },
      { label: "State", cell: (tried) => h("span", {}, badge(tried.state === "accepted" && tried.failure ? "refused" : tried.state, tried.state), trouble(tried)) },
      { label: "Images", num: true, cell: (tried) => h("span", { class: "num" }, `${tried.images_delivered} / ${tried.images_asked}`) },
      { label: "Took", num: true, cell: (tried) => h("span", { class: "num" }, tried.finished_at ? duration(spent(task, tried)) : "…") },
      { label: "Cost", num: true, cell: (tried) => amount(tried.cost_units) },
      { label: "Exposure", num: true, cell: (tried) => amount(tried.exposure_units) },
    ],
  });
  return section("Attempts", content);
}

function spent(task, tried) {
  const own = task.timeline.filter((moment_) => moment_.attempt === tried.id);
  return own.length > 1 ? own[own.length - 1].at - own[0].at : tried.finished_at - tried.created_at;
}

function trouble(tried) {
  const words = [tried.failure?.replaceAll("_", " "), tried.http_status && `HTTP ${tried.http_status}`, tried.detail].filter(Boolean).join(" · ");
  return words && h("div", { class: "small muted" }, words);
}

function timeline(task) {
  const [first] = task.timeline;
  const items = task.timeline.map((event, i) => {
    const gap = i ? event.at - task.timeline[i - 1].at : 0;
    const [what, which] = event.event.startsWith("attempt.") ? [event.event.slice(8), event.vendor] : [event.event, ""];
    return h("li", {}, h("span", { class: "num muted timeline-at", title: moment(event.at, { precise: true }) }, `+${duration(event.at - first.at)}`),
      h("span", { class: "timeline-what" }, badge(what), which && ` ${which}`, gap >= 0.0005 && h("span", { class: "small muted" }, ` after ${duration(gap)}`)));
  });
  return section("Timeline", h("div", {}, h("p", { class: "small muted" }, "Began ", when(first?.at)), h("ol", { class: "timeline" }, items)));
}
