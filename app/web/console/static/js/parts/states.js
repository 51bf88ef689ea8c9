// What stands where content will be, is not, or could not be: loading, empty, failed, not in this version.

import { fill, h } from "../dom.js";

/** Grey bars that hold the place. */
export function loading(lines = 4) {
  const bars = Array.from({ length: lines }, (_, i) => h("div", { class: "bar", style: { width: `${92 - ((i * 17) % 40)}%` } }));
  return h("div", { class: "loading", "aria-busy": "true", "aria-label": "Loading" }, bars);
}

/** Nothing is there, and what to do about it. */
export const empty = (title, hint, action) =>
  h("div", { class: "state" }, h("p", { class: "state-title" }, title), hint && h("p", {}, hint), action);

/** It could not be read. */
export function failed(error, retry) {
  const again = retry && h("button", { type: "button", onclick: retry }, "Try again");
  return h("div", { class: "state bad", role: "alert" }, h("p", { class: "state-title" }, "That did not work"), h("p", {}, error.message), again);
}

/** The gateway has no such route. */
export const unavailable = (what) =>
  h("div", { class: "state" }, h("p", { class: "state-title" }, `${what} is not available in this version`),
    h("p", {}, "The gateway that serves this console does not have it yet."));

/**
 * A place that fills itself: it asks `ask(signal)`, shows `render(answer)`, and says so when that fails. `what` names it.
 * The element has `again()`, which asks anew without showing the bars.
 */
export function loads({ ask, render, signal, what = "This", lines }) {
  const place = h("div", { class: "place" }, loading(lines));
  const retry = () => (fill(place, loading(lines)), place.again());
  place.again = async () => {
    try {
      const answer = await ask(signal);
      if (!signal.aborted) fill(place, render(answer));
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      if (error.status === undefined) throw error;
      fill(place, error.unavailable ? unavailable(what) : failed(error, retry));
    }
  };
  place.ready = place.again();
  return place;
}

/**
 * Calls `tick` every `everyMs` while the page is looked at, until it is left. A tick that still runs is not doubled. While
 * somebody is busy in `place`, with the keyboard or with something unfolded, it is left as it is.
 */
export function every(everyMs, tick, signal, place = null) {
  let running = false;
  const timer = setInterval(async () => {
    if (document.hidden || running || place?.matches(":focus-within, :has(details[open])")) return;
    running = true;
    await tick();
    running = false;
  }, everyMs);
  signal.addEventListener("abort", () => clearInterval(timer));
}
