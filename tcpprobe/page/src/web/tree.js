// The least and the greatest value of any stretch of a column, in a few steps: so a single value is never lost, however much one pixel shows.
import { UNSET, upper } from "./data.js";

/** Values of a level that are one of the next. */
const FAN = 16;

/** Least and greatest values of a column, of each 16 of it, of each 256, and so on. */
export class Tree {
  constructor(column) {
    this.levels = [{ least: column, greatest: column }];
    for (let level = this.levels[0]; level.least.length > FAN; level = this.levels.at(-1)) {
      const count = Math.ceil(level.least.length / FAN);
      const next = { least: new Float64Array(count).fill(Infinity), greatest: new Float64Array(count).fill(-Infinity) };
      for (let at = 0; at < level.least.length; at++) {
        const [low, high, to] = [level.least[at], level.greatest[at], (at / FAN) | 0];
        if (low !== UNSET && low < next.least[to]) next.least[to] = low;
        if (high !== UNSET && high > next.greatest[to]) next.greatest[to] = high;
      }
      this.levels.push(next);
    }
    this.least = Infinity;
    this.greatest = -Infinity;
  }

  /** Looks at the values from one place up to another; `least` and `greatest` have what was found, infinities where none is set. */
  look(from, to) {
    this.least = Infinity;
    this.greatest = -Infinity;
    for (const level of this.levels) {
      const isTop = level === this.levels.at(-1);
      if (isTop || to - from <= 2 * FAN) {
        this.scan(level, from, to);
        break;
      }
      const [up, down] = [Math.ceil(from / FAN) * FAN, Math.floor(to / FAN) * FAN];
      this.scan(level, from, up);
      this.scan(level, down, to);
      [from, to] = [up / FAN, down / FAN];
    }
    return this;
  }

  scan({ least, greatest }, from, to) {
    for (let at = from; at < to; at++) {
      const [low, high] = [least[at], greatest[at]];
      if (low !== UNSET && low < this.least) this.least = low;
      if (high !== UNSET && high > this.greatest) this.greatest = high;
    }
  }
}

/** What columns are made of that the page does not carry. */
const MADE = {
  /** The furthest byte acknowledged. */
  acked: ({ una }) => {
    let furthest = 0;
    return una.map((number) => (furthest = Math.max(furthest, number)));
  },
  /** The next byte to be sent. */
  nxt: ({ una, flight }) => una.map((number, at) => number + flight[at]),
  /** The end of what the peer's window allows. */
  edge: ({ una, sndWnd }) => una.map((number, at) => number + sndWnd[at]),
};

/** A column by its name. */
export function column(data, name) {
  return (data[name] ??= MADE[name](data));
}

/** Its tree, made when it is first asked for. */
export function tree(data, name) {
  return (data.trees[name] ??= new Tree(column(data, name)));
}

/** Where the rows of each of `width` pixels begin, over a view. */
export function edges(time, from, to, width) {
  const places = new Uint32Array(width + 1);
  let place = upper(time, from - 0.5);
  for (let pixel = 0; pixel <= width; pixel++) {
    place = upper(time, from + ((to - from) * pixel) / width - 0.5, place);
    places[pixel] = place;
  }
  return places;
}
