// Numbers in words.

const SIZES = ["B", "kB", "MB", "GB", "TB"];
const RATES = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
const TIMES = [
  [1, "ns"],
  [1e3, "µs"],
  [1e6, "ms"],
  [1e9, "s"],
];

/** Three digits of a number. */
export function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2);
}

function scaled(value, names) {
  let [at, left] = [0, value];
  while (Math.abs(left) >= 999.5 && at + 1 < names.length) [at, left] = [at + 1, left / 1000];
  return `${at === 0 ? Math.round(left) : digits(left)} ${names[at]}`;
}

export const bytesText = (value) => scaled(value, SIZES);
export const rateText = (value) => scaled(value, RATES);
export const countText = (value) => Math.round(value).toLocaleString("en-US");
export const percentText = (share) => `${Math.round(share * 100)} %`;
export const millisText = (micros) => `${digits(micros / 1000)} ms`;

/** A length of time, in nanoseconds. */
export function durationText(nanos) {
  const size = Math.abs(nanos);
  if (size >= 7.2e12) return `${digits(nanos / 3.6e12)} h`;
  const [factor, name] = TIMES.findLast(([factor]) => size >= factor) ?? TIMES[0];
  return `${digits(nanos / factor)} ${name}`;
}

/** The same without zeros behind the point: of an axis. */
export const short = (text) => text.replace(/(\.\d*?)0+(?= |$)/, "$1").replace(/\.(?= |$)/, "");

/** The step of an axis: 1, 2 or 5 times a power of ten, at most so many of them in `span`. */
export function niceStep(span, most) {
  const least = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * 0.999999);
}

/** The numbers along an axis. */
export function ticks(from, to, most) {
  if (!(to > from)) return { step: 1, values: [from] };
  const step = niceStep(to - from, most);
  const values = [];
  for (let at = Math.ceil(from / step - 1e-9); at * step <= to + step * 1e-6; at++) values.push(at * step);
  return { step, values };
}

/** A number along an axis, with as many digits as its step needs. */
export function tickText(value, step) {
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return (Math.abs(value) < step / 1e6 ? 0 : value).toLocaleString("en-US", {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });
}
