// Which nodes the visible instances ran, and earlier attempts, as far as the kernel has sent them.

import { bytesOf } from "./protocol.js";

/** @import { Rows } from "./rows.js" */

const MAX_ROWS = 2_000; // rows kept; others are requested again

/**
 * The node copies of a row in the order in which they started; a running one has `ended` NaN.
 * `stale`: the row has changed since; `raised`: whether the copy raised, or was cancelled.
 * @typedef {{stale: boolean, status: number, node: number, nodes: number[], depths: number[], raised: boolean[],
 *   started: number[], ended: number[]}} Segment
 */

export class Segments {
  constructor() {
    /** @type {Map<number, Segment>} */
    this.known = new Map();
  }

  clear() {
    this.known.clear();
  }

  /** @returns {Segment | undefined} */
  of(row) {
    return this.known.get(row);
  }

  /** Mark rows as changed. Their segments are shown until newer ones arrive. */
  touch(changed) {
    if (!this.known.size) return;
    for (const i of changed) {
      const segment = this.known.get(i);
      if (segment) segment.stale = true;
    }
  }

  /**
   * Apply the output of `pack_segments`.
   * @param {any} buffer
   * @param {Rows} rows their state at the same moment
   */
  apply(buffer, rows) {
    const bytes = bytesOf(buffer);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at + 6 <= bytes.length) {
      const row = view.getUint32(at, true);
      const end = at + 6 + 11 * view.getUint16(at + 4, true);
      if (end > bytes.length) return;
      /** @type {Segment} */
      const segment = {
        stale: false, status: rows.status[row], node: rows.node[row], nodes: [], depths: [], raised: [], started: [], ended: [],
      };
      for (at += 6; at < end; at += 11) {
        segment.nodes.push(view.getUint16(at, true));
        segment.depths.push(view.getUint8(at + 2) & 0x7f);
        segment.raised.push(view.getUint8(at + 2) > 0x7f);
        segment.started.push(view.getFloat32(at + 3, true));
        segment.ended.push(view.getFloat32(at + 7, true));
      }
      this.known.delete(row); // keeps the latest one last
      this.known.set(row, segment);
    }
    for (const row of this.known.keys()) {
      if (this.known.size <= MAX_ROWS) break;
      this.known.delete(row);
    }
  }

  /** @returns {number[]} the rows among `wanted` that have to be requested */
  missing(wanted, rows) {
    return wanted.filter((i) => {
      const segment = this.known.get(i);
      return !segment || segment.stale || segment.status !== rows.status[i] || segment.node !== rows.node[i];
    });
  }
}

const MAX_RETRIED = 1_000; // rows whose attempts are requested
const HEAD = 6; // bytes of a row before its attempts
const EACH = 11; // bytes of an attempt

/** @typedef {{row: number, number: number, status: number, started: number, ended: number}} Attempt */

export class Attempts {
  constructor() {
    this.version = 0; // changes with `known`
    this.clear();
  }

  clear() {
    /** @type {Set<number>} rows with earlier attempts, at most `MAX_RETRIED` of them */
    this.retried = new Set();
    this.more = false; // whether more rows have earlier attempts
    /** @type {Map<number, {earlier: number, attempts: Attempt[]}>} */
    this.known = new Map();
    this.version += 1;
  }

  /** Look for earlier attempts among the changed rows. @param {Rows} rows @param {Iterable<number> | "all"} changed */
  note(rows, changed) {
    if (changed === "all") for (let i = 0; i < rows.count; i += 1) this.look(rows, i);
    else for (const i of changed) this.look(rows, i);
  }

  look(rows, i) {
    if (rows.earlier[i] > 0) {
      if (this.retried.size < MAX_RETRIED) this.retried.add(i);
      else if (!this.retried.has(i)) this.more = true;
    } else if (this.retried.delete(i)) {
      // It was cancelled before it ran again, so its last attempt is its latest.
      if (this.known.delete(i)) this.version += 1;
    }
  }

  /** @param {Rows} rows @returns {number[]} the rows whose attempts have to be requested */
  missing(rows) {
    return [...this.retried].filter((i) => this.known.get(i)?.earlier !== rows.earlier[i]);
  }

  /** Apply the output of `pack_attempts`. @param {any} buffer */
  apply(buffer) {
    const bytes = bytesOf(buffer);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at + HEAD <= bytes.length) {
      const row = view.getUint32(at, true);
      const earlier = view.getUint8(at + 4);
      const end = at + HEAD + EACH * view.getUint8(at + 5);
      if (end > bytes.length) return;
      /** @type {Attempt[]} */
      const attempts = [];
      for (at += HEAD; at < end; at += EACH) {
        attempts.push({
          row, status: view.getUint8(at), number: view.getUint16(at + 1, true),
          started: view.getFloat32(at + 3, true), ended: view.getFloat32(at + 7, true),
        });
      }
      if (this.retried.has(row)) this.known.set(row, { earlier, attempts });
      this.version += 1;
    }
  }
}
