// What is said in words: of the trace, of the connections that are drawn, and of the one of which most is told.
import { about, connections, upper } from "./data.js";
import { colorOf, layout, measuredText, onPaper, timeText } from "./canvas.js";
import { readout } from "./panels.js";
import { tree } from "./tree.js";
import { change, state, toggle } from "./state.js";
import { bytesText, countText, durationText, millisText, percentText, rateText } from "./units.js";

export const byId = (id) => document.getElementById(id);

/** An element with a class and with what is in it: text or elements. */
export function element(tag, className, ...inside) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...inside.filter((part) => part !== null && part !== ""));
  return made;
}

/** Nanoseconds since 1970 as text → `2026-01-31 12:00:00.000000 UTC`. */
function utcText(text) {
  if (!text) return "";
  const nanos = BigInt(text);
  const date = new Date(Number(nanos / 1000000n));
  if (Number.isNaN(date.getTime())) return "";
  const micros = String((nanos / 1000n) % 1000n).padStart(3, "0");
  return `${date.toISOString().replace("T", " ").replace("Z", micros)} UTC`;
}

export function ownerText({ owner }) {
  if (!owner) return "";
  const place = owner.unit ?? owner.container ?? owner.pod;
  return `${owner.comm ?? "?"}[${owner.pid}]${place ? ` (${place})` : ""}`;
}

export function headlineText(connection) {
  if (connection.share === undefined) return "";
  const { limit, share, exact } = connection;
  return limit === null ? "mixed" : `${about.limits[limit].name} ${percentText(share)} (${exact ? "exact" : "inferred"})`;
}

/** What is said once. */
export function sayTrace() {
  about.utcText = utcText(about.utc);
  const facts = [
    about.host,
    about.kernel && `Linux ${about.kernel}`,
    about.utcText,
    `${countText(about.events)} events`,
    `${countText(connections.length)} connection${connections.length === 1 ? "" : "s"}`,
  ];
  byId("title").textContent = about.title;
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  const notes = [about.lost && `${about.lost} (shaded)`, about.reduced];
  for (const note of notes.filter(Boolean)) byId("notes").append(element("p", "note", note));
  if (about.differences) sayDifferences(about.differences);
}

/** What differs between traces. */
function sayDifferences({ headings, rows, note }) {
  const row = ([name, cells]) => element("tr", "", Object.assign(element("th", "", name), { scope: "row" }), ...cells.map((cell) => element("td", "", cell)));
  byId("differences").replaceChildren(element("caption", "", note), head("trace", ...headings), element("tbody", "", ...rows.map(row)));
  byId("differences").hidden = false;
}

/** The columns of the table of values. */
const VALUES = [
  ["Throughput", (at) => at.rate, rateText],
  ["cwnd", (at) => at.cwnd, countText],
  ["ssthresh", (at) => at.ssthresh, countText],
  ["In flight", (at) => at.flight, bytesText],
  ["Peer window", (at) => at.sndWnd, bytesText],
  ["Own window", (at) => at.rcvWnd, bytesText],
  ["srtt", (at) => at.srtt, millisText],
  ["Acked", (at) => at.acked, bytesText],
  ["Held back by", (at) => at.limit, (limit) => about.limits[limit].name],
];

function head(...names) {
  return element("thead", "", element("tr", "", ...names.map((name) => Object.assign(element("th", "", name), { scope: "col" }))));
}

/** What the table of values was made for: its rows stay while that is so, and keep the keyboard's focus. */
let madeFor = "";

function valueRow(id) {
  const { name } = connections[id];
  const swatch = element("span", "swatch");
  swatch.style.background = colorOf(id);
  const isOneLocal = !about.traces && state.chosen.length > 1 && state.chosen.every((other) => connections[other].local === connections[id].local);
  const short = isOneLocal ? `→ ${connections[id].peer}` : name;
  const tell = Object.assign(element("button", "name", swatch, short), { type: "button", title: `${name}: tell most of this one` });
  tell.dataset.focus = id;
  tell.setAttribute("aria-pressed", String(id === state.focus));
  const away = Object.assign(element("button", "away", "×"), { type: "button", title: "Draw it no more" });
  away.dataset.away = id;
  away.setAttribute("aria-label", `Do not draw ${name}`);
  const title = Object.assign(element("th", "", tell, state.chosen.length > 1 ? away : ""), { scope: "row" });
  return element("tr", id === state.focus ? "focus" : "", title, ...VALUES.map(() => element("td")));
}

/** The values of all curves at the cursor; without one, at the end of what is seen. */
export function sayValues() {
  const table = byId("values");
  const made = [...state.chosen, state.focus, ...state.chosen.map(colorOf)].join();
  if (made !== madeFor) {
    table.replaceChildren(head("", ...VALUES.map(([name]) => name)), element("tbody", "", ...state.chosen.map(valueRow)));
    madeFor = made;
  }
  table.rows[0].cells[0].textContent = `Values ${state.cursor === null ? "at the end of the view" : `at ${timeText(state.cursor)}`}`;
  state.chosen.forEach((id, row) => {
    const at = readout(id, state.cursor ?? Math.min(state.to, connections[id].to), layout.view);
    VALUES.forEach(([, value, text], cell) => {
      const known = at?.isAlive ? value(at) : null;
      table.rows[row + 1].cells[cell + 1].textContent = known === null || known === undefined ? "–" : text(known);
    });
  });
  byId("measured").textContent = state.ruler ? measuredText() : "";
}

/** What held back the connection of which most is told, on what evidence, and what to do. */
export function sayVerdict() {
  const connection = connections[state.focus];
  const { evidence, remedy, shares = [], causes = [], findings = [], limit } = connection;
  const dot = element("span", "swatch");
  dot.style.background = limit === null || limit === undefined ? "" : onPaper(about.limits[limit].color);
  const others = shares.filter(([other]) => other !== limit).map(([other, share]) => `${about.limits[other].name} ${percentText(share)}`);
  const all = causes.reduce((sum, [, count]) => sum + count, 0);
  if (all > 0) {
    const each = causes.map(([cause, count]) => `${countText(count)} ${about.causes[cause].name}`).join(", ");
    others.push(`${countText(all)} retransmission${all === 1 ? "" : "s"}: ${each}`);
  }
  const facts = [ownerText(connection), connection.cc, `${durationText(connection.to - connection.from)}`, bytesText(Math.max(connection.acked, connection.received)), rateText(connection.rate)];
  const kept = connection.rows < connection.events ? `${countText(connection.rows)} of its ${countText(connection.events)} events are kept, among them each extreme.` : "";
  byId("verdict").replaceChildren(
    element("p", "headline", dot, element("strong", "", headlineText(connection) || "not told"), " ", evidence ?? ""),
    element("p", "remedy", remedy ? `→ ${remedy}` : ""),
    element("p", "rest", [connection.name, ...facts.filter(Boolean)].join(" · ")),
    element("p", "rest", [others.join(" · "), ...findings, kept].filter(Boolean).join(" · ")),
  );
}

/** What a reader of the screen hears of the curves: the least and the greatest value of each, in view. */
export function sayRanges() {
  const named = [["cwnd", countText, "cwnd"], ["flight", bytesText, "In flight"], ["srtt", millisText, "srtt"], ["sndWnd", bytesText, "Peer's window"]];
  const rows = state.chosen.filter((id) => connections[id].data).map((id) => {
    const { data, name } = connections[id];
    const [from, to] = [upper(data.time, state.from - 0.5), upper(data.time, state.to)];
    const cells = named.map(([name_of, text]) => {
      const { least, greatest } = tree(data, name_of).look(from, to);
      return element("td", "", least <= greatest ? `${text(least)} to ${text(greatest)}` : "nothing");
    });
    const sent = data.moments.filter(({ time }) => time >= state.from && time <= state.to).reduce((sum, { count }) => sum + count, 0);
    return element("tr", "", Object.assign(element("th", "", name), { scope: "row" }), ...cells, element("td", "", countText(sent)));
  });
  const caption = element("caption", "", `From ${timeText(state.from)} to ${timeText(state.to)}`);
  byId("ranges").replaceChildren(caption, head("Connection", ...named.map(([, , name]) => name), "Retransmissions"), element("tbody", "", ...rows));
}

/** Answers to the buttons of the table of values. */
export function listenToValues() {
  byId("values").addEventListener("click", ({ target }) => {
    const { away, focus } = target.closest("button")?.dataset ?? {};
    if (away !== undefined) toggle(Number(away));
    else if (focus !== undefined) change({ focus: Number(focus) });
  });
}
