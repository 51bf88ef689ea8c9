// Charts over time, drawn by uPlot, which the page loads as a script of its own.

import { fill, h } from "../dom.js";
import { moment } from "../format.js";
import { onTheme } from "../theme.js";

const HEIGHT = 150;
/** Steps of an axis that counts, and of one that tells times. */
export const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
export const SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];

/**
 * A chart. `series` are `{label, color, show(value), fill}`, colours being names of custom properties. `axis` writes
 * a value beside the axis, whose top is never below `least` and whose lines are one of `steps` apart. `update(data)` on the
 * element sets uPlot's data: times in seconds, then one array per series; nothing moves when they are the same.
 */
export function chart({ title, series, signal, axis = (value) => String(value), least = 1, steps, bars = false, daily = false }) {
  const canvas = h("div", { class: "chart-canvas" });
  const legend = h("div", { class: "legend small" });
  const figure = h("figure", { class: "chart" }, h("figcaption", {}, h("span", {}, title), legend), canvas);
  let plot = null;
  let data = null;

  const draw = () => {
    plot?.destroy();
    plot = null;
    fill(canvas);
    if (data === null || data[0].length === 0) return fill(canvas, h("p", { class: "chart-empty muted small" }, "Nothing in this time."));
    const options = optionsOf({ series, axis, least, steps, bars, daily, width: canvas.clientWidth, tell: (index) => tell(index) });
    plot = new globalThis.uPlot(options, data, canvas);
  };
  const tell = (index) => {
    const value = (line, i) => index !== null && h("b", {}, ` ${line.show(data[i + 1][index])}`);
    const parts = series.map((line, i) => h("span", { class: "legend-item" }, swatch(line.color), line.label, value(line, i)));
    fill(legend, index !== null && h("span", { class: "muted" }, daily ? dayOf(data[0][index]) : moment(data[0][index])), parts);
  };

  figure.update = (next) => {
    const same = JSON.stringify(next) === JSON.stringify(data);
    data = next;
    if (same && plot) return;
    if (plot && next[0].length) plot.setData(next);
    else if (figure.isConnected) draw();
    if (next[0].length) tell(plot?.cursor.idx ?? null);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}: ${next[0].length} points`);
  };
  const watcher = new ResizeObserver(() => (plot ? plot.setSize({ width: canvas.clientWidth, height: HEIGHT }) : data && draw()));
  watcher.observe(canvas);
  onTheme(() => data && draw(), signal);
  signal.addEventListener("abort", () => (watcher.disconnect(), plot?.destroy()));
  return figure;
}

const swatch = (color) => h("i", { class: "swatch", style: { background: `var(${color})` } });
const timeOf = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const dayOf = (seconds) => new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

function optionsOf({ series, axis, least, steps, bars, daily, width, tell }) {
  const margin = bars ? (daily ? 43200 : 30) : 0;
  const [text, line] = [colour("--muted"), colour("--line")];
  const grid = { stroke: line, width: 1 };
  const font = "11px system-ui, sans-serif";
  const paths = bars ? globalThis.uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 }) : undefined;
  return {
    width, height: HEIGHT, padding: [8, 22, 0, 0], legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true, range: (_, first, last) => [first - margin, last + margin] }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, least) * 1.1] } },
    tzDate: daily ? (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1000), "UTC") : undefined,
    axes: [
      {
        stroke: text, font, grid: { show: false }, ticks: { show: false }, space: 60, size: 26, gap: 6, values: (_, at) => at.map(daily ? dayOf : timeOf),
        ...(daily ? { incrs: [1, 2, 5, 7, 14].map((days) => days * 86400) } : {}),
      },
      { stroke: text, font, grid, ticks: { show: false }, size: 58, space: 34, values: (_, at) => at.map(axis), ...(steps ? { incrs: steps } : {}) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label, stroke: colour(one.color), width: bars ? 0 : 1.6, paths, points: { show: !bars, size: 4, fill: colour(one.color) }, spanGaps: true,
      fill: bars || one.fill ? colour(one.color, bars ? 1 : 0.12) : undefined,
    }))],
    hooks: { setCursor: [(plot) => tell(plot.cursor.idx ?? null)] },
  };
}

/** What a custom property means now, as a colour that a canvas takes. */
function colour(name, alpha = 1) {
  const probe = h("i", { style: { color: alpha === 1 ? `var(${name})` : `color-mix(in srgb, var(${name}) ${alpha * 100}%, transparent)` } });
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
