// The earlier attempts of retried instances, as far as the kernel has sent them.

import { bytesOf } from "./protocol.js";

const MAX_ROWS = 1_000; // rows whose attempts are requested
const HEAD = 6; // bytes of a row before its attempts
const EACH = 11; // bytes of an attempt

/** @import { Rows } from "./rows.js" */

/** @typedef {{row: number, number: number, status: number, started: number, ended: number}} Attempt */

export class Attempts {
  constructor() {
    this.version = 0; // changes with `known`
    this.clear();
  }

  clear() {
    /** @type {Set<number>} rows with earlier attempts, at most `MAX_ROWS` of them */
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
      if (this.retried.size < MAX_ROWS) this.retried.add(i);
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
