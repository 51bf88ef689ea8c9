// What the newest tasks say about now: counts and times by the minute.

const MINUTE = 60;

/** A window of `minutes` that ends now, over `tasks`: counts, shares and latencies, in all and by the minute. */
export function statistics(tasks, minutes, now = Date.now() / 1000) {
  const end = Math.floor(now / MINUTE) * MINUTE;
  const start = end - (minutes - 1) * MINUTE;
  const recent = tasks.filter((task) => task.created_at >= start);
  const ended = recent.filter((task) => task.finished_at !== null && task.status !== "cancelled");
  const succeeded = ended.filter((task) => task.status === "succeeded");
  const times = succeeded.map(latency);
  const slots = Array.from({ length: minutes }, (_, i) => recent.filter((task) => Math.floor((task.created_at - start) / MINUTE) === i));
  const of = (slot, share) => quantile(slot.filter((task) => task.status === "succeeded").map(latency), share);
  return {
    total: recent.length, ended: ended.length, failed: ended.length - succeeded.length,
    success: ended.length ? succeeded.length / ended.length : null,
    median: quantile(times, 0.5), slow: quantile(times, 0.95),
    at: slots.map((_, i) => start + i * MINUTE),
    requests: slots.map((slot) => slot.length),
    failures: slots.map((slot) => slot.filter((task) => task.status === "failed").length),
    medians: slots.map((slot) => of(slot, 0.5)), slows: slots.map((slot) => of(slot, 0.95)),
  };
}

/** How many there are of each, the most frequent first. */
export function tally(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one);
}

const latency = (task) => task.finished_at - task.created_at;

/** The value below which that share lies; null of nothing. */
function quantile(values, share) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];
}
