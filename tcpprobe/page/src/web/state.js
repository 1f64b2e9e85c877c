// What is shown: which time of which connections. It stands in the address, so that a link or a reload shows the same.
import { about, connections } from "./data.js";

export const state = {
  /** Nanoseconds from the first event. */
  from: 0,
  to: 1,
  /** Ids of the connections drawn; each keeps its colour. */
  chosen: [],
  /** The one of which most is told. */
  focus: 0,
  /** A time, or `null`. */
  cursor: null,
  /** Two times, or `null`. */
  ruler: null,
  /** Whether the axes of values stay as they are. */
  lock: false,
  sort: "held",
  query: "",
};

/** Windows of time to go back to. */
const back = [];
const BACK_MAX = 100;
/** Moves that follow each other within this time, in milliseconds, are one. */
const ONE_MOVE = 700;
let lastMove = { kind: "", at: 0 };
const listeners = [];

/** The time of all connections. */
export const whole = { from: 0, to: 1 };

export function findWhole() {
  whole.to = connections.reduce((most, one) => Math.max(most, one.to), whole.from + 1);
}

/** Calls `listener` after each change. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Changes what is shown. */
export function change(changes) {
  Object.assign(state, changes);
  listeners.forEach((listener) => listener(changes));
}

/** Shows another time; `kind` says by what, so that a turn of the wheel is one step back. */
export function moveTo(from, to, kind) {
  const span = Math.min(Math.max(to - from, 100), (whole.to - whole.from) * 1.1);
  const middle = (from + to) / 2;
  const least = whole.from - span * 0.5;
  const most = whole.to + span * 0.5;
  const begin = Math.min(Math.max(middle - span / 2, least), most - span);
  const now = performance.now();
  if (kind !== lastMove.kind || now - lastMove.at > ONE_MOVE) {
    back.push([state.from, state.to]);
    if (back.length > BACK_MAX) back.shift();
  }
  lastMove = { kind, at: now };
  change({ from: begin, to: begin + span });
}

/** Zooms by a factor, so that a time stays where it is. */
export function zoom(factor, at, kind = "zoom") {
  moveTo(at - (at - state.from) * factor, at + (state.to - at) * factor, kind);
}

export function goBack() {
  const last = back.pop();
  lastMove = { kind: "", at: 0 };
  if (last) change({ from: last[0], to: last[1] });
}

/** The view that there is has none before it. */
export function forget() {
  back.length = 0;
}

/** All of the time of the connections that are drawn. */
export function fit() {
  const drawn = state.chosen.map((id) => connections[id]);
  const from = Math.min(...drawn.map((one) => one.from));
  const to = Math.max(...drawn.map((one) => one.to));
  const edge = Math.max((to - from) * 0.01, 50);
  moveTo(from - edge, to + edge, "fit");
}

/** Draws a connection too, or no more; one stays. */
export function toggle(id) {
  const is = state.chosen.includes(id);
  if (is && state.chosen.length === 1) return;
  const chosen = is ? state.chosen.filter((other) => other !== id) : [...state.chosen, id].slice(-about.palette.length);
  const focus = is ? (state.focus === id ? chosen[0] : state.focus) : id;
  change({ chosen, focus });
}

/** Draws a connection alone. */
export function choose(id) {
  change({ chosen: [id], focus: id });
}

/** The colour's place of a connection that is drawn. */
const places = new Map();

export function place(id) {
  for (const known of places.keys()) if (!state.chosen.includes(known)) places.delete(known);
  if (!places.has(id)) {
    const used = new Set(places.values());
    places.set(id, about.palette.findIndex((_, at) => !used.has(at)));
  }
  return places.get(id);
}

/** What is shown, as the address has it. */
export function toHash() {
  const parts = [`t=${Math.round(state.from)},${Math.round(state.to)}`, `c=${state.chosen.join(",")}`, `f=${state.focus}`];
  if (state.ruler) parts.push(`r=${state.ruler.map(Math.round).join(",")}`);
  if (state.cursor !== null) parts.push(`x=${Math.round(state.cursor)}`);
  if (state.lock) parts.push("l=1");
  if (state.sort !== "held") parts.push(`s=${state.sort}`);
  if (state.query) parts.push(`q=${encodeURIComponent(state.query)}`);
  return `#${parts.join("&")}`;
}

/** Shows what an address says; what it says wrong is as if it did not. */
export function fromHash(hash) {
  const said = new URLSearchParams(hash.slice(1));
  const numbers = (name) => (said.get(name) ?? "").split(",").filter(Boolean).map(Number).filter(Number.isFinite);
  const known = [...new Set(numbers("c"))].filter((id) => connections[id]).slice(0, about.palette.length);
  const changes = {};
  if (known.length) changes.chosen = known;
  const chosen = changes.chosen ?? state.chosen;
  const focus = Number(said.get("f") ?? chosen[0]);
  changes.focus = chosen.includes(focus) ? focus : chosen[0];
  const [from, to] = numbers("t");
  if (to > from) Object.assign(changes, { from, to });
  const [a, b] = numbers("r");
  changes.ruler = b === undefined ? null : [a, b];
  if (said.has("x")) changes.cursor = numbers("x")[0] ?? null;
  changes.lock = said.get("l") === "1";
  if (said.has("s")) changes.sort = said.get("s");
  changes.query = said.get("q") ?? "";
  change(changes);
  return to > from;
}
