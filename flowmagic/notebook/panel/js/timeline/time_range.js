// The visible part of a run's time, and the round times in it.

import { clock } from "../ui/format.js";

const SHORTEST = 1e-3; // seconds; the shortest range
const STEP = 1.25; // a live run is shown in a range that grows by this factor, so that the scale seldom changes
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200];
const DAY = 86_400;

export class TimeRange {
  constructor() {
    this.fit();
  }

  /** Show the whole run, even as it gets longer. */
  fit() {
    /** @type {number | null} the length of the range; null for the whole run */
    this.seconds = null;
    this.start = 0;
    this.follows = true; // whether the range ends at the present
  }

  /**
   * @param {number} now seconds since the run started
   * @param {boolean} live whether the run is still going on
   * @returns {{from: number, to: number}}
   */
  at(now, live) {
    if (this.seconds === null) return { from: 0, to: wholeOf(now, live) };
    const from = this.follows ? Math.max(0, now - this.seconds) : this.start;
    return { from, to: from + this.seconds };
  }

  /**
   * Zoom in or out.
   * @param {number} factor above 1 to zoom out
   * @param {number} share the position that stays in place, from 0 to 1
   */
  zoom(factor, share, now, live) {
    const { from, to } = this.at(now, live);
    const seconds = Math.max(SHORTEST, (to - from) * factor);
    if (seconds >= wholeOf(now, live) * (1 - 1e-6)) {
      this.fit();
      return;
    }
    this.seconds = seconds;
    // While following, the end stays at the present.
    if (!(this.follows && live)) this.go(from + share * (to - from - seconds), now, live);
  }

  /** Move by some seconds, negative for earlier. */
  pan(seconds, now, live) {
    if (this.seconds !== null) this.go(this.at(now, live).from + seconds, now, live);
  }

  /** Show the range between two times. */
  select(one, other, now, live) {
    this.seconds = Math.max(SHORTEST, Math.abs(other - one));
    this.go(Math.min(one, other), now, live);
  }

  /** Move so that at least a part of the range between two times is visible. */
  reveal(start, end, now, live) {
    const { from, to } = this.at(now, live);
    if (this.seconds !== null && (end < from || start > to)) this.go(start - this.seconds / 4, now, live);
  }

  go(from, now, live) {
    this.follows = false;
    this.start = Math.max(0, Math.min(from, wholeOf(now, live) - (this.seconds ?? 0)));
  }

  /** Start or stop following the present. */
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
 * @param {number} most the greatest number of ticks
 * @returns {{at: number, text: string}[]} round times between two times
 */
export function ticks(from, to, most) {
  const least = (to - from) / Math.max(1, most);
  const step = least < 1 ? decimal(least) : STEPS.find((each) => each >= least) ?? DAY * Math.ceil(least / DAY);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const made = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to; k += 1) {
    const at = k * step;
    made.push({ at, text: to >= 100 && digits === 0 ? clock(at) : `${at.toFixed(digits)} s` });
  }
  return made;
}

function decimal(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10);
}
