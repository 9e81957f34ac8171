// The earlier attempts, as they come in, and their places between the bars.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Attempts } from "../../../../../flowmagic/notebook/panel/js/store/attempts.js";
import { Lanes } from "../../../../../flowmagic/notebook/panel/js/timeline/lanes.js";
import { Past } from "../../../../../flowmagic/notebook/panel/js/timeline/earlier_attempts.js";
import { Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { FAILED, PENDING, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";

/** @param {[number, number, number[][]][]} rows index, earlier attempts, and of each number, start and end */
function packed(rows) {
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

/** @param {(number[] | null)[]} bars start and end of each row, and how many attempts it had before; null: pending */
function rowsOf(bars) {
  const rows = new Rows();
  rows.grow(bars.length);
  bars.forEach((bar, i) => set(rows, i, bar));
  return rows;
}

function set(rows, i, bar) {
  rows.started[i] = bar?.[0] ?? NaN;
  rows.ended[i] = bar?.[1] ?? NaN;
  rows.status[i] = bar ? SUCCEEDED : PENDING;
  rows.earlier[i] = bar?.[2] ?? rows.earlier[i];
}

function told(rows, ...messages) {
  const attempts = new Attempts();
  attempts.note(rows, "all");
  for (const message of messages) attempts.take(packed(message));
  return attempts;
}

test("rows that were retried are asked for once, and again after one more attempt", () => {
  const rows = rowsOf([[0, 1], [2, 3, 1], [2, 3, 2]]);
  const attempts = told(rows);
  assert.deepEqual(attempts.missing(rows), [1, 2]);
  attempts.take(packed([[1, 1, [[1, 0, 1]]], [2, 2, [[1, 0, 1], [2, 1, 2]]]]));
  assert.deepEqual(attempts.missing(rows), []);
  assert.deepEqual(attempts.known.get(2).attempts.map(({ number, started, ended }) => [number, started, ended]), [[1, 0, 1], [2, 1, 2]]);
  rows.earlier[1] = 2;
  rows.earlier[0] = 1;
  attempts.note(rows, [0, 1]);
  assert.deepEqual(attempts.missing(rows).sort(), [0, 1]);
});

test("of one that was to run once more and was cancelled, nothing is earlier", () => {
  const rows = rowsOf([[2, 3, 1]]);
  const attempts = told(rows, [[0, 1, [[1, 0, 1]]]]);
  rows.earlier[0] = 0;
  attempts.note(rows, [0]);
  assert.equal(attempts.known.size, 0);
  attempts.take(packed([[0, 1, [[1, 0, 1]]]]));
  assert.equal(attempts.known.size, 0, "an answer that comes too late");
});

test("of very many retried rows the first are asked for", () => {
  const rows = rowsOf(Array.from({ length: 1_500 }, () => [2, 3, 1]));
  const attempts = told(rows);
  assert.equal(attempts.missing(rows).length, 1_000);
  assert.ok(attempts.more);
});

test("a message that is cut off is read as far as it goes", () => {
  const rows = rowsOf([[2, 3, 1], [2, 3, 1]]);
  const attempts = told(rows);
  const whole = packed([[0, 1, [[1, 0, 1]]], [1, 1, [[1, 0, 1]]]]);
  attempts.take(new DataView(whole.buffer, 0, whole.byteLength - 1));
  assert.deepEqual([...attempts.known.keys()], [0]);
  attempts.take(undefined);
});

/** Where the earlier attempts are: per lane the row and the number of each. */
const placed = (past) => past.each.map((lane) => lane.map(({ row, number }) => `${row}.${number}`));

test("an attempt keeps the lane it ran in when its row runs again in another one", () => {
  const lanes = new Lanes();
  const past = new Past(lanes);
  // Two slots: 0 and 1 at once, then 2 in the lane of 0, which failed.
  const rows = rowsOf([[0, 1], [0, 5], [1, 4]]);
  lanes.update(rows, "all");
  assert.deepEqual([...lanes.lane.slice(0, 3)], [0, 1, 0]);
  set(rows, 0, null);
  rows.earlier[0] = 1;
  lanes.update(rows, [0]);
  const attempts = told(rows, [[0, 1, [[1, 0, 1]]]]);
  past.update(attempts);
  assert.deepEqual(placed(past), [["0.1"]]);
  set(rows, 0, [4, 6, 1]);
  lanes.update(rows, [0]);
  past.update(attempts);
  assert.equal(lanes.lane[0], 0);
  assert.deepEqual(placed(past), [["0.1"]]);
  assert.equal(past.near(0, 0.5, 0)?.row, 0);
  assert.equal(past.near(0, 1.5, 0.1), null);
  assert.equal(past.near(0, 1.5, 1)?.number, 1);
});

test("a page that comes later gives all the lanes they had, and no lane too many", () => {
  const lanes = new Lanes();
  const past = new Past(lanes);
  // Two slots: 0 failed at 1, 1 ran to 5, 2 from 1 to 4; then 0 again. Alone, 1 and 2 leave no room for it.
  const rows = rowsOf([[6, 7, 1], [0, 5], [1, 4]]);
  lanes.update(rows, "all");
  assert.deepEqual([...lanes.lane.slice(0, 3)], [0, 0, 1]);
  rows.earlier[2] = 1;
  const attempts = told(rows, [[0, 1, [[1, 0, 3]]], [2, 1, [[1, 0, 0.5]]]]);
  assert.equal(past.update(attempts), true, "what is drawn is to be drawn anew");
  assert.deepEqual([...lanes.lane.slice(0, 3)], [0, 1, 2]);
  assert.deepEqual(placed(past), [["0.1"], [], ["2.1"]]);
  assert.deepEqual(lanes.lanes, [[0], [1], [2]]);
  rows.grow(4);
  set(rows, 3, [5.5, 8]);
  lanes.update(rows, [3]);
  assert.equal(lanes.lane[3], 1, "the lowest that is free, as if it had always been so");
  assert.equal(past.update(attempts), false);
});

test("of too many to be placed anew at once, some have lanes of their own", () => {
  const lanes = new Lanes();
  const past = new Past(lanes);
  const rows = rowsOf([[40_000, 40_001, 1], ...Array.from({ length: 6_000 }, (_, i) => [i, i + 1])]);
  lanes.update(rows, "all");
  while (lanes.waiting.length) lanes.place();
  assert.equal(lanes.lanes.length, 1);
  assert.equal(past.update(told(rows, [[0, 1, [[1, 5, 6]]]])), false);
  assert.deepEqual(placed(past), [[], ["0.1"]]);
});

test("what is forgotten leaves its lane", () => {
  const lanes = new Lanes();
  const past = new Past(lanes);
  const rows = rowsOf([[4, 5, 2], [0, 3]]);
  lanes.update(rows, "all");
  const attempts = told(rows, [[0, 2, [[1, 0, 2], [2, 2, 3]]]]);
  past.update(attempts);
  assert.deepEqual(placed(past), [["0.1", "0.2"], []]);
  attempts.take(packed([[0, 3, [[3, 3, 3.5]]]]));
  past.update(attempts);
  assert.deepEqual(placed(past), [["0.3"], []]);
  assert.equal(past.count, 1);
  attempts.clear();
  past.update(attempts);
  assert.equal(past.count, 0);
});

test("no two bars of a lane overlap, whatever ran again and when", () => {
  let state = 7;
  const next = () => (state = (state * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 30; round += 1) {
    const rows = new Rows();
    const n = 40;
    rows.grow(n);
    const messages = [];
    for (let i = 0; i < n; i += 1) {
      let now = Math.floor(20 * next());
      const tries = Math.floor(4 * next());
      const each = [];
      for (let number = 1; number <= tries; number += 1) {
        const ended = now + Math.floor(5 * next());
        each.push([number, now, ended]);
        now = ended + Math.floor(3 * next());
      }
      set(rows, i, [now, now + 1 + Math.floor(5 * next()), tries]);
      messages.push([[i, tries, each]]);
    }
    const lanes = new Lanes();
    lanes.update(rows, "all");
    const past = new Past(lanes);
    const attempts = new Attempts();
    attempts.note(rows, "all");
    for (const message of messages) {
      attempts.take(packed(message));
      past.update(attempts);
    }
    assert.equal(past.count, messages.reduce((sum, [[, tries]]) => sum + tries, 0));
    lanes.lanes.forEach((lane, at) => {
      const bars = [...lane.map((i) => [rows.started[i], rows.ended[i]]), ...(past.each[at] ?? []).map(({ started, ended }) => [started, ended])]
        .filter(([start, end]) => end > start).sort(([one], [other]) => one - other);
      bars.forEach(([start], i) => assert.ok(i === 0 || bars[i - 1][1] <= start, `lane ${at}`));
    });
  }
});
