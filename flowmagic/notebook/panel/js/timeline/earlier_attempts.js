// Assigns the earlier attempts of retried rows to lanes, between the bars of the latest attempts.

import { firstOf, nearest } from "./lanes.js";

/** @import { Attempt, Attempts } from "../store/segments.js" */
/** @import { Lanes } from "./lanes.js" */

const MAX_ATTEMPTS = 2_000; // attempts drawn

const byStart = (one, other) => one.started - other.started || one.row - other.row;

/** @typedef {Attempt & {lane: number}} PlacedAttempt */

export class EarlierAttempts {
  /** @param {Lanes} lanes those of the latest attempts */
  constructor(lanes) {
    this.latest = lanes;
    this.clear();
  }

  clear() {
    /** @type {PlacedAttempt[][]} the attempts of each lane in chronological order; they do not overlap */
    this.lanes = [];
    /** @type {Map<number, {source: any, placed: PlacedAttempt[]}>} the attempts of each row, and what they were made from */
    this.rows = new Map();
    this.count = 0;
    this.version = -1;
    this.epoch = this.latest.epoch;
  }

  /**
   * Give lanes to new attempts.
   * @param {Attempts} attempts
   * @returns {boolean} whether the lanes of the latest attempts have changed
   */
  update(attempts) {
    if (this.epoch !== this.latest.epoch) this.clear();
    if (this.version === attempts.version) return false;
    this.version = attempts.version;
    for (const [row, { source }] of this.rows) if (attempts.known.get(row) !== source) this.drop(row);
    const added = [...attempts.known].filter(([row]) => !this.rows.has(row));
    const placed = [];
    for (const [row, source] of added) {
      const entry = { source, placed: source.attempts.map((attempt) => ({ ...attempt, lane: -1 })) };
      this.rows.set(row, entry);
      placed.push(...entry.placed);
    }
    // In the order of their starts, each in the lowest free lane: as they were placed when they ran.
    let conflict = false;
    for (const attempt of placed.sort(byStart)) {
      if (this.count < MAX_ATTEMPTS) conflict = this.place(attempt) || conflict;
    }
    return conflict && this.placeAll();
  }

  /** Place all bars together, since some have lanes that an earlier attempt occupied at the time. */
  placeAll() {
    const all = [...this.rows.values()].flatMap(({ placed }) => placed).filter(({ lane }) => lane >= 0).sort(byStart);
    if (!this.latest.placeWith(all)) return false;
    this.lanes = this.latest.lanes.map(() => []);
    for (const attempt of all) this.lanes[attempt.lane].push(attempt);
    return true;
  }

  /** @returns {boolean} whether a later bar occupies the lane that the attempt would have had */
  place(attempt) {
    const { lanes } = this.latest;
    let [lane, conflict] = [0, false];
    for (let other = this.beside(lane, attempt); other !== null; other = this.beside(lane, attempt)) {
      conflict ||= byStart(other, attempt) > 0;
      lane += 1;
    }
    while (lanes.length <= lane) lanes.push([]);
    while (this.lanes.length <= lane) this.lanes.push([]);
    attempt.lane = lane;
    this.lanes[lane].splice(this.at(lane, attempt.started), 0, attempt);
    this.count += 1;
    return conflict;
  }

  /** @returns {{row: number, started: number} | null} another bar in the lane at that time */
  beside(lane, { started, ended }) {
    const { latest } = this;
    if (lane < latest.lanes.length) {
      const row = latest.lanes[lane][latest.at(lane, started)];
      if (row !== undefined && latest.started[row] < ended) return { row, started: latest.started[row] };
    }
    const other = this.lanes[lane]?.[this.at(lane, started)];
    return other !== undefined && other.started < ended ? other : null;
  }

  drop(row) {
    for (const attempt of this.rows.get(row)?.placed ?? []) {
      if (attempt.lane < 0) continue;
      const each = this.lanes[attempt.lane];
      each.splice(each.indexOf(attempt), 1);
      this.count -= 1;
    }
    this.rows.delete(row);
  }

  /** @returns {number} the position in a lane of the first attempt that has not ended at a time */
  at(lane, time) {
    return firstOf(this.lanes[lane] ?? [], ({ started, ended }) => ended > time || started >= time);
  }

  /** @returns {PlacedAttempt | null} the attempt of a lane that is nearest to a time, at most `within` seconds away */
  near(lane, time, within) {
    const at = this.at(lane, time);
    const attempts = [this.lanes[lane]?.[at], this.lanes[lane]?.[at - 1]].filter((attempt) => attempt !== undefined);
    return nearest(attempts, time, within);
  }
}
