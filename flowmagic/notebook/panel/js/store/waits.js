// Which rows wait at a named limit.

/** @import { WaitingRows } from "./protocol.js" */

export class Waits {
  constructor() {
    /** @type {Map<number, string>} */
    this.texts = new Map();
  }

  /**
   * @param {WaitingRows[]} waits all that wait now
   * @returns {number[]} the rows of which something else is to be said now
   */
  apply(waits) {
    const before = this.texts;
    this.texts = new Map();
    for (const { text, ranges } of waits) {
      for (let at = 0; at < ranges.length; at += 2) {
        for (let row = ranges[at]; row <= ranges[at + 1]; row += 1) this.texts.set(row, text);
      }
    }
    return [...new Set([...before.keys(), ...this.texts.keys()])].filter((row) => before.get(row) !== this.texts.get(row));
  }

  /** @returns {string} at which limit a row waits, and for what; empty if at none */
  of(row) {
    return this.texts.get(row) ?? "";
  }
}
