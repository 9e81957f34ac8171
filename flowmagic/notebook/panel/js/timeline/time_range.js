// Which part of a run's time is on the screen, and what is named there: round times, the limits.

import { clock } from "../ui/format.js";

const SHORTEST = 1e-3; // seconds on the screen, at least
const STEP = 1.25; // the whole of a run that goes on is shown with some room, and so at few scales
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200];
const DAY = 86_400;

export class Span {
  constructor() {
    this.fit();
  }

  /** Show the whole run, however long it gets. */
  fit() {
    /** @type {number | null} on the screen; null: the whole run */
    this.seconds = null;
    this.start = 0;
    this.follows = true; // whether the end is now, whenever that is
  }

  /**
   * @param {number} now seconds since the run began
   * @param {boolean} live whether time goes on
   * @returns {{from: number, to: number}}
   */
  at(now, live) {
    if (this.seconds === null) return { from: 0, to: wholeOf(now, live) };
    const from = this.follows ? Math.max(0, now - this.seconds) : this.start;
    return { from, to: from + this.seconds };
  }

  /**
   * Show more or less.
   * @param {number} factor above 1: more
   * @param {number} share where on the screen time stays in its place, 0 to 1
   */
  zoom(factor, share, now, live) {
    const { from, to } = this.at(now, live);
    const seconds = Math.max(SHORTEST, (to - from) * factor);
    if (seconds >= wholeOf(now, live) * (1 - 1e-6)) {
      this.fit();
      return;
    }
    this.seconds = seconds;
    // While it follows, now stays where it is.
    if (!(this.follows && live)) this.go(from + share * (to - from - seconds), now, live);
  }

  /** Show what is earlier (below 0) or later. */
  pan(seconds, now, live) {
    if (this.seconds !== null) this.go(this.at(now, live).from + seconds, now, live);
  }

  /** Show what lies between two times. */
  select(one, other, now, live) {
    this.seconds = Math.max(SHORTEST, Math.abs(other - one));
    this.go(Math.min(one, other), now, live);
  }

  /** Have at least some of what lies between two times on the screen. */
  reveal(start, end, now, live) {
    const { from, to } = this.at(now, live);
    if (this.seconds !== null && (end < from || start > to)) this.go(start - this.seconds / 4, now, live);
  }

  go(from, now, live) {
    this.follows = false;
    this.start = Math.max(0, Math.min(from, wholeOf(now, live) - (this.seconds ?? 0)));
  }

  /** Go with the present, or stay. */
  follow(on, now, live) {
    const { from, to } = this.at(now, live);
    this.follows = on;
    if (on) return;
    this.seconds = to - from;
    this.start = from;
  }
}

function wholeOf(now, live) {
  const least = Math.max(now, 0.01) * 1.01;
  return live ? STEP ** Math.ceil(Math.log(least) / Math.log(STEP)) : least;
}

/**
 * @param {number} most how many, at most
 * @returns {{at: number, text: string}[]} round times from one to another
 */
export function ticks(from, to, most) {
  const least = (to - from) / Math.max(1, most);
  const step = least < 1 ? decimal(least) : STEPS.find((each) => each >= least) ?? DAY * Math.ceil(least / DAY);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to; k += 1) {
    const at = k * step;
    found.push({ at, text: to >= 100 && digits === 0 ? clock(at) : `${at.toFixed(digits)} s` });
  }
  return found;
}

function decimal(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10);
}

/** @typedef {{from: number, to: number, limit: number, byUser: boolean, first: boolean}} Step */

/**
 * @param {number[][]} retunes as the header has them: seconds, limit, whether by the user
 * @param {number} limit of now
 * @returns {Step[]} how long each limit was in force
 */
export function limitSteps(retunes, limit, now) {
  const known = retunes?.length ? retunes : [[0, limit, 0]];
  return known.map(([from, height, byUser], i) => ({
    from, to: Math.max(from, known[i + 1]?.[0] ?? now), limit: height, byUser: byUser === 1, first: i === 0,
  }));
}
