// Which nodes the visible instances ran, and when, as far as the kernel has sent it.

import { bytesOf } from "./protocol.js";

const MAX_ROWS = 2_000; // rows kept; others are requested again

/** @import { Rows } from "./rows.js" */

/**
 * The node copies of a row in the order in which they started; a running one has `ended` NaN.
 * `stale`: the row has changed since.
 * @typedef {{stale: boolean, status: number, node: number, nodes: number[], depths: number[],
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
        stale: false, status: rows.status[row], node: rows.node[row], nodes: [], depths: [], started: [], ended: [],
      };
      for (at += 6; at < end; at += 11) {
        segment.nodes.push(view.getUint16(at, true));
        segment.depths.push(view.getUint8(at + 2));
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
