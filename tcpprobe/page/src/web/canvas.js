// Draws the panels, and over them the cursor, the ruler and what is being selected.
import { about, connections, upper } from "./data.js";
import { place, state } from "./state.js";
import { panelsOf, readout } from "./panels.js";
import { bytesText, durationText, rateText, short, tickText, ticks } from "./units.js";

const LEFT = 74;
const RIGHT = 14;
const HEAD = 21;
const AXIS = 34;
const LANE = 18;
const HAS_LANES = about.panels?.includes("lanes") ?? true;
/** How much of the height each panel has. */
const WEIGHTS = { rate: 1.1, cwnd: 1.1, flight: 1.1, srtt: 0.9, sequence: 1.1 };
/** Events are seen as dots where they are so far apart, in pixels. */
const DOTS = 7;

const canvas = document.getElementById("curves");
const over = document.getElementById("over");
/** Where things are, for whoever points at them: in CSS pixels. */
export const layout = { left: LEFT, width: 1, height: 1, panels: [], view: { from: 0, to: 1, width: 1 } };
/** How long each drawing took, in milliseconds. */
export const timings = [];

let colors = {};
let locked = null;

/** Takes the colours of the theme. */
export function takeColors() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  colors = Object.fromEntries(["text", "grey", "frame", "grid", "paper", "gap", "cursor", "allowed", "window"].map((name) => [name, of(name)]));
  colors.isDark = of("is-dark") === "1";
}

/** A colour that is seen on the paper that there is. */
export function onPaper(color) {
  if (!colors.isDark) return color;
  const parts = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  const light = 0.3 * parts[0] + 0.59 * parts[1] + 0.11 * parts[2];
  const part = light < 110 ? Math.min(0.62, (130 - light) / 190) : 0;
  return `#${parts.map((value) => Math.round(value + (255 - value) * part).toString(16).padStart(2, "0")).join("")}`;
}

export const colorOf = (id) => onPaper(about.palette[place(id)]);

function sized(element, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (element.width !== w || element.height !== h) [element.width, element.height] = [w, h];
  const context = element.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  return context;
}

export const xOf = (time) => LEFT + ((time - state.from) / (state.to - state.from)) * layout.width;
export const timeOf = (x) => state.from + ((x - LEFT) / layout.width) * (state.to - state.from);

/** Draws all that is chosen and has its columns. */
export function draw() {
  const begin = performance.now();
  const box = canvas.parentElement.getBoundingClientRect();
  const [width, height] = [Math.max(box.width, 320), Math.max(box.height, 300)];
  const context = sized(canvas, width, height);
  layout.width = Math.floor(width - LEFT - RIGHT);
  layout.height = height;
  const view = { from: state.from, to: state.to, width: layout.width };
  if (!state.lock) locked = null;
  const { panels, all, focus } = panelsOf(view, state.chosen, state.focus, locked);
  if (state.lock) locked ??= Object.fromEntries(panels.map(({ key, range }) => [key, range]));
  layout.view = view;
  const lanes = HAS_LANES ? all.length * LANE + HEAD : 0;
  const room = height - AXIS - lanes - panels.length * HEAD;
  const sum = panels.reduce((sum, { key }) => sum + WEIGHTS[key], 0);
  let top = 0;
  layout.panels = panels.map((panel) => {
    const tall = Math.max(30, (room * WEIGHTS[panel.key]) / sum);
    const area = { ...panel, top: top + HEAD, bottom: top + HEAD + tall };
    top = area.bottom;
    return area;
  });
  layout.lanes = { top: Math.min(top + HEAD, top + lanes), bottom: top + lanes };
  drawTime(context, top + lanes);
  for (const area of layout.panels) drawPanel(context, area, focus, all.length === 1);
  if (HAS_LANES) drawLanes(context, all, top);
  drawGaps(context, top + lanes);
  drawOver();
  timings.push(performance.now() - begin);
}

/** How times are written: their unit in nanoseconds, its name, and what counts as 0. */
export function clock() {
  const span = state.to - state.from;
  const zero = about.raw ? -Number(about.zero) : 0;
  const [factor, name] = about.raw ? [1e9, "s"] : [[3.6e12, "h"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"]].find(([ns]) => span > ns * (ns > 1e9 ? 3 : 0.5)) ?? [1, "ns"];
  return { factor, name, zero };
}

/** A time as it is written at the cursor. */
export function timeText(time) {
  if (about.raw) return `${((time + Number(about.zero)) / 1e9).toFixed(9)} s`;
  return `${(time / 1e9).toFixed(state.to - state.from < 2e6 ? 9 : 6)} s`;
}

function drawTime(context, bottom) {
  const { factor, name, zero } = clock();
  const at = (time) => (time - zero) / factor;
  const { step, values } = ticks(at(state.from), at(state.to), layout.width / 90);
  context.fillStyle = colors.text;
  context.strokeStyle = colors.grid;
  context.textAlign = "center";
  for (const value of values) {
    const x = Math.round(xOf(value * factor + zero)) + 0.5;
    line(context, x, HEAD, x, bottom);
    context.fillText(tickText(value, step), x, bottom + 10);
  }
  context.fillStyle = colors.grey;
  const since = about.raw ? "in the trace's clock" : about.utcText ? `since ${about.utcText}` : about.traces ? "since the first event of each" : "since the first event";
  context.fillText(`${name} ${since}`, LEFT + layout.width / 2, bottom + 25);
}

function line(context, ax, ay, bx, by) {
  context.beginPath();
  context.moveTo(ax, ay);
  context.lineTo(bx, by);
  context.stroke();
}

function drawPanel(context, area, focus, isAlone) {
  const { top, bottom, range, name, unit, text } = area;
  const [low, high] = range;
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  area.y = y;
  const right = heading(context, unit ? `${name}, ${unit}` : name, top - HEAD);
  context.fillStyle = colors.grey;
  const whose = isAlone || !focus || !["flight", "sequence"].includes(area.key) ? "" : ` (of ${focus.connection.name})`;
  const remark = [remarkOf(area, focus) + whose, remarkOf(area, focus)].find((text) => fits(context, text, right));
  if (remark) context.fillText(remark, right, top - HEAD / 2 + 2);
  const factor = area.key === "srtt" ? 1000 : 1;
  const { step, values } = ticks(low / factor, high / factor, Math.max(2.5, (bottom - top) / 28));
  context.textAlign = "right";
  context.strokeStyle = colors.grid;
  for (const value of values) {
    const at = Math.round(y(value * factor)) + 0.5;
    line(context, LEFT, at, LEFT + layout.width, at);
    context.fillStyle = colors.grey;
    context.fillText(unit ? tickText(value, step) : short(text(value * factor)), LEFT - 6, at);
  }
  context.save();
  context.beginPath();
  context.rect(LEFT, top - 1, layout.width, bottom - top + 2);
  context.clip();
  if (isAlone && focus) drawBackdrop(context, focus, top, bottom);
  for (const curve of area.curves) drawCurve(context, curve, y);
  if (area.key === "sequence" && focus) drawSequenceMarks(context, focus, y, top);
  context.restore();
  context.strokeStyle = colors.frame;
  context.strokeRect(LEFT + 0.5, Math.round(top) + 0.5, layout.width - 1, Math.round(bottom - top));
}

/** Writes the name of a part at its top, and says where it ends. */
function heading(context, text, top) {
  context.textAlign = "left";
  context.fillStyle = colors.text;
  context.font = "600 12px system-ui, sans-serif";
  context.fillText(text, LEFT, top + HEAD / 2 + 2);
  const right = LEFT + context.measureText(text).width + 10;
  context.font = "11px system-ui, sans-serif";
  return right;
}

const fits = (context, text, x) => x + context.measureText(text).width <= LEFT + layout.width;

function remarkOf(area, focus) {
  if (area.key === "flight" && focus) return focus.connection.mss > 0 ? "dashed: cwnd × MSS, dotted: the peer's window" : "dotted: the peer's window";
  if (area.key === "sequence") return "acknowledged, above it sent, dotted: the window's edge; ● retransmission, × window closed";
  return area.remark ?? "";
}

function drawBackdrop(context, { data }, top, bottom) {
  context.globalAlpha = colors.isDark ? 0.22 : 0.13;
  for (const { from, to, limit } of data.intervals) {
    if (to < state.from || from > state.to || ["idle", "unseen"].includes(about.limits[limit].name)) continue;
    context.fillStyle = onPaper(about.limits[limit].color);
    const [a, b] = [Math.max(xOf(from), LEFT), Math.min(xOf(to), LEFT + layout.width)];
    context.fillRect(a, top, Math.max(b - a, 0.5), bottom - top);
  }
  context.globalAlpha = 1;
}

function drawCurve(context, curve, y) {
  context.strokeStyle = curve.ink ? colors[curve.ink] : colorOf(curve.id);
  context.lineWidth = curve.thin ? 1 : 1.5;
  context.globalAlpha = curve.thin ? 0.75 : 1;
  context.setLineDash(curve.dash ?? []);
  context.beginPath();
  if (curve.points) pathOfSteps(context, curve.points, y);
  else if (curve.lines.isDense) drawBand(context, curve, y);
  else pathOfOutline(context, curve, y);
  context.stroke();
  context.setLineDash([]);
  if (curve.lines && !curve.dash) drawDots(context, curve, y);
  context.globalAlpha = 1;
  context.lineWidth = 1;
}

function pathOfSteps(context, points, y) {
  points.forEach(({ from, to, value }, at) => {
    if (at === 0) context.moveTo(xOf(from), y(value));
    context.lineTo(xOf(from), y(value));
    context.lineTo(xOf(to), y(value));
  });
}

/** From the least to the greatest value of each pixel, and begins the line of their means over it; of what is dashed that alone. */
function drawBand(context, { lines, factor, dash }, y) {
  lines.first.forEach((first, pixel) => {
    if (dash || first === Infinity || lines.least[pixel] > lines.greatest[pixel]) return;
    context.moveTo(LEFT + pixel + 0.5, y(lines.least[pixel] * factor) + 0.5);
    context.lineTo(LEFT + pixel + 0.5, y(lines.greatest[pixel] * factor) - 0.5);
  });
  context.globalAlpha = 0.35;
  context.stroke();
  context.globalAlpha = 1;
  context.beginPath();
  let held = null;
  lines.first.forEach((first, pixel) => {
    if (first === Infinity || Number.isNaN(lines.mean[pixel])) return;
    const [x, at] = [LEFT + pixel + 0.5, y(lines.mean[pixel] * factor)];
    if (held === null) context.moveTo(x, at);
    else context.lineTo(x, held);
    context.lineTo(x, at);
    held = at;
  });
}

/** A value holds until the next; within a pixel, all that it was. Where it is not set, nothing is drawn. */
function pathOfOutline(context, { lines, factor, data }, y) {
  let held = lines.before * factor;
  const end = Math.min(xOf(data.time[data.rows - 1]), LEFT + layout.width);
  if (!Number.isNaN(held)) context.moveTo(LEFT, y(held));
  for (let pixel = 0; pixel < lines.first.length; pixel++) {
    const first = lines.first[pixel];
    if (first === Infinity) continue;
    const x = LEFT + pixel + 0.5;
    if (!Number.isNaN(held)) context.lineTo(x, y(held));
    if (lines.least[pixel] <= lines.greatest[pixel]) {
      const begin = Number.isNaN(first) ? lines.least[pixel] : first;
      if (Number.isNaN(held)) context.moveTo(x, y(begin * factor));
      context.lineTo(x, y(begin * factor));
      context.lineTo(x, y(lines.least[pixel] * factor));
      context.lineTo(x, y(lines.greatest[pixel] * factor));
    }
    held = lines.last[pixel] * factor;
    if (!Number.isNaN(held)) context.lineTo(x, y(held));
  }
  if (!Number.isNaN(held) && end > LEFT) context.lineTo(end, y(held));
}

function drawDots(context, { data, places, name, factor }, y) {
  const [from, to] = [places[0], places.at(-1)];
  if (to - from > layout.width / DOTS) return;
  context.fillStyle = context.strokeStyle;
  for (let at = from; at < to; at++) {
    const value = data[name][at] * factor;
    context.fillRect(xOf(data.time[at]) - 1.5, y(value) - 1.5, 3, 3);
  }
}

function drawSequenceMarks(context, { data, places }, y, top) {
  let lastX = -9;
  for (const { time, cause } of data.moments) {
    if (time < state.from || time > state.to) continue;
    const row = Math.max(0, upper(data.time, time) - 1);
    context.fillStyle = onPaper(about.causes[cause].color);
    context.beginPath();
    context.arc(xOf(time), y(data.una[row]), 3, 0, 7);
    context.fill();
  }
  context.strokeStyle = colors.cursor;
  if (data.trees.sndWnd?.look(places[0], places.at(-1)).least !== 0) return;
  for (let at = places[0]; at < places.at(-1); at++) {
    const x = xOf(data.time[at]);
    if (data.sndWnd[at] !== 0 || x - lastX < 6) continue;
    lastX = x;
    const middle = Math.max(top + 5, y(data.una[at]));
    line(context, x - 3, middle - 3, x + 3, middle + 3);
    line(context, x - 3, middle + 3, x + 3, middle - 3);
  }
}

/** Of each connection a lane: below what held it back, above it its retransmissions. */
function drawLanes(context, all, top) {
  let x = heading(context, "What held back, and retransmissions above it", top) + 6;
  const seen = new Map();
  all.forEach(({ connection, data }, at) => {
    const y = top + HEAD + at * LANE;
    context.fillStyle = colorOf(connection.id);
    context.fillRect(LEFT - 10, y + 4, 5, LANE - 6);
    for (const { from, to, limit } of data.intervals) {
      if (to < state.from || from > state.to) continue;
      seen.set(limit, (seen.get(limit) ?? 0) + to - from);
      context.fillStyle = onPaper(about.limits[limit].color);
      const [a, b] = [Math.max(xOf(from), LEFT), Math.min(xOf(to), LEFT + layout.width)];
      context.fillRect(a, y + 9, Math.max(b - a, 0.6), LANE - 11);
    }
    for (const { time, cause } of data.moments) {
      if (time < state.from || time > state.to) continue;
      context.fillStyle = onPaper(about.causes[cause].color);
      context.fillRect(xOf(time) - 0.75, y + 1, 1.5, 7);
    }
  });
  for (const limit of [...seen.keys()].sort((a, b) => seen.get(b) - seen.get(a))) {
    const { name, color } = about.limits[limit];
    if (!fits(context, name, x + 13)) break;
    context.fillStyle = onPaper(color);
    context.fillRect(x, top + HEAD / 2 - 2, 9, 8);
    context.fillStyle = colors.grey;
    context.fillText(name, x + 13, top + HEAD / 2 + 2);
    x += context.measureText(name).width + 26;
  }
}

function drawGaps(context, bottom) {
  context.fillStyle = colors.gap;
  for (const [from, to] of about.gaps) {
    if (to < state.from || from > state.to) continue;
    const [a, b] = [Math.max(xOf(from), LEFT), Math.min(xOf(to), LEFT + layout.width)];
    context.fillRect(a, HEAD, Math.max(b - a, 1.5), bottom - HEAD);
  }
}

/** What is being selected by dragging: two places, or `null`. */
let selection = null;

export function select(from, to) {
  selection = from === null ? null : [from, to];
  drawOver();
}

/** Draws the cursor, the ruler and the selection. */
export function drawOver() {
  const box = canvas.parentElement.getBoundingClientRect();
  const context = sized(over, Math.max(box.width, 320), Math.max(box.height, 300));
  const bottom = layout.lanes?.bottom ?? layout.height;
  if (selection) {
    context.fillStyle = colors.cursor;
    context.globalAlpha = 0.15;
    context.fillRect(Math.min(...selection), HEAD, Math.abs(selection[1] - selection[0]), bottom - HEAD);
    context.globalAlpha = 1;
  }
  context.strokeStyle = colors.cursor;
  if (state.ruler) drawRuler(context, bottom);
  if (state.cursor === null || state.cursor < state.from || state.cursor > state.to) return;
  const x = Math.round(xOf(state.cursor)) + 0.5;
  line(context, x, HEAD, x, bottom);
  label(context, timeText(state.cursor), x, bottom + 10);
}

function label(context, text, x, y) {
  const wide = context.measureText(text).width + 10;
  const left = Math.min(Math.max(x - wide / 2, LEFT), LEFT + layout.width - wide);
  context.fillStyle = colors.paper;
  context.fillRect(left, y - 8, wide, 16);
  context.fillStyle = colors.cursor;
  context.textAlign = "left";
  context.fillText(text, left + 5, y);
}

/** What the ruler measures of the connection of which most is told. */
export function measured() {
  const [from, to] = [Math.min(...state.ruler), Math.max(...state.ruler)];
  const [a, b] = [from, to].map((time) => readout(state.focus, time, layout.view));
  const isSender = connections[state.focus].acked >= connections[state.focus].received;
  const bytes = a && b ? (isSender ? b.acked - a.acked : b.received - a.received) : 0;
  return { time: to - from, bytes, rate: (bytes * 8e9) / Math.max(to - from, 1) };
}

export function measuredText() {
  const { time, bytes, rate } = measured();
  return `Δt ${durationText(time)} · ${bytesText(bytes)} · ${rateText(rate)}`;
}

function drawRuler(context, bottom) {
  const [a, b] = state.ruler.map((time) => Math.round(xOf(time)) + 0.5);
  context.setLineDash([4, 3]);
  line(context, a, HEAD, a, bottom);
  line(context, b, HEAD, b, bottom);
  context.setLineDash([]);
  line(context, a, HEAD + 9, b, HEAD + 9);
  label(context, measuredText(), (a + b) / 2, HEAD + 9);
}
