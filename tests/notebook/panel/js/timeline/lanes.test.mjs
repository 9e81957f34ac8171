// The assignment of instances to lanes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Lanes } from "../../../../../flowmagic/notebook/panel/js/timeline/lanes.js";
import { Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { FAILED, PENDING, RUNNING, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";

/** @param {(number[] | null)[]} bars start and end of each row; without an end it runs, null is pending */
function rowsOf(bars) {
  const rows = new Rows();
  rows.grow(bars.length);
  bars.forEach((bar, i) => set(rows, i, bar));
  return rows;
}

function set(rows, i, bar, status = SUCCEEDED) {
  rows.grow(Math.max(rows.count, i + 1));
  const [start, end] = bar ?? [];
  rows.started[i] = start ?? NaN;
  rows.ended[i] = end ?? NaN;
  rows.status[i] = start === undefined ? PENDING : end === undefined ? RUNNING : status;
}

function laned(bars) {
  const rows = rowsOf(bars);
  const lanes = new Lanes();
  lanes.update(rows, "all");
  return { rows, lanes };
}

/** A deterministic generator of numbers between 0 and 1. */
function chance(seed) {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

/** The rows of a run with a limit of `slots`, one step per message. */
function* run(n, slots, seed) {
  const next = chance(seed);
  const free = new Array(slots).fill(0);
  const bars = [];
  for (let i = 0; i < n; i += 1) {
    const slot = free.indexOf(Math.min(...free));
    const start = free[slot] + (next() < 0.3 ? 0 : 0.01 * next());
    free[slot] = start + (next() < 0.05 ? 0 : next());
    bars.push([start, free[slot]]);
  }
  const most = Math.max(...free);
  const rows = rowsOf(bars.map(() => null));
  let states = new Array(n).fill("");
  for (let now = 0; ; now += most / 40) {
    const changed = [];
    bars.forEach(([start, end], i) => {
      const state = end <= now ? "ended" : start <= now ? "runs" : "";
      if (state === states[i]) return;
      states[i] = state;
      set(rows, i, state === "ended" ? [start, end] : [start]);
      changed.push(i);
    });
    yield { rows, changed };
    if (now > most) return;
  }
}

function checkNoOverlap(lanes, rows) {
  for (const each of lanes.lanes) {
    each.forEach((row, k) => {
      assert.equal(lanes.lane[row], lanes.lanes.indexOf(each));
      if (k) assert.ok(rows.ended[each[k - 1]] <= rows.started[row], `${each[k - 1]} and ${row} overlap`);
    });
  }
}

test("each row takes the lowest lane that is free when it starts", () => {
  const { lanes } = laned([[0, 4], [0, 1], [0, 2], [1, 3], [2, 3], [3, 5], null, [3.5]]);
  assert.deepEqual([...lanes.lane.slice(0, 8)], [0, 1, 2, 1, 2, 1, -1, 2]);
  assert.deepEqual(lanes.lanes, [[0], [1, 3, 5], [2, 4, 7]]);
  assert.equal(lanes.count, 7);
});

test("there are as many lanes as rows ran at once, without overlaps, whether rows arrive together or one by one", () => {
  for (const [n, slots, seed] of [[200, 1, 3], [400, 5, 4], [600, 40, 5]]) {
    const bits = new Lanes();
    let last;
    for (const { rows, changed } of run(n, slots, seed)) {
      const before = bits.lane.slice();
      bits.update(rows, changed);
      before.forEach((lane, i) => assert.ok(lane < 0 || bits.lane[i] === lane, "a bar has left its lane"));
      last = rows;
    }
    assert.equal(bits.count, n);
    checkNoOverlap(bits, last);
    const whole = new Lanes();
    whole.update(last, "all");
    checkNoOverlap(whole, last);
    assert.ok(whole.lanes.length <= slots);
    // Placing greedily by start needs the least number: at some moment, all lanes are in use.
    assert.ok(bits.lanes.length <= slots, `${bits.lanes.length} lanes for ${slots}`);
  }
});

test("loading the whole state again moves nothing, and returns what has ended since", () => {
  const { rows, lanes } = laned([[0, 1], [0], [1]]);
  const before = [...lanes.lane];
  assert.deepEqual(lanes.update(rows, "all"), { ended: [], moved: false });
  set(rows, 1, [0, 2], FAILED);
  assert.deepEqual(lanes.update(rows, "all"), { ended: [1], moved: false });
  assert.deepEqual([...lanes.lane], before);
  set(rows, 3, [2]);
  lanes.update(rows, "all");
  assert.equal(lanes.lane[3], 1, "the lane is free again");
});

test("the rows of another run start from scratch", () => {
  const { rows, lanes } = laned([[0, 1], [0, 1], [1, 2]]);
  set(rows, 0, [0.5]);
  set(rows, 1, null);
  set(rows, 2, null);
  assert.equal(lanes.update(rows, "all").moved, true);
  assert.deepEqual(lanes.lanes, [[0]]);
  const fewer = rowsOf([[0.5]]);
  const { lanes: more } = laned([[0.5], [0.6]]);
  assert.equal(more.update(fewer, "all").moved, true);
  assert.equal(more.count, 1);
});

test("a row that runs again loses its bar, and gets another one", () => {
  const { rows, lanes } = laned([[0, 1], [1, 2], [0, 3]]);
  set(rows, 0, null);
  rows.earlier[0] = 1;
  assert.deepEqual(lanes.update(rows, [0]), { ended: [], moved: true });
  assert.deepEqual([lanes.lane[0], lanes.count, lanes.lanes[0]], [-1, 2, [1]]);
  set(rows, 0, [4]);
  assert.equal(lanes.update(rows, "all").moved, false);
  assert.deepEqual(lanes.lanes, [[1, 0], [2]]);
});

test("rows are found at a time of a lane, and near it", () => {
  const { lanes } = laned([[0, 1], [2, 3], [4]]);
  assert.deepEqual([0.5, 2, 3.5, 9].map((time) => lanes.near(0, time, 0.2)), [0, 1, -1, 2]);
  assert.equal(lanes.near(0, 1.1, 0.2), 0);
  assert.equal(lanes.near(0, 3.9, 0.2), 2);
  assert.equal(lanes.near(7, 1, 1), -1);
  assert.deepEqual([0, 1, 1.5, 3, 5].map((time) => lanes.at(0, time)), [0, 1, 1, 2, 2]);
  assert.deepEqual([[0.5, 2], [1, 1.9], [3.5, 9]].map(([from, to]) => lanes.between(0, from, to)), [[0, 1], [], [2]]);
  assert.deepEqual([-1, 0, 1.9, 2, 5].map((time) => lanes.after(0, time)), [0, 1, 1, 2, 3]);
});

test("keys lead along the lane, and to the nearest row of the next lane", () => {
  const { lanes } = laned([[0, 4], [0, 1], [2, 3], [4, 5], [4, 6]]);
  assert.deepEqual(lanes.lanes, [[0, 3], [1, 2, 4]]);
  const lead = (row, key) => lanes.step(row, key);
  assert.equal(lead(1, "ArrowRight"), 2);
  assert.equal(lead(2, "ArrowLeft"), 1);
  assert.equal(lead(1, "ArrowLeft"), 1);
  assert.equal(lead(4, "ArrowRight"), 4);
  assert.equal(lead(2, "Home"), 1);
  assert.equal(lead(1, "End"), 4);
  assert.equal(lead(2, "ArrowUp"), 0);
  assert.equal(lead(3, "ArrowDown"), 4);
  assert.equal(lead(0, "ArrowUp"), 0);
  assert.equal(lead(4, "ArrowDown"), 4);
  assert.equal(lead(0, "a"), null);
  assert.equal(lead(99, "Home"), null);
});

test("bars without length follow one another", () => {
  const { lanes } = laned([[1, 1], [1, 1], [1, 2], [0, 1]]);
  assert.deepEqual(lanes.lanes, [[3, 0, 1, 2]]);
  assert.deepEqual([3, 0, 1].map((row) => lanes.step(row, "ArrowRight")), [0, 1, 2]);
});

test("very many rows are placed in several steps, in the order of their starts", () => {
  const n = 50_000;
  const rows = new Rows();
  rows.grow(n);
  // Pairs that swap their slots, in reverse order.
  for (let i = 0; i < n; i += 1) {
    const start = n - i;
    rows.started[i] = start;
    rows.ended[i] = start + 2;
    rows.status[i] = SUCCEEDED;
  }
  const lanes = new Lanes();
  let { ended } = lanes.update(rows, "all");
  let goes = 1;
  for (; lanes.waiting.length; goes += 1) ended = [...ended, ...lanes.place()];
  assert.equal(goes, 3);
  assert.deepEqual(ended, Array.from({ length: n }, (_, i) => n - 1 - i));
  assert.equal(lanes.lanes.length, 2);
  assert.equal(lanes.count, n);
});
