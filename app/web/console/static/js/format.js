// Numbers, money and times as people read them. Units are millionths of the billing currency.

const UNITS = 1_000_000;
let currency = "USD";

/** Sets the billing currency: the catalog says it. */
export function useCurrency(code) {
  currency = code;
}

/** Money, exact to the unit: "$0.134". */
export function money(units) {
  return units === null || units === undefined ? "–" : moneyWith(units, 2, 6);
}

/** Money for a glance: two digits, or three significant ones below one. */
export function moneyShort(units) {
  if (units === null || units === undefined) return "–";
  return Math.abs(units) < UNITS && units !== 0 ? moneyWith(units, 2, 4) : moneyWith(units, 2, 2);
}

/** A count: "12,345"; large ones short: "1.2M". */
export function count(value) {
  if (value === null || value === undefined) return "–";
  const short = Math.abs(value) >= 1_000_000;
  return new Intl.NumberFormat("en", short ? { notation: "compact", maximumFractionDigits: 1 } : {}).format(value);
}

/** A share of one as a percentage. */
export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return "–";
  return new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 }).format(share);
}

/** A length of time in seconds: "840 ms", "12.4 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const [large, small, step, parts] = seconds < 3600 ? ["min", "s", 60, 60] : seconds < 86400 ? ["h", "min", 3600, 60] : ["d", "h", 86400, 24];
  const whole = Math.round(seconds / (step / parts));
  const rest = whole % parts;
  return `${Math.floor(whole / parts)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

/** A size: "1.4 MB". */
export function bytes(size) {
  if (size === null || size === undefined) return "–";
  const steps = ["B", "kB", "MB", "GB"];
  let step = 0;
  while (size >= 1000 && step < steps.length - 1) [size, step] = [size / 1000, step + 1];
  return `${size < 10 && step ? size.toFixed(1) : Math.round(size)} ${steps[step]}`;
}

/** A moment in the reader's zone: "20 Nov, 16:20:05". The year is said when it is not this one. */
export function moment(seconds, { precise = false } = {}) {
  if (seconds === null || seconds === undefined) return "–";
  const at = new Date(seconds * 1000);
  const year = at.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return at.toLocaleString("en-GB", {
    day: "numeric", month: "short", ...year, hour: "2-digit", minute: "2-digit", second: "2-digit",
    ...(precise ? { fractionalSecondDigits: 3 } : {}),
  });
}

/** How long ago: "just now", "5 min ago". */
export function ago(seconds, now = Date.now() / 1000) {
  if (seconds === null || seconds === undefined) return "–";
  const past = now - seconds;
  if (past < 5) return "just now";
  for (const [length, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (past >= length) return `${Math.floor(past / length)} ${name} ago`;
  }
  return `${Math.floor(past)} s ago`;
}

/** An amount typed by a person in the currency, as units; null when it is not one with at most six decimals. */
export function unitsOf(text) {
  const match = /^(-?)(\d{1,9})(?:[.,](\d{1,6}))?$/.exec(text.trim());
  if (!match) return null;
  const units = Number(match[2]) * UNITS + Number((match[3] ?? "").padEnd(6, "0"));
  return match[1] ? -units : units;
}

/** Units as the text of an amount: "0.134". */
export const amountOf = (units) => String(units / UNITS);

/** The billing currency's code. */
export const currencyCode = () => currency;

/** A number beside its noun: "1 task", "2 tasks". */
export const plural = (number, noun, many = `${noun}s`) => `${count(number)} ${number === 1 ? noun : many}`;

function moneyWith(units, least, most) {
  const options = { style: "currency", currency, minimumFractionDigits: least, maximumFractionDigits: most };
  return new Intl.NumberFormat("en", options).format(units / UNITS);
}
