// The texts of rows, as far as the kernel has sent them: params, outputs or errors, node copies.

import { RUNNING, SUCCEEDED } from "./protocol.js";

/** @import { ChainLink, RowTexts } from "./protocol.js" */

const RETRY_MS = 2000; // after which unanswered rows are requested again
const PAUSE_MS = 60; // between two requests for rows
const REFRESH_MS = 1000; // between two requests if all the rows only need fresh text

/**
 * The texts of a row in the table, as they were when it had this status and so many earlier attempts.
 * @typedef {{cells: string[], outcome: string, action: string, chain: ChainLink[], picture: boolean,
 *   status: number, earlier: number}} TableTexts
 */

export class Texts {
  constructor(store) {
    this.store = store;
    /** @type {Map<number, string>} the params of each row as one line */
    this.lines = new Map();
    /** @type {Map<number, TableTexts>} */
    this.rows = new Map();
    /** @type {Set<string>} the last actions of the succeeded rows whose texts are known */
    this.actions = new Set();
    /** @type {Map<number, number>} when rows were requested whose texts have not arrived */
    this.requested = new Map();
    this.requestedAt = -Infinity;
    this.timer = 0;
  }

  clear() {
    for (const known of [this.lines, this.rows, this.actions, this.requested]) known.clear();
  }

  /** @returns {string | undefined} the params of a row as one line */
  get(i) {
    return this.lines.get(i);
  }

  has(i) {
    return this.lines.has(i);
  }

  /** @param {RowTexts} texts */
  apply({ rows, texts, cells, outcomes, actions, chains, pictures }) {
    const { status, earlier } = this.store.rows;
    const shown = new Set(pictures);
    rows.forEach((index, i) => {
      this.lines.set(index, texts[i]);
      this.rows.set(index, {
        cells: cells[i], outcome: outcomes[i], action: actions[i], chain: chains[i], picture: shown.has(index),
        status: status[index], earlier: earlier[index],
      });
      if (status[index] === SUCCEEDED) this.actions.add(actions[i]);
      this.requested.delete(index);
    });
  }

  /** Whether the texts of a row are known as they are now: an output comes when the row has ended. */
  isFresh(i) {
    const known = this.rows.get(i);
    const { status, earlier } = this.store.rows;
    if (!known || known.earlier !== earlier[i]) return false;
    return known.status === status[i] || Math.max(known.status, status[i]) <= RUNNING;
  }

  /** Request the texts of rows that are on the screen or near it. @param {Iterable<number>} rows */
  request(rows) {
    const now = performance.now();
    if (this.timer) return;
    const missing = [...rows].filter((i) => !this.isFresh(i) && now - (this.requested.get(i) ?? -1e9) > RETRY_MS);
    if (!missing.length) return;
    // Old texts can wait: the kernel sends new ones of the rows that were requested before.
    const pause = missing.every((i) => this.rows.has(i)) ? REFRESH_MS : PAUSE_MS;
    if (now - this.requestedAt < pause) {
      this.timer = setTimeout(() => {
        this.timer = 0;
        this.store.notify();
      }, PAUSE_MS);
      return;
    }
    this.requestedAt = now;
    for (const i of missing) this.requested.set(i, now);
    this.store.send({ type: "rows", rows: missing });
  }
}
