// In which lanes the earlier attempts ran: between the bars that are there now.

const MOST = 2_000; // attempts that are drawn

const byStart = (one, other) => one.started - other.started || one.row - other.row;

/** @import { Attempt, Attempts } from "../store/attempts.js" */
/** @import { Lanes } from "./lanes.js" */

/** @typedef {Attempt & {lane: number}} Placed */

export class Past {
  /** @param {Lanes} lanes of the latest attempts */
  constructor(lanes) {
    this.lanes = lanes;
    this.clear();
  }

  clear() {
    /** @type {Placed[][]} per lane, in the order of time: they do not overlap */
    this.each = [];
    /** @type {Map<number, {told: any, placed: Placed[]}>} per row, and what the kernel told */
    this.rows = new Map();
    this.count = 0;
    this.version = -1;
    this.epoch = this.lanes.epoch;
  }

  /**
   * Give a lane to those that have none.
   * @param {Attempts} attempts
   * @returns {boolean} whether the latest attempts have other lanes now
   */
  update(attempts) {
    if (this.epoch !== this.lanes.epoch) this.clear();
    if (this.version === attempts.version) return false;
    this.version = attempts.version;
    for (const [row, { told }] of this.rows) if (attempts.known.get(row) !== told) this.drop(row);
    const came = [...attempts.known].filter(([row]) => !this.rows.has(row));
    const placed = [];
    for (const [row, told] of came) {
      const entry = { told, placed: told.attempts.map((attempt) => ({ ...attempt, lane: -1 })) };
      this.rows.set(row, entry);
      placed.push(...entry.placed);
    }
    // In the order in which they started, and each in the lowest lane: so they were placed when they ran.
    let missed = false;
    for (const attempt of placed.sort(byStart)) {
      if (this.count < MOST) missed = this.place(attempt) || missed;
    }
    return missed && this.placeAll();
  }

  /** Some bars, placed without them, have lanes that were taken then: place all together. */
  placeAll() {
    const all = [...this.rows.values()].flatMap(({ placed }) => placed).filter(({ lane }) => lane >= 0).sort(byStart);
    if (!this.lanes.placeWith(all)) return false;
    this.each = this.lanes.lanes.map(() => []);
    for (const attempt of all) this.each[attempt.lane].push(attempt);
    return true;
  }

  /** @returns {boolean} whether another bar has the lane it ran in, since that was placed without it */
  place(attempt) {
    const { lanes } = this.lanes;
    let [lane, missed] = [0, false];
    for (let other = this.beside(lane, attempt); other !== null; other = this.beside(lane, attempt)) {
      missed ||= byStart(other, attempt) > 0;
      lane += 1;
    }
    while (lanes.length <= lane) lanes.push([]);
    while (this.each.length <= lane) this.each.push([]);
    attempt.lane = lane;
    this.each[lane].splice(this.at(lane, attempt.started), 0, attempt);
    this.count += 1;
    return missed;
  }

  /** @returns {{row: number, started: number} | null} what else ran in a lane at that time */
  beside(lane, { started, ended }) {
    const { lanes } = this;
    if (lane < lanes.lanes.length) {
      const row = lanes.lanes[lane][lanes.at(lane, started)];
      if (row !== undefined && lanes.started[row] < ended) return { row, started: lanes.started[row] };
    }
    const other = this.each[lane]?.[this.at(lane, started)];
    return other !== undefined && other.started < ended ? other : null;
  }

  drop(row) {
    for (const attempt of this.rows.get(row)?.placed ?? []) {
      if (attempt.lane < 0) continue;
      const each = this.each[attempt.lane];
      each.splice(each.indexOf(attempt), 1);
      this.count -= 1;
    }
    this.rows.delete(row);
  }

  /** @returns {number} place, in a lane, of the first one that has not ended by a time */
  at(lane, time) {
    const each = this.each[lane] ?? [];
    let [low, high] = [0, each.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (each[middle].ended > time || each[middle].started >= time) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** @returns {Placed | null} the one that is nearest to a time in a lane, within so many seconds */
  near(lane, time, within) {
    const at = this.at(lane, time);
    let [best, least] = [/** @type {Placed | null} */ (null), within];
    for (const attempt of [this.each[lane]?.[at], this.each[lane]?.[at - 1]]) {
      if (!attempt) continue;
      const away = Math.max(attempt.started - time, time - attempt.ended, 0);
      if (away < least || (away === least && !best)) [best, least] = [attempt, away];
    }
    return best;
  }
}
