import assert from "node:assert/strict";
import { test } from "node:test";

import { progressText } from "../../../../../flowmagic/notebook/panel/js/header/progress.js";

const said = ({ counts = [0, 0, 0, 0, 0], total = 60, status = "running", busy = 4.4, rate = 10.9, cooling = 0, p95 = NaN, folded = false }) => progressText({
  header: { counts, total, status, ticking: ["running", "paused", "stopping"].includes(status) }, busy, rate, cooling, folded,
}, p95);

test("a run in progress says how far it is, how long it still takes, and how fast it is", () => {
  assert.equal(said({ counts: [8, 0, 46, 6, 0] }), "52 of 60 done · 4 s, about 1 s left · 10.9 a second");
  assert.equal(said({ counts: [8, 0, 46, 6, 0], total: null }), "52 done · 4 s · 10.9 a second");
});

test("no remaining time is promised while nothing starts", () => {
  const counts = [8, 0, 46, 6, 0];
  assert.equal(said({ counts, status: "paused" }), "paused · 52 of 60 done · 4 s");
  assert.equal(said({ counts, status: "stopping" }), "stopping · 52 of 60 done · 4 s");
  assert.equal(said({ counts, cooling: 3 }), "52 of 60 done · 4 s · 10.9 a second");
});

test("what was cancelled is not done", () => {
  assert.equal(said({ counts: [0, 0, 20, 8, 32], status: "stopped", busy: 12.2, p95: 1.23 }),
    "28 of 60 done · stopped after 12 s · p95 1.2 s · 8 failed");
  assert.equal(said({ counts: [0, 0, 2108, 0, 3], total: null, status: "stopped", busy: 12.2, p95: 1.23 }),
    "2,108 done · stopped after 12 s · p95 1.2 s");
});

test("a run that has ended says how many rows it ran and how long they took", () => {
  assert.equal(said({ counts: [0, 0, 30, 0, 0], total: 30, status: "finished", busy: 12.2, p95: 1.23 }), "30 in 12 s · p95 1.2 s · none failed");
  assert.equal(said({ counts: [0, 0, 3, 0, 0], total: 3, status: "finished", busy: 0.2, p95: 0.1 }), "3 in 0.20 s · none failed");
  assert.equal(said({ counts: [0, 0, 0, 0, 0], total: 0, status: "finished", busy: 0.01 }), "0 in 0.01 s");
  assert.equal(said({ total: 1, status: "idle" }), "1 instance");
});

test("folded, the counts stand before it", () => {
  assert.equal(said({ counts: [0, 0, 113, 5, 2], total: 120, status: "stopped", busy: 12.2, p95: 1.23, folded: true }), "of 120 · stopped after 12 s · p95 1.2 s");
});
