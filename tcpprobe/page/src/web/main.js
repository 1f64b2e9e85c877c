// Begins: reads the list, shows what the address says, and draws after each change.
import { UNSET, about, connections, load, loadList, valueAt } from "./data.js";
import { Tree, column, edges, tree } from "./tree.js";
import { change, findWhole, fit, forget, fromHash, onChange, state, toHash, whole, zoom } from "./state.js";
import { outline, readout } from "./panels.js";
import { draw, drawOver, layout, measured, takeColors, timings } from "./canvas.js";
import { byId, listenToValues, sayRanges, sayTrace, sayValues, sayVerdict } from "./words.js";
import { listenToList, sayList, seek } from "./list.js";
import { listen } from "./input.js";

/** What is to be made anew with the next picture. */
const due = new Set();
const LISTED = ["chosen", "sort", "query", "theme"];
const MOVED = ["from", "to", "chosen", "focus", "lock", "theme"];

function ask(what) {
  if (due.size === 0) requestAnimationFrame(make);
  due.add(what);
}

function make() {
  const now = new Set(due);
  due.clear();
  if (now.has("curves")) draw();
  else if (now.has("over")) drawOver();
  sayValues();
  if (now.has("verdict")) sayVerdict();
  if (now.has("list")) {
    seek();
    sayList();
  }
  later();
}

let waiting = 0;

/** What can wait until nothing moves. */
function later() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    sayRanges();
    const hash = toHash();
    if (hash !== location.hash) history.replaceState(null, "", hash);
  }, 150);
}

async function changed(changes) {
  const is = (names) => names.some((name) => name in changes);
  ask(is(MOVED) ? "curves" : "over");
  if (is(["focus", "chosen", "theme"])) ask("verdict");
  if (is(LISTED)) ask("list");
  if ("theme" in changes) takeColors();
  byId("query").value = state.query;
  byId("sort").value = state.sort;
  document.querySelector('[data-do="lock"]').setAttribute("aria-pressed", String(state.lock));
  for (const one of state.chosen.map((id) => connections[id])) {
    const isMissing = !one.data;
    await load(one);
    if (isMissing) ask("curves");
  }
}

/** Checks the page against what it carries, and measures it; for `#selftest` and for the tests. */
async function selftest() {
  const problems = [];
  const check = (is, what) => is || problems.push(what);
  for (const id of state.chosen) {
    const data = await load(connections[id]);
    for (const name of ["cwnd", "ssthresh", "srtt", "flight", "sndWnd", "una"]) checkOutlines(data, name, check);
  }
  const before = { from: state.from, to: state.to };
  timings.length = 0;
  for (let turn = 0; turn < 60; turn++) {
    zoom(turn < 30 ? 0.8 : 1.25, whole.from + (whole.to - whole.from) * 0.37, "selftest");
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
  change(before);
  const sorted = [...timings].sort((a, b) => a - b);
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null;
  const result = {
    problems,
    connections: connections.length,
    rows: state.chosen.reduce((sum, id) => sum + connections[id].rows, 0),
    firstPaintMs: paint,
    firstCurvesMs: firstCurves,
    redraws: sorted.length,
    redrawP50Ms: sorted[Math.floor(sorted.length * 0.5)],
    redrawP95Ms: sorted[Math.floor(sorted.length * 0.95)],
    requests: performance.getEntriesByType("resource").map(({ name }) => name),
  };
  byId("selftest").textContent = JSON.stringify(result);
  return result;
}

/** What is drawn of each pixel against every value in it, at several zooms. */
function checkOutlines(data, name, check) {
  const values = column(data, name);
  const [first, last] = [data.time[0], data.time[data.rows - 1]];
  for (const part of [1, 0.31, 0.0123]) {
    const from = first + (last - first) * (1 - part) * 0.6;
    const view = { from, to: from + (last - first) * part + 1, width: 700 };
    const places = edges(data.time, view.from, view.to, view.width);
    const lines = outline(data, name, view, places);
    for (let pixel = 0; pixel < view.width; pixel++) {
      let [least, greatest] = [Infinity, -Infinity];
      for (let at = places[pixel]; at < places[pixel + 1]; at++) {
        if (values[at] === UNSET) continue;
        least = Math.min(least, values[at]);
        greatest = Math.max(greatest, values[at]);
      }
      const isEmpty = places[pixel] === places[pixel + 1];
      check(isEmpty ? lines.first[pixel] === Infinity : lines.least[pixel] === least && lines.greatest[pixel] === greatest, `${name}: pixel ${pixel} of a view of ${part}`);
    }
    const seen = places.at(-1) - places[0];
    let within = 0;
    for (const time of data.time) within += time >= view.from && time < view.to;
    check(Math.abs(seen - within) <= 1, `${name}: ${seen} of ${within} events`);
  }
}

let firstCurves = null;

async function begin() {
  const isAsked = location.hash === "#selftest";
  if (typeof DecompressionStream === "undefined") {
    byId("title").textContent = "This browser is too old for this page: it needs one of 2023 or later.";
    return;
  }
  takeColors();
  await loadList();
  findWhole();
  sayTrace();
  onChange(changed);
  listenToValues();
  listenToList();
  const chosen = connections.slice(0, about.chosen).map(({ id }) => id);
  if (chosen.length === 0) return;
  Object.assign(state, { chosen, focus: chosen[0] });
  const isTold = fromHash(location.hash);
  listen();
  // The one of which most is told is seen first; the others follow.
  await load(connections[state.focus]);
  if (!isTold) fit();
  forget();
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  firstCurves = performance.now();
  await Promise.all(state.chosen.map((id) => load(connections[id])));
  ask("curves");
  addEventListener("resize", () => ask("curves"));
  addEventListener("hashchange", () => location.hash !== toHash() && fromHash(location.hash));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change({ theme: "" }));
  const print = (theme) => {
    document.documentElement.dataset.print = theme;
    takeColors();
    draw();
  };
  addEventListener("beforeprint", () => print("1"));
  addEventListener("afterprint", () => print(""));
  if (isAsked) await selftest();
  document.documentElement.dataset.ready = "1";
}

globalThis.tcpprobe = { about, connections, state, layout, load, valueAt, readout, measured, selftest, Tree, tree };
begin().catch((error) => {
  byId("title").textContent = `This page is damaged: ${error.message}`;
  document.documentElement.dataset.ready = "0";
});
