// The assignment of earlier attempts to lanes, between the other bars.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Attempts } from "../../../../../flowmagic/notebook/panel/js/store/segments.js";
import { Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { EarlierAttempts } from "../../../../../flowmagic/notebook/panel/js/timeline/earlier_attempts.js";
import { Lanes } from "../../../../../flowmagic/notebook/panel/js/timeline/lanes.js";
import { attemptsOf, packed, rowsOf, set } from "../attempt_rows.mjs";

/** Row and number of the attempts in each lane. */
const placed = (earlier) => earlier.lanes.map((lane) => lane.map(({ row, number }) => `${row}.${number}`));

test("an attempt keeps its lane when its row runs again in another one", () => {
  const lanes = new Lanes();
  const earlier = new EarlierAttempts(lanes);
  // With two slots, 0 and 1 run at once, then 2 runs in the lane of 0, which failed.
  const rows = rowsOf([[0, 1], [0, 5], [1, 4]]);
  lanes.update(rows, "all");
  assert.deepEqual([...lanes.lane.slice(0, 3)], [0, 1, 0]);
  set(rows, 0, null);
  rows.earlier[0] = 1;
  lanes.update(rows, [0]);
  const attempts = attemptsOf(rows, [[0, 1, [[1, 0, 1]]]]);
  earlier.update(attempts);
  assert.deepEqual(placed(earlier), [["0.1"]]);
  set(rows, 0, [4, 6, 1]);
  lanes.update(rows, [0]);
  earlier.update(attempts);
  assert.equal(lanes.lane[0], 0);
  assert.deepEqual(placed(earlier), [["0.1"]]);
  assert.equal(earlier.near(0, 0.5, 0)?.row, 0);
  assert.equal(earlier.near(0, 1.5, 0.1), null);
  assert.equal(earlier.near(0, 1.5, 1)?.number, 1);
});

test("a page that is opened later shows the same lanes, and no additional ones", () => {
  const lanes = new Lanes();
  const earlier = new EarlierAttempts(lanes);
  // With two slots, 0 fails at 1, 1 runs until 5, 2 from 1 to 4, then 0 again. Placed alone, 1 and 2 leave no room for it.
  const rows = rowsOf([[6, 7, 1], [0, 5], [1, 4]]);
  lanes.update(rows, "all");
  assert.deepEqual([...lanes.lane.slice(0, 3)], [0, 0, 1]);
  rows.earlier[2] = 1;
  const attempts = attemptsOf(rows, [[0, 1, [[1, 0, 3]]], [2, 1, [[1, 0, 0.5]]]]);
  assert.equal(earlier.update(attempts), true, "everything has to be redrawn");
  assert.deepEqual([...lanes.lane.slice(0, 3)], [0, 1, 2]);
  assert.deepEqual(placed(earlier), [["0.1"], [], ["2.1"]]);
  assert.deepEqual(lanes.lanes, [[0], [1], [2]]);
  rows.grow(4);
  set(rows, 3, [5.5, 8]);
  lanes.update(rows, [3]);
  assert.equal(lanes.lane[3], 1, "the lowest free lane");
  assert.equal(earlier.update(attempts), false);
});

test("if there are too many rows to place again, some attempts get their own lanes", () => {
  const lanes = new Lanes();
  const earlier = new EarlierAttempts(lanes);
  const rows = rowsOf([[40_000, 40_001, 1], ...Array.from({ length: 6_000 }, (_, i) => [i, i + 1])]);
  lanes.update(rows, "all");
  while (lanes.waiting.length) lanes.place();
  assert.equal(lanes.lanes.length, 1);
  assert.equal(earlier.update(attemptsOf(rows, [[0, 1, [[1, 5, 6]]]])), false);
  assert.deepEqual(placed(earlier), [[], ["0.1"]]);
});

test("a removed attempt leaves its lane", () => {
  const lanes = new Lanes();
  const earlier = new EarlierAttempts(lanes);
  const rows = rowsOf([[4, 5, 2], [0, 3]]);
  lanes.update(rows, "all");
  const attempts = attemptsOf(rows, [[0, 2, [[1, 0, 2], [2, 2, 3]]]]);
  earlier.update(attempts);
  assert.deepEqual(placed(earlier), [["0.1", "0.2"], []]);
  attempts.apply(packed([[0, 3, [[3, 3, 3.5]]]]));
  earlier.update(attempts);
  assert.deepEqual(placed(earlier), [["0.3"], []]);
  assert.equal(earlier.count, 1);
  attempts.clear();
  earlier.update(attempts);
  assert.equal(earlier.count, 0);
});

test("bars of a lane never overlap, whatever is retried", () => {
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
    const earlier = new EarlierAttempts(lanes);
    const attempts = new Attempts();
    attempts.note(rows, "all");
    for (const message of messages) {
      attempts.apply(packed(message));
      earlier.update(attempts);
    }
    assert.equal(earlier.count, messages.reduce((sum, [[, tries]]) => sum + tries, 0));
    lanes.lanes.forEach((lane, at) => {
      const bars = [...lane.map((i) => [rows.started[i], rows.ended[i]]), ...(earlier.lanes[at] ?? []).map(({ started, ended }) => [started, ended])]
        .filter(([start, end]) => end > start).sort(([one], [other]) => one - other);
      bars.forEach(([start], i) => assert.ok(i === 0 || bars[i - 1][1] <= start, `lane ${at}`));
    });
  }
});
