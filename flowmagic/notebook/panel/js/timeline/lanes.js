// Which lane each instance ran in: the lowest that was free when it started.

import { PENDING } from "../store/protocol.js";

const FIRST = 16; // lanes that there is room for at first
const MOST = 20_000; // rows that are given a lane at once: a few milliseconds
const TOGETHER = 5_000; // rows that are placed anew with others among them, which takes longer

/** @import { Rows } from "../store/rows.js" */

export class Lanes {
  constructor() {
    this.epoch = 0; // counts how often all began anew
    this.clear();
  }

  clear() {
    this.epoch += 1;
    /** @type {number[][]} per lane its rows, in the order of time: they do not overlap */
    this.lanes = [];
    this.lane = new Int32Array(0); // of each row, -1 of one that has not started
    this.started = new Float32Array(0);
    this.ended = new Float32Array(0); // Infinity while it runs
    this.count = 0; // of rows that have a lane
    /** @type {number[]} rows that are still to be given one, the last first */
    this.waiting = [];
    this.room = FIRST;
    // A tree over the lanes: each knot holds the earliest time at which a lane below it is free.
    this.free = new Float64Array(2 * FIRST).fill(-Infinity);
  }

  /**
   * Take the state of rows as it is now. Of very many that are new, some wait for `place`; until
   * none does, this is not to be called again.
   * @param {Rows} rows
   * @param {Iterable<number> | "all"} changed
   * @returns {{ended: number[], moved: boolean}} the rows whose bar is complete now, and whether
   *   bars that were complete have gone, so that all is to be drawn anew
   */
  update(rows, changed) {
    if (changed === "all") {
      const another = this.isAnother(rows);
      if (another) this.clear();
      const { ended, moved } = this.update(rows, this.different(rows));
      return { ended, moved: moved || another };
    }
    this.grow(rows.count);
    const begun = [];
    const ended = [];
    let moved = false;
    for (const i of changed) {
      const started = startOf(rows, i);
      if (this.lane[i] >= 0 && started !== this.started[i]) {
        moved ||= this.ended[i] < Infinity;
        this.drop(i);
      }
      if (Number.isNaN(started)) continue;
      const end = Number.isNaN(rows.ended[i]) ? Infinity : rows.ended[i];
      if (this.lane[i] < 0) {
        this.started[i] = started;
        begun.push(i);
      } else if (this.ended[i] === end) {
        continue;
      }
      this.ended[i] = end;
      if (this.lane[i] < 0) continue;
      if (end < Infinity) ended.push(i);
      if (this.lanes[this.lane[i]].at(-1) === i) this.setFree(this.lane[i], end);
    }
    // The ends first: who starts now may have its lane from one that ends in the same message.
    this.waiting = byStart(begun, this.started).reverse();
    for (const i of this.place()) ended.push(i);
    return { ended, moved };
  }

  /** Whether the rows are those of another run: one that has run has not, or at another time. */
  isAnother(rows) {
    return this.lane.some((lane, i) => lane >= 0
      && (i >= rows.count || (rows.started[i] !== this.started[i] && !(rows.earlier[i] > 0))));
  }

  /** @returns {number[]} the rows that are not as they were taken last */
  different(rows) {
    const { lane, started, ended } = this;
    const found = [];
    for (let i = 0; i < rows.count; i += 1) {
      const start = startOf(rows, i);
      if (!(lane[i] >= 0)) {
        if (!Number.isNaN(start)) found.push(i);
      } else if (start !== started[i] || (ended[i] === Infinity ? !Number.isNaN(rows.ended[i]) : rows.ended[i] !== ended[i])) {
        found.push(i);
      }
    }
    return found;
  }

  /** Have room for the rows. */
  grow(count) {
    const { lane, started, ended } = this;
    if (count <= lane.length) return;
    const size = Math.max(count, 2 * lane.length);
    this.lane = new Int32Array(size).fill(-1);
    this.started = new Float32Array(size);
    this.ended = new Float32Array(size);
    this.lane.set(lane);
    this.started.set(started);
    this.ended.set(ended);
  }

  /** Give rows that wait their lanes; returns those that have ended already. */
  place() {
    const ended = [];
    for (const i of this.waiting.splice(-MOST).reverse()) {
      const lane = this.lowest(this.started[i]);
      while (this.lanes.length <= lane) this.lanes.push([]);
      this.lanes[lane].push(i);
      this.lane[i] = lane;
      this.count += 1;
      this.setFree(lane, this.ended[i]);
      if (this.ended[i] < Infinity) ended.push(i);
    }
    return ended;
  }

  drop(i) {
    const lane = this.lane[i];
    const rows = this.lanes[lane];
    const at = this.at(lane, this.started[i]);
    rows.splice(rows[at] === i ? at : rows.indexOf(i), 1);
    const last = rows.at(-1);
    this.setFree(lane, last === undefined ? -Infinity : this.ended[last]);
    this.lane[i] = -1;
    this.count -= 1;
  }

  /**
   * Place all anew, with others among them, as if all were told when it started: the page may know of
   * the others only now. Of too many it is left undone.
   * @param {{row: number, started: number, ended: number, lane: number}[]} others in the order of their starts
   * @returns {boolean} whether it was done
   */
  placeWith(others) {
    if (this.count + others.length > TOGETHER || this.waiting.length) return false;
    const placed = byStart(this.lanes.flat().sort((one, other) => one - other), this.started);
    this.lanes = [];
    this.room = FIRST;
    this.free = new Float64Array(2 * FIRST).fill(-Infinity);
    let next = 0;
    const take = (started, ended) => {
      const lane = this.lowest(started);
      while (this.lanes.length <= lane) this.lanes.push([]);
      this.setFree(lane, ended);
      return lane;
    };
    const before = (i) => {
      for (; next < others.length; next += 1) {
        const { row, started, ended } = others[next];
        if (started > this.started[i] || (started === this.started[i] && row > i)) return;
        others[next].lane = take(started, ended);
      }
    };
    for (const i of placed) {
      before(i);
      this.lane[i] = take(this.started[i], this.ended[i]);
      this.lanes[this.lane[i]].push(i);
    }
    for (; next < others.length; next += 1) others[next].lane = take(others[next].started, others[next].ended);
    return true;
  }

  // The tree

  /** @returns {number} the lowest lane that is free at a time */
  lowest(time) {
    if (this.free[1] > time) this.double();
    let knot = 1;
    while (knot < this.room) knot = this.free[2 * knot] <= time ? 2 * knot : 2 * knot + 1;
    return knot - this.room;
  }

  setFree(lane, time) {
    let knot = lane + this.room;
    this.free[knot] = time;
    for (knot >>= 1; knot > 0 && this.join(knot); knot >>= 1);
  }

  double() {
    const leaves = this.free.slice(this.room);
    this.room *= 2;
    this.free = new Float64Array(2 * this.room).fill(-Infinity);
    this.free.set(leaves, this.room);
    for (let knot = this.room - 1; knot > 0; knot -= 1) this.join(knot);
  }

  /** @returns {boolean} whether that made a difference */
  join(knot) {
    const { free } = this;
    const least = free[2 * knot] < free[2 * knot + 1] ? free[2 * knot] : free[2 * knot + 1];
    if (free[knot] === least) return false;
    free[knot] = least;
    return true;
  }

  // Where to look

  /** @returns {number} place, in a lane, of the first row that has not ended by a time */
  at(lane, time) {
    const { started, ended } = this;
    return firstOf(this.lanes[lane], (row) => ended[row] > time || started[row] >= time);
  }

  /** @returns {number} place, in a lane, of the first row that starts after a time */
  after(lane, time) {
    const { started } = this;
    return firstOf(this.lanes[lane], (row) => started[row] > time);
  }

  /** @returns {number[]} the rows of a lane that ran between two times */
  between(lane, from, to) {
    return (this.lanes[lane] ?? []).slice(this.at(lane, from), this.after(lane, to));
  }

  /** @returns {number} the row that is nearest to a time in a lane, within so many seconds; or -1 */
  near(lane, time, within) {
    const rows = this.lanes[lane];
    if (!rows?.length) return -1;
    const at = this.at(lane, time);
    let [best, least] = [-1, within];
    for (const row of [rows[at], rows[at - 1]]) {
      if (row === undefined) continue;
      const away = Math.max(this.started[row] - time, time - this.ended[row], 0);
      if (away < least || (away === least && best < 0)) [best, least] = [row, away];
    }
    return best;
  }

  /** @returns {number | null} the row that a key leads to from one; null: it is no key for that */
  step(row, key) {
    const lane = this.lane[row];
    if (!(lane >= 0)) return null;
    const rows = this.lanes[lane];
    const at = rows.indexOf(row, Math.max(0, this.at(lane, this.started[row])));
    if (key === "ArrowRight") return rows[Math.min(rows.length - 1, at + 1)];
    if (key === "ArrowLeft") return rows[Math.max(0, at - 1)];
    if (key === "Home") return rows[0];
    if (key === "End") return rows[rows.length - 1];
    const by = { ArrowDown: 1, ArrowUp: -1 }[key];
    if (by === undefined) return null;
    for (let next = lane + by; next >= 0 && next < this.lanes.length; next += by) {
      const found = this.near(next, this.started[row], Infinity);
      if (found >= 0) return found;
    }
    return row;
  }
}

/** When a row started, NaN if it has not; one that is to run again is pending. */
function startOf(rows, i) {
  return rows.status[i] === PENDING ? NaN : rows.started[i];
}

/** @returns {number} place of the first row for which something holds that holds for all after it */
function firstOf(rows, holds) {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(rows[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @returns {number[]} rows in the order of their starts, and of their indices */
function byStart(rows, started) {
  if (rows.every((i, k) => k === 0 || started[i] >= started[rows[k - 1]])) return rows;
  // As one number each, since numbers sort without a call for each pair: the bits of a float that is
  // not negative are in the order of the floats.
  const keys = new BigUint64Array(rows.length);
  const halves = new Uint32Array(keys.buffer);
  const bits = new Uint32Array(started.buffer, started.byteOffset, started.length);
  rows.forEach((i, k) => {
    halves[2 * k] = i;
    halves[2 * k + 1] = started[i] > 0 ? bits[i] : 0;
  });
  keys.sort();
  return rows.map((_, k) => halves[2 * k]);
}
