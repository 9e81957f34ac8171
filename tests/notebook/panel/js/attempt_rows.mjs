// Rows and earlier attempts for tests.

import { FAILED, PENDING, SUCCEEDED } from "../../../../flowmagic/notebook/panel/js/store/protocol.js";
import { Attempts } from "../../../../flowmagic/notebook/panel/js/store/segments.js";
import { Rows } from "../../../../flowmagic/notebook/panel/js/store/rows.js";

/** @param {[number, number, number[][]][]} rows index and number of earlier attempts of each row, and number, start and end of each */
export function packed(rows) {
  const view = new DataView(new ArrayBuffer(rows.reduce((sum, [, , each]) => sum + 6 + 11 * each.length, 0)));
  let at = 0;
  for (const [index, earlier, each] of rows) {
    view.setUint32(at, index, true);
    view.setUint8(at + 4, earlier);
    view.setUint8(at + 5, each.length);
    at += 6;
    for (const [number, started, ended] of each) {
      view.setUint8(at, FAILED);
      view.setUint16(at + 1, number, true);
      view.setFloat32(at + 3, started, true);
      view.setFloat32(at + 7, ended, true);
      at += 11;
    }
  }
  return view;
}

/** @param {(number[] | null)[]} bars start, end and number of earlier attempts of each row; null is pending */
export function rowsOf(bars) {
  const rows = new Rows();
  rows.grow(bars.length);
  bars.forEach((bar, i) => set(rows, i, bar));
  return rows;
}

export function set(rows, i, bar) {
  rows.started[i] = bar?.[0] ?? NaN;
  rows.ended[i] = bar?.[1] ?? NaN;
  rows.status[i] = bar ? SUCCEEDED : PENDING;
  rows.earlier[i] = bar?.[2] ?? rows.earlier[i];
}

export function attemptsOf(rows, ...messages) {
  const attempts = new Attempts();
  attempts.note(rows, "all");
  for (const message of messages) attempts.apply(packed(message));
  return attempts;
}
