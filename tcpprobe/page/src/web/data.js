// What is in the page: said of all, of each connection, and its columns, which are decoded when they are asked for.

/** A value that is not set, in a column. */
export const UNSET = 0xffffffff;

/** The columns of a connection in their order: bytes since its first event, then packets, microseconds, and bytes. */
const COLUMNS = ["time", "una", "received", "cwnd", "ssthresh", "srtt", "flight", "sndWnd", "rcvWnd"];
/** Chunks that stay decoded. */
const CHUNKS_KEPT = 12;
/** Connections that keep their columns: more than are drawn at a time. */
const LOADED_KEPT = 32;

/** What is said of all. */
export const about = JSON.parse(document.getElementById("about").textContent);
/** The connections: `load` gives one its columns. */
export const connections = [];

const chunks = new Map();
const loaded = new Set();

async function inflate(id) {
  const text = document.getElementById(id).textContent;
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Fills `connections`. */
export async function loadList() {
  const entries = JSON.parse(new TextDecoder().decode(await inflate("connections")));
  entries.forEach((entry, id) => {
    // Of several traces, each connection says whose it is.
    const trace = about.traces ? `${about.traces[entry.trace]}: ` : "";
    connections.push({ ...entry, id, name: `${trace}${entry.local} → ${entry.peer}` });
  });
}

function chunk(at) {
  let known = chunks.get(at);
  chunks.delete(at);
  known ??= inflate(`chunk${at}`);
  chunks.set(at, known);
  if (chunks.size > CHUNKS_KEPT) chunks.delete(chunks.keys().next().value);
  return known;
}

/** Reads numbers of seven bits a byte, zigzag. */
class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  number() {
    const { bytes } = this;
    let byte = bytes[this.at++];
    let sum = byte & 0x7f;
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      byte = bytes[this.at++];
      sum += (byte & 0x7f) * factor;
    }
    return sum % 2 ? -(sum + 1) / 2 : sum / 2;
  }

  /** A column of so many numbers, each written as its distance from the one before. */
  column(numbers) {
    const { bytes } = this;
    let [place, last] = [this.at, 0];
    for (let at = 0; at < numbers.length; at++) {
      const byte = bytes[place];
      if (byte < 0x80) {
        last += byte & 1 ? -((byte + 1) >> 1) : byte >> 1;
        place++;
      } else {
        this.at = place;
        last += this.number();
        place = this.at;
      }
      numbers[at] = last;
    }
    this.at = place;
    return numbers;
  }
}

/** Columns in the order of time, which they are in but for traces whose lines are not. */
function sorted(columns) {
  const { time } = columns;
  let rises = true;
  for (let at = 1; at < time.length && rises; at++) rises = time[at] >= time[at - 1];
  if (rises) return columns;
  const order = Uint32Array.from(time.keys()).sort((a, b) => time[a] - time[b] || a - b);
  for (const name of COLUMNS) columns[name] = columns[name].map((_, at) => columns[name][order[at]]);
  return columns;
}

function decode(connection, bytes) {
  const reader = new Reader(bytes, connection.at[1]);
  const rows = reader.number();
  let columns = {};
  for (const [at, name] of COLUMNS.entries()) {
    columns[name] = reader.column(at < 3 ? new Float64Array(rows) : new Uint32Array(rows));
  }
  columns.time.forEach((time, at) => (columns.time[at] = time + connection.from));
  columns = sorted(columns);
  const list = (...names) => {
    const count = reader.number();
    const read = names.map(() => reader.column(new Float64Array(count)));
    return Array.from({ length: count }, (_, at) => Object.fromEntries(names.map((name, i) => [name, read[i][at]])));
  };
  const intervals = list("from", "to", "limit");
  const moments = list("time", "cause", "count");
  // Where some were left out, the mean of the others says nothing.
  const isWhole = rows === connection.events;
  return { ...columns, rows, isWhole, intervals, moments, trees: {} };
}

/** Gives a connection its columns, as `connection.data`; those that were asked for long ago lose theirs. */
export async function load(connection) {
  loaded.delete(connection);
  loaded.add(connection);
  connection.data ??= decode(connection, await chunk(connection.at[0]));
  if (loaded.size > LOADED_KEPT) {
    const [oldest] = loaded;
    loaded.delete(oldest);
    delete oldest.data;
  }
  return connection.data;
}

/** How many of a rising column are at most `value`. */
export function upper(column, value, from = 0, to = column.length) {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (column[middle] <= value) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The value of a column at a time: the last one then, or else the first; `null` where it is not set. */
export function valueAt(data, name, time) {
  if (!data.rows) return null;
  const value = data[name][Math.max(0, upper(data.time, time) - 1)];
  return value === UNSET ? null : value;
}
