// The earlier attempts of instances that were run again, as far as the kernel has told.

import { bytesOf } from "./protocol.js";

const MOST_ROWS = 1_000; // that are asked for
const HEAD = 6; // bytes of a row, before its attempts
const EACH = 11; // ditto, of one

/** @import { Rows } from "./rows.js" */

/** @typedef {{row: number, number: number, status: number, started: number, ended: number}} Attempt */

export class Attempts {
  constructor() {
    this.version = 0; // counts what was told, and what was forgotten
    this.clear();
  }

  clear() {
    /** @type {Set<number>} rows that have had earlier attempts: the first so many */
    this.retried = new Set();
    this.more = false; // whether there are others
    /** @type {Map<number, {earlier: number, attempts: Attempt[]}>} */
    this.known = new Map();
    this.version += 1;
  }

  /** Take note of rows that have changed. @param {Rows} rows @param {Iterable<number> | "all"} changed */
  note(rows, changed) {
    if (changed === "all") for (let i = 0; i < rows.count; i += 1) this.look(rows, i);
    else for (const i of changed) this.look(rows, i);
  }

  look(rows, i) {
    if (rows.earlier[i] > 0) {
      if (this.retried.size < MOST_ROWS) this.retried.add(i);
      else if (!this.retried.has(i)) this.more = true;
    } else if (this.retried.delete(i)) {
      // Cancelled before it ran once more: its last attempt is no earlier one.
      if (this.known.delete(i)) this.version += 1;
    }
  }

  /** @param {Rows} rows @returns {number[]} rows that are to be asked for */
  missing(rows) {
    return [...this.retried].filter((i) => this.known.get(i)?.earlier !== rows.earlier[i]);
  }

  /** Take what `pack_attempts` packed. @param {any} buffer */
  take(buffer) {
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
