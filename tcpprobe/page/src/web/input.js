// Wheel, drag and keys.
import { whole, change, fit, goBack, moveTo, state, zoom } from "./state.js";
import { layout, select, timeOf } from "./canvas.js";
import { nextGap, nextMoment } from "./panels.js";
import { byId } from "./words.js";

const WHEEL = 0.0022;
/** A shorter drag is a click. */
const CLICK = 4;

const span = () => state.to - state.from;
const middle = () => state.cursor ?? (state.from + state.to) / 2;

/** Shows a time in the middle, where it is not in view. */
function show(time) {
  if (time === null) return;
  change({ cursor: time });
  if (time < state.from || time > state.to) moveTo(time - span() / 2, time + span() / 2, "go");
}

function pan(part) {
  moveTo(state.from + span() * part, state.to + span() * part, "pan");
}

function moveCursor(pixels) {
  const time = middle() + (span() / layout.width) * pixels;
  change({ cursor: Math.min(Math.max(time, whole.from), whole.to) });
  if (state.cursor < state.from || state.cursor > state.to) show(state.cursor);
}

function rule() {
  if (state.ruler) change({ ruler: null });
  else change({ ruler: [state.from + span() * 0.25, state.cursor ?? state.from + span() * 0.75] });
}

/** What can be done, by name: buttons and keys do it. */
const ACTIONS = {
  back: goBack,
  fit,
  in: () => zoom(0.5, middle()),
  out: () => zoom(2, middle()),
  left: () => pan(-0.25),
  right: () => pan(0.25),
  nextMoment: () => show(nextMoment(state.chosen, state.cursor ?? state.from, true)),
  lastMoment: () => show(nextMoment(state.chosen, state.cursor ?? state.to, false)),
  nextGap: () => show(nextGap(state.cursor ?? state.from, true)),
  lastGap: () => show(nextGap(state.cursor ?? state.to, false)),
  ruler: rule,
  ruleFrom: () => change({ ruler: [middle(), state.ruler?.[1] ?? state.to] }),
  ruleTo: () => change({ ruler: [state.ruler?.[0] ?? state.from, middle()] }),
  lock: () => change({ lock: !state.lock }),
  theme: () => {
    const root = document.documentElement;
    const isDark = getComputedStyle(root).getPropertyValue("--is-dark").trim() === "1";
    root.dataset.theme = isDark ? "light" : "dark";
    change({ theme: root.dataset.theme });
  },
  help: () => {
    const help = byId("help");
    if (help.open) help.close();
    else help.showModal();
  },
  search: () => byId("query").focus(),
  clear: () => change({ cursor: null, ruler: null }),
  cursorLeft: () => moveCursor(-1),
  cursorRight: () => moveCursor(1),
  cursorFarLeft: () => moveCursor(-20),
  cursorFarRight: () => moveCursor(20),
  begin: () => show(whole.from),
  end: () => show(whole.to),
};

const KEYS = {
  ArrowLeft: "cursorLeft",
  ArrowRight: "cursorRight",
  "S-ArrowLeft": "cursorFarLeft",
  "S-ArrowRight": "cursorFarRight",
  a: "left",
  d: "right",
  "+": "in",
  "=": "in",
  w: "in",
  "-": "out",
  s: "out",
  Backspace: "back",
  b: "back",
  0: "fit",
  f: "fit",
  n: "nextMoment",
  p: "lastMoment",
  g: "nextGap",
  G: "lastGap",
  r: "ruler",
  "[": "ruleFrom",
  "]": "ruleTo",
  l: "lock",
  t: "theme",
  "?": "help",
  "/": "search",
  Escape: "clear",
  Home: "begin",
  End: "end",
};

function listenToKeys() {
  addEventListener("keydown", (event) => {
    const isTyping = ["INPUT", "SELECT"].includes(event.target.tagName) && event.target.type !== "checkbox";
    if (isTyping) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.shiftKey && event.key.startsWith("Arrow") ? `S-${event.key}` : event.key;
    const action = KEYS[key];
    if (!action || byId("help").open) return;
    event.preventDefault();
    ACTIONS[action]();
  });
  document.addEventListener("click", (event) => {
    const action = event.target.closest("[data-do]")?.dataset.do;
    if (action) ACTIONS[action]();
  });
}

function listenToPointer(area) {
  const place = (event) => event.clientX - area.getBoundingClientRect().left;
  let drag = null;
  area.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    area.setPointerCapture(event.pointerId);
    const x = place(event);
    const kind = event.altKey ? "rule" : event.shiftKey || x < layout.left ? "pan" : "zoom";
    drag = { kind, x, time: timeOf(x), from: state.from, to: state.to };
  });
  area.addEventListener("pointermove", (event) => {
    const x = place(event);
    if (!drag) return change({ cursor: timeOf(Math.min(Math.max(x, layout.left), layout.left + layout.width)) });
    if (drag.kind === "zoom") return select(drag.x, x);
    if (drag.kind === "rule") return change({ ruler: [drag.time, timeOf(x)] });
    const by = ((drag.x - x) / layout.width) * (drag.to - drag.from);
    moveTo(drag.from + by, drag.to + by, "drag");
  });
  const end = (event) => {
    if (!drag) return;
    const { kind, x, time } = drag;
    drag = null;
    select(null);
    if (kind !== "zoom") return;
    if (Math.abs(place(event) - x) < CLICK) change({ cursor: time });
    else moveTo(Math.min(time, timeOf(place(event))), Math.max(time, timeOf(place(event))), "select");
  };
  area.addEventListener("pointerup", end);
  area.addEventListener("pointercancel", () => {
    drag = null;
    select(null);
  });
  area.addEventListener("dblclick", fit);
  area.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : 1;
      const side = event.deltaX || (event.shiftKey ? event.deltaY : 0);
      if (side) moveTo(state.from + (side * unit * span()) / layout.width, state.to + (side * unit * span()) / layout.width, "wheel");
      else zoom(Math.exp(event.deltaY * unit * WHEEL), timeOf(place(event)), "wheel");
    },
    { passive: false },
  );
}

export function listen() {
  listenToKeys();
  listenToPointer(byId("area"));
}
