// The panels: which curves of which connections, over a view. Nothing here is drawn.
import { UNSET, about, connections, upper, valueAt } from "./data.js";
import { column, edges, tree } from "./tree.js";
import { bytesText, countText, millisText, niceStep, rateText } from "./units.js";

/** A mean of throughput takes so many pixels, at least. */
const MEAN_PIXELS = 4;
/** From so many values a pixel on, in the mean, a line would hide how most of them are. */
const DENSE = 6;

/** Bytes that moved up to a time, in the direction of more, each spread over the round trip before it was acknowledged. */
function movedAt(data, time) {
  const { moved, roundTrip } = data;
  const integral = (at) => {
    const place = upper(data.time, at) - 1;
    return place < 0 ? 0 : moved.sums[place] + moved.bytes[place] * (at - data.time[place]);
  };
  return roundTrip > 0 ? (integral(time + roundTrip) - integral(time)) / roundTrip : moved.bytes[upper(data.time, time) - 1] ?? 0;
}

function prepare(connection, data) {
  if (data.moved) return;
  const isSender = connection.acked >= connection.received;
  const acked = column(data, "acked");
  // An event says what was acknowledged before its own ACK: what that adds, the next one says.
  const bytes = isSender ? acked.map((_, at) => acked[Math.min(at + 1, acked.length - 1)]) : data.received;
  const sums = new Float64Array(bytes.length);
  for (let at = 1; at < sums.length; at++) sums[at] = sums[at - 1] + bytes[at - 1] * (data.time[at] - data.time[at - 1]);
  const { least } = tree(data, "srtt").look(0, data.rows);
  data.roundTrip = Number.isFinite(least) ? least * 1000 : 0;
  data.moved = { bytes, sums };
}

/** How long a mean of throughput is in a view: at least a round trip, within which ACKs come in bursts. */
function meanWidth(view, drawn) {
  const longest = Math.max(...drawn.map(({ data }) => data.roundTrip), 0);
  const span = view.to - view.from;
  return niceStep(Math.max((span * MEAN_PIXELS) / view.width, Math.min(longest, span / 20), 1), 1);
}

/** Bits a second over a view: times of steps and their values. */
function rates({ connection, data }, view, width) {
  const points = [];
  if (data.rows < 2) return points;
  const [first, end] = [data.time[0], data.time[data.rows - 1]];
  // Of what is on its way in the last round trip nothing is known.
  const last = end - first > 4 * data.roundTrip ? end - data.roundTrip : end;
  let from = Math.max(first, Math.floor(view.from / width) * width);
  while (from < Math.min(view.to, last)) {
    const next = (Math.floor(from / width + 1e-9) + 1) * width;
    const to = next + width / 2 >= last ? last : next;
    points.push({ from, to, value: ((movedAt(data, to) - movedAt(data, from)) * 8e9) / Math.max(to - from, 1) });
    from = to;
  }
  return points;
}

/** Sums of a column from its beginning; of values that are not set they know nothing. */
function sumsOf(data, name) {
  const key = `sumsOf ${name}`;
  if (!data[key]) {
    const values = column(data, name);
    const sums = new Float64Array(values.length + 1);
    for (let at = 0; at < values.length; at++) sums[at + 1] = sums[at] + (values[at] === UNSET ? NaN : values[at]);
    data[key] = sums;
  }
  return data[key];
}

/** The first, last, least, greatest and mean value of each pixel of a view: enough to draw steps as if each value were drawn. */
export function outline(data, name, view, places) {
  const values = column(data, name);
  const known = tree(data, name);
  const { width } = view;
  const isDense = data.isWhole && places.at(-1) - places[0] > width * DENSE;
  const sums = isDense ? sumsOf(data, name) : null;
  const lines = { first: new Float64Array(width), last: new Float64Array(width), least: new Float64Array(width), greatest: new Float64Array(width), mean: new Float64Array(width) };
  const set = (value) => (value === UNSET ? NaN : value);
  for (let pixel = 0; pixel < width; pixel++) {
    const [from, to] = [places[pixel], places[pixel + 1]];
    if (from === to) {
      lines.first[pixel] = Infinity;
      continue;
    }
    known.look(from, to);
    lines.first[pixel] = set(values[from]);
    lines.last[pixel] = set(values[to - 1]);
    lines.least[pixel] = known.least;
    lines.greatest[pixel] = known.greatest;
    if (isDense) lines.mean[pixel] = (sums[to] - sums[from]) / (to - from);
  }
  lines.isDense = isDense && name !== "ssthresh";
  lines.before = places[0] > 0 ? set(values[places[0] - 1]) : NaN;
  return lines;
}

/** The least and greatest value of a view, with the one that holds at its beginning. */
function rangeOf(data, name, places) {
  const { least, greatest } = tree(data, name).look(Math.max(0, places[0] - 1), places.at(-1));
  return [least, greatest];
}

const steps = (name, more = {}) => ({ connection, data }, view, places) => ({
  id: connection.id,
  name,
  factor: 1,
  ...more,
  lines: outline(data, name, view, places),
  range: rangeOf(data, name, places).map((value) => value * (more.factor ?? 1)),
  places,
  data,
});

/** Curves that belong to the one of which most is told: dashed, and only as far as they fit. */
function allowances(drawn, view) {
  const { connection, data } = drawn;
  const curves = [];
  if (connection.mss > 0) curves.push(steps("cwnd", { factor: connection.mss, ink: "allowed", dash: [5, 4], fits: true })(drawn, view, drawn.places));
  if (data.rows) curves.push(steps("sndWnd", { ink: "window", dash: [2, 3], fits: true })(drawn, view, drawn.places));
  return curves;
}

/** Name, unit and curves of each, from above. */
const PANELS = [
  {
    key: "rate",
    name: "Throughput",
    text: rateText,
    curves: (all, view) => {
      const width = meanWidth(view, all);
      return all.map((one) => {
        const points = rates(one, view, width);
        return { id: one.connection.id, points, range: [0, points.reduce((most, { value }) => Math.max(most, value), 0)] };
      });
    },
  },
  {
    key: "cwnd",
    name: "Congestion window",
    unit: "packets",
    remark: "dashed: ssthresh",
    text: countText,
    curves: (all, view) => [
      ...all.map((one) => steps("ssthresh", { dash: [5, 4], thin: true, fits: true })(one, view, one.places)),
      ...all.map((one) => steps("cwnd")(one, view, one.places)),
    ],
  },
  {
    key: "flight",
    name: "In flight",
    text: bytesText,
    curves: (all, view, focus) => [...(focus ? allowances(focus, view) : []), ...all.map((one) => steps("flight")(one, view, one.places))],
  },
  {
    key: "srtt",
    name: "Smoothed RTT",
    text: millisText,
    curves: (all, view) => all.map((one) => steps("srtt")(one, view, one.places)),
  },
  {
    key: "sequence",
    name: "Sequence",
    text: bytesText,
    isNear: true,
    curves: (all, view, focus) => {
      if (!focus?.data.rows) return [];
      const of = (name, more) => steps(name, more)(focus, view, focus.places);
      return [of("edge", { ink: "window", dash: [2, 3], fits: true }), of("nxt", { ink: "allowed", thin: true }), of("una")];
    },
  },
];

/** Those that are drawn, from above: all, or what the page was asked for. */
const SHOWN = about.panels?.flatMap((wanted) => PANELS.filter(({ key }) => key === wanted)) ?? PANELS;

/** The panels over a view: each with its curves and the range of its values. */
export function panelsOf(view, chosen, focusId, locked) {
  const all = chosen.map((id) => connections[id]).filter((one) => one.data).map((connection) => {
    const { data } = connection;
    prepare(connection, data);
    return { connection, data, places: edges(data.time, view.from, view.to, view.width) };
  });
  const focus = all.find((one) => one.connection.id === focusId);
  const panels = SHOWN.map((panel) => {
    const curves = panel.curves(all, view, focus).filter(({ range }) => range[0] <= range[1]);
    return { ...panel, curves, range: locked?.[panel.key] ?? panelRange(panel, curves) };
  });
  return { panels, all, focus };
}

/** What is drawn of a panel: from 0 to its greatest value in view, or near its values. */
function panelRange(panel, curves) {
  const main = curves.filter((curve) => !curve.fits);
  let [least, greatest] = [Math.min(...main.map(({ range }) => range[0])), Math.max(...main.map(({ range }) => range[1]))];
  if (!Number.isFinite(greatest)) return [0, 1];
  // What is allowed is shown where that does not make the rest small.
  for (const { range } of curves.filter((curve) => curve.fits)) {
    const span = greatest - (panel.isNear ? least : 0);
    if (range[0] < greatest + span * 0.6) greatest = Math.max(greatest, Math.min(range[1], greatest + span * 0.6));
  }
  if (!panel.isNear) return [0, greatest > 0 ? greatest * 1.06 : 1];
  const edge = (greatest - least || 1) * 0.04;
  return [least - edge, greatest + edge];
}

/** What the values of a connection are at a time, for people and for tests. */
export function readout(id, time, view) {
  const connection = connections[id];
  const { data } = connection;
  if (!data?.rows) return null;
  const at = (name) => valueAt(data, name, time);
  const mean = rates({ connection, data }, view, meanWidth(view, [{ data }])).find(({ from, to }) => from <= time && time < to);
  const isAlive = time >= connection.from && time <= connection.to;
  const acked = column(data, "acked")[Math.max(0, upper(data.time, time) - 1)];
  return {
    isAlive,
    rate: mean?.value ?? null,
    cwnd: at("cwnd"),
    ssthresh: at("ssthresh"),
    flight: at("flight"),
    sndWnd: at("sndWnd"),
    rcvWnd: at("rcvWnd"),
    srtt: at("srtt"),
    acked,
    received: at("received"),
    limit: limitAt(data, time),
  };
}

/** The number of the limit at a time, or `null`. */
export function limitAt(data, time) {
  const found = data.intervals.find(({ from, to }) => from <= time && time < to);
  return found ? found.limit : null;
}

/** The next retransmission of those drawn after a time, or the last before it. */
export function nextMoment(chosen, time, isForward) {
  const times = chosen.flatMap((id) => (connections[id].data?.moments ?? []).map((moment) => moment.time));
  return nextOf(times, time, isForward);
}

/** The same of gaps: their beginnings. */
export function nextGap(time, isForward) {
  return nextOf(about.gaps.map(([from]) => from), time, isForward);
}

function nextOf(times, time, isForward) {
  const nearer = isForward
    ? (best, other) => (other > time + 0.5 && (best === null || other < best) ? other : best)
    : (best, other) => (other < time - 0.5 && (best === null || other > best) ? other : best);
  return times.reduce(nearer, null);
}
