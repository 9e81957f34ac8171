// The limits that were in force during a run.

import assert from "node:assert/strict";
import { test } from "node:test";

import { limitAt, limitSteps } from "../../../../../flowmagic/notebook/panel/js/store/limit_history.js";

test("the limit is known for every time of the run", () => {
  const limit_history = [[0, 5, 0], [2, 50, 1], [4, 25, 0]];
  const limits = limitSteps({ limit_history, limit: 25 }, 10);
  assert.deepEqual([0, 1.9, 2, 3, 4, 99].map((seconds) => limitAt(limits, seconds)), [5, 5, 50, 50, 25, 25]);
  assert.deepEqual(limits.map(({ byUser }) => byUser), [false, true, false]);
  assert.equal(limitSteps({ limit_history, limit: 25 }, 3).length, 2, "no limit from the future");
  assert.equal(limitAt(limitSteps({ limit_history: [], limit: 7 }, 3), 1), 7, "without changes, it is the current limit");
});

test("a limit is in force until the next one, and the last one until now", () => {
  assert.deepEqual(limitSteps({ limit_history: [[0, 5, 0], [2, 10, 1], [3, 9, 0]], limit: 9 }, 7), [
    { from: 0, to: 2, limit: 5, byUser: false, first: true },
    { from: 2, to: 3, limit: 10, byUser: true, first: false },
    { from: 3, to: 7, limit: 9, byUser: false, first: false },
  ]);
  assert.deepEqual(limitSteps({ limit_history: [], limit: 4 }, 7), [{ from: 0, to: 7, limit: 4, byUser: false, first: true }]);
});
