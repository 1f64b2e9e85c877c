// The list of all connections: sought, sorted, chosen.
import { about, connections } from "./data.js";
import { colorOf, onPaper } from "./canvas.js";
import { change, choose, state, toggle } from "./state.js";
import { bytesText, countText, millisText, rateText } from "./units.js";
import { byId, element, headlineText, ownerText } from "./words.js";

/** Rows that are made at a time. */
const ROWS = 100;
const MOST_FIRST = (value) => (a, b) => value(b) - value(a) || a.id - b.id;
const traffic = (one) => 2 * one.acked + one.received;

/** By what they are sorted. */
const SORTS = {
  held: ["time held back", MOST_FIRST((one) => (one.end === "receiver" ? -1 : one.held ?? 0))],
  traffic: ["traffic", MOST_FIRST(traffic)],
  rate: ["rate", MOST_FIRST((one) => one.rate)],
  retransmissions: ["retransmissions", MOST_FIRST((one) => one.retransmissions)],
  srtt: ["smoothed RTT", MOST_FIRST((one) => one.srtt)],
  duration: ["duration", MOST_FIRST((one) => one.to - one.from)],
  start: ["start", (a, b) => a.from - b.from || a.id - b.id],
  limit: ["what held back", (a, b) => (a.limit ?? 99) - (b.limit ?? 99) || (b.share ?? 0) - (a.share ?? 0)],
};

let shown = ROWS;
let found = [];

function text(one) {
  return (one.text ??= [one.name, ownerText(one), one.cc, headlineText(one), one.evidence, ...(one.findings ?? []), ...(one.causes ?? []).map(([cause]) => about.causes[cause].name)]
    .join(" ")
    .toLowerCase());
}

/** Those in which all words are, in order. */
export function seek() {
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  found = connections.filter((one) => words.every((word) => text(one).includes(word)));
  found.sort((SORTS[state.sort] ?? SORTS.held)[1]);
  return found;
}

function spark(one) {
  const drawing = byId("spark").cloneNode(true);
  drawing.removeAttribute("id");
  const amounts = [...one.spark].map((digit) => parseInt(digit, 36));
  const points = amounts.map((amount, at) => `L${((at * 100) / amounts.length).toFixed(1)} ${(19 - amount / 2).toFixed(1)}h${(100 / amounts.length).toFixed(1)}`);
  drawing.firstElementChild.setAttribute("d", `M0 20${points.join("")}L100 20Z`);
  return drawing;
}

function row(one) {
  const isDrawn = state.chosen.includes(one.id);
  const box = Object.assign(element("input"), { type: "checkbox", checked: isDrawn });
  box.setAttribute("aria-label", `Draw ${one.name}`);
  const swatch = element("span", "swatch");
  if (isDrawn) swatch.style.background = colorOf(one.id);
  const name = Object.assign(element("button", "name", one.name), { type: "button", title: "Draw it alone" });
  const dot = element("span", "limit");
  if (typeof one.limit === "number") dot.style.background = onPaper(about.limits[one.limit].color);
  const what = element("div", "what", dot, headlineText(one), one.evidence ? element("span", "evidence", ` ${one.evidence}`) : "");
  const owner = ownerText(one);
  const numbers = [
    bytesText(Math.max(one.acked, one.received)),
    rateText(one.rate),
    one.retransmissions ? `${countText(one.retransmissions)} retr.` : "",
    one.srtt ? millisText(one.srtt) : "",
    one.end === "receiver" ? "receiver's end" : "",
  ];
  const words = element("td", "", name, owner ? element("span", "owner", ` ${owner}`) : "", what);
  const made = element("tr", isDrawn ? "drawn" : "", element("td", "box", box, swatch), words, element("td", "numbers", spark(one), element("div", "", numbers.filter(Boolean).join("\n"))));
  made.dataset.id = one.id;
  return made;
}

/** Makes the list as it is sought and sorted. */
export function sayList() {
  const focused = document.activeElement?.closest?.("#list tr")?.dataset.id;
  const tag = document.activeElement?.tagName;
  byId("list").replaceChildren(...found.slice(0, shown).map(row));
  byId("count").textContent = found.length === connections.length ? `${countText(found.length)} in all` : `${countText(found.length)} of ${countText(connections.length)}`;
  byId("more").hidden = found.length <= shown;
  byId("more").textContent = `${countText(found.length - shown)} more`;
  if (focused !== undefined) byId("list").querySelector(`tr[data-id="${focused}"] ${tag === "INPUT" ? "input" : "button"}`)?.focus();
}

export function listenToList() {
  const sort = byId("sort");
  for (const [name, [words]] of Object.entries(SORTS)) sort.append(Object.assign(element("option", "", words), { value: name }));
  sort.addEventListener("change", () => change({ sort: sort.value }));
  byId("query").addEventListener("input", ({ target }) => {
    shown = ROWS;
    change({ query: target.value });
  });
  byId("more").addEventListener("click", () => {
    shown += 5 * ROWS;
    sayList();
  });
  byId("list").addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row) return;
    const id = Number(row.dataset.id);
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.shiftKey) toggle(id);
    else choose(id);
  });
  // Up and down from row to row.
  byId("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const other = step && event.target.closest("tr")?.[step];
    if (!other) return;
    event.preventDefault();
    event.stopPropagation();
    other.querySelector(event.target.tagName === "INPUT" ? "input" : "button")?.focus();
  });
}
