// Assigns each instance to a lane: the lowest one that was free when it started.

import { PENDING } from "../store/protocol.js";

const FIRST = 16; // initial capacity, in lanes
const MAX_PLACED = 20_000; // rows placed at once, which takes a few milliseconds
const TOGETHER = 5_000; // most rows that are placed again together with earlier attempts, which is slower

/** @import { Rows } from "../store/rows.js" */

export class Lanes {
  constructor() {
    this.epoch = 0; // the number of times that the lanes were cleared
    this.clear();
  }

  clear() {
    this.epoch += 1;
    /** @type {number[][]} the rows of each lane in chronological order; they do not overlap */
    this.lanes = [];
    this.lane = new Int32Array(0); // the lane of each row, -1 if it has not started
    this.started = new Float32Array(0);
    this.ended = new Float32Array(0); // Infinity while a row runs
    this.count = 0; // rows that have a lane
    /** @type {number[]} rows that still need a lane, in reverse order */
    this.waiting = [];
    this.room = FIRST;
    // A segment tree over the lanes: each vertex holds the earliest time at which a lane below it is free.
    this.free = new Float64Array(2 * FIRST).fill(-Infinity);
  }

  /**
   * Apply the current state of rows. If there are very many new ones, some are left in `waiting`
   * for `place`; do not call this again before `waiting` is empty.
   * @param {Rows} rows
   * @param {Iterable<number> | "all"} changed
   * @returns {{ended: number[], moved: boolean}} the rows whose bar is complete now, and whether
   *   complete bars have disappeared, so that everything has to be redrawn
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
    // Ends come first: a row may start in the lane of one that ended in the same message.
    this.waiting = byStart(begun, this.started).reverse();
    for (const i of this.place()) ended.push(i);
    return { ended, moved };
  }

  /** Whether the rows belong to another run: a row with a lane is missing or started at another time. */
  isAnother(rows) {
    return this.lane.some((lane, i) => lane >= 0
      && (i >= rows.count || (rows.started[i] !== this.started[i] && !(rows.earlier[i] > 0))));
  }

  /** @returns {number[]} the rows that differ from their last known state */
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

  /** Ensure capacity for the rows. */
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

  /** Give lanes to waiting rows; returns those that have already ended. */
  place() {
    const ended = [];
    for (const i of this.waiting.splice(-MAX_PLACED).reverse()) {
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
   * Place everything again together with other bars, in the order of their starts: the page may
   * have learned of the others only now. Does nothing if there are too many.
   * @param {{row: number, started: number, ended: number, lane: number}[]} others in the order of their starts
   * @returns {boolean} whether everything was placed again
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
    let vertex = 1;
    while (vertex < this.room) vertex = this.free[2 * vertex] <= time ? 2 * vertex : 2 * vertex + 1;
    return vertex - this.room;
  }

  setFree(lane, time) {
    let vertex = lane + this.room;
    this.free[vertex] = time;
    for (vertex >>= 1; vertex > 0 && this.join(vertex); vertex >>= 1);
  }

  double() {
    const leaves = this.free.slice(this.room);
    this.room *= 2;
    this.free = new Float64Array(2 * this.room).fill(-Infinity);
    this.free.set(leaves, this.room);
    for (let vertex = this.room - 1; vertex > 0; vertex -= 1) this.join(vertex);
  }

  /** @returns {boolean} whether the vertex's value has changed */
  join(vertex) {
    const { free } = this;
    const least = free[2 * vertex] < free[2 * vertex + 1] ? free[2 * vertex] : free[2 * vertex + 1];
    if (free[vertex] === least) return false;
    free[vertex] = least;
    return true;
  }

  // Lookup

  /** @returns {number} the position in a lane of the first row that has not ended at a time */
  at(lane, time) {
    const { started, ended } = this;
    return firstOf(this.lanes[lane], (row) => ended[row] > time || started[row] >= time);
  }

  /** @returns {number} the position in a lane of the first row that starts after a time */
  after(lane, time) {
    const { started } = this;
    return firstOf(this.lanes[lane], (row) => started[row] > time);
  }

  /** @returns {number[]} the rows of a lane that ran between two times */
  between(lane, from, to) {
    return (this.lanes[lane] ?? []).slice(this.at(lane, from), this.after(lane, to));
  }

  /** @returns {number} the row of a lane that is nearest to a time, at most `within` seconds away; or -1 */
  near(lane, time, within) {
    const rows = this.lanes[lane];
    if (!rows?.length) return -1;
    const at = this.at(lane, time);
    const bars = [rows[at], rows[at - 1]].filter((row) => row !== undefined)
      .map((row) => ({ row, started: this.started[row], ended: this.ended[row] }));
    return nearest(bars, time, within)?.row ?? -1;
  }

  /** @returns {number | null} the row that a key leads to; null if the key does not move the cursor */
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

/** When a row started; NaN if it has not, or is about to run again. */
function startOf(rows, i) {
  return rows.status[i] === PENDING ? NaN : rows.started[i];
}

/** Binary search. @returns {number} the position of the first item for which `holds`, as it does for all after it */
export function firstOf(items, holds) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(items[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * @template {{started: number, ended: number}} T
 * @param {T[]} bars
 * @param {number} time
 * @param {number} within seconds
 * @returns {T | null} the bar that is nearest to a time, at most `within` seconds away; the first of equally near ones
 */
export function nearest(bars, time, within) {
  const away = ({ started, ended }) => Math.max(started - time, time - ended, 0);
  const [first] = bars.filter((bar) => away(bar) <= within).sort((one, other) => away(one) - away(other));
  return first ?? null;
}

/** @returns {number[]} the rows sorted by start, then by index */
function byStart(rows, started) {
  if (rows.every((i, k) => k === 0 || started[i] >= started[rows[k - 1]])) return rows;
  // Sorting integers needs no comparison function, and the bits of non-negative floats sort like the
  // floats themselves.
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
