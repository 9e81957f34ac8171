// The time series of a run, from the columns of its rows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { Series, highestLimit, limitSteps, stepOf } from "../../../../../flowmagic/notebook/panel/js/store/series.js";
import { CANCELLED, FAILED, PENDING, RUNNING, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";

/** Rows of [status, started, ended]. */
function rowsOf(list) {
  const rows = new Rows();
  if (list.length) rows.grow(list.length);
  list.forEach(([status, started = NaN, ended = NaN], i) => {
    rows.status[i] = status;
    rows.started[i] = started;
    rows.ended[i] = ended;
  });
  return rows;
}

/** A deterministic generator of numbers in [0, 1). */
function chances(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomRows(n, span, seed) {
  const chance = chances(seed);
  return Array.from({ length: n }, () => {
    const code = Math.floor(5 * chance());
    const started = span * chance();
    if (code === PENDING) return [PENDING];
    if (code === RUNNING) return [RUNNING, started];
    if (code === CANCELLED && chance() < 0.5) return [CANCELLED];
    return [code, started, started + (span - started) * chance()];
  });
}

const near = (one, other, message) => assert.ok(Math.abs(one - other) < 1e-3 * Math.max(1, Math.abs(other)), `${message}: ${one}, not ${other}`);

test("a bin's length is 1, 2 or 5 times a power of ten, and the number of bins is bounded", () => {
  for (let span = 0.001; span < 1e6; span *= 1.37) {
    for (const ended of [0, 1, 49, 51, 300, 1e5]) {
      const step = stepOf(span, ended);
      const digit = Number(step.toExponential(6).split("e")[0]);
      assert.ok([1, 2, 5].includes(digit), `${step}`);
      const bins = span / step;
      assert.ok(bins <= 100.001 && bins > 3.99, `${bins} of ${span}`);
      assert.ok(bins <= Math.max(10, ended / 5) * 1.001, "of few instances there are few bins");
    }
  }
});

test("every ended instance is in one bin, and the bins cover the run without gaps", () => {
  for (const [n, span, seed] of [[0, 3, 1], [1, 0.4, 2], [40, 7.3, 3], [2_000, 61, 4], [5_000, 4_000.7, 5]]) {
    const list = randomRows(n, span, seed);
    const series = new Series(rowsOf(list), span);
    const total = (name) => series.bins.reduce((sum, bin) => sum + bin[name], 0);
    const count = (...codes) => list.filter(([code]) => codes.includes(code)).length;
    assert.equal(total("ended"), count(SUCCEEDED, FAILED));
    assert.equal(total("failed"), count(FAILED));
    near(total("seconds"), span, "length");
    assert.ok(series.bins.every(({ seconds }) => seconds > 0.49 * series.step && seconds < 1.51 * series.step));
    near(series.bins.reduce((sum, { rate, seconds }) => sum + rate * seconds, 0), series.all.ended, "rate");
    series.bins.forEach((_, i) => assert.equal(series.at((series.begin(i) + series.begin(i + 1)) / 2), i));
  }
});

test("the number of running instances is the mean over a bin, whatever their duration", () => {
  for (const [n, span, seed] of [[1, 2, 7], [60, 10, 8], [3_000, 100, 9]]) {
    const list = randomRows(n, span, seed);
    const series = new Series(rowsOf(list), span);
    series.bins.forEach(({ running, seconds }, i) => {
      const [from, to] = [series.begin(i), series.begin(i + 1)];
      const busy = list.reduce((sum, [status, started, ended]) => {
        if (started === undefined) return sum;
        const end = status === RUNNING ? span : ended;
        return sum + Math.max(0, Math.min(to, end) - Math.max(from, started));
      }, 0);
      near(running, busy / seconds, `bin ${i}`);
    });
  }
  const full = new Series(rowsOf(Array.from({ length: 5 }, () => [RUNNING, 0])), 20);
  assert.ok(full.bins.every(({ running }) => running === 5));
});

test("if all instances take equally long, all percentiles are that duration", () => {
  const list = Array.from({ length: 1_000 }, (_, i) => [SUCCEEDED, i / 100, i / 100 + 0.25]);
  const series = new Series(rowsOf(list), 10.25);
  near(series.all.p50, 0.25, "p50");
  near(series.all.p95, 0.25, "p95");
  near(series.all.rate, 97.56, "rate");
  assert.equal(series.all.failed, 0);
});

test("percentiles of many instances come from a sample, and are about right", () => {
  const chance = chances(11);
  // Fast instances first, then slow ones: a sample of only the first or the last would be far off.
  const list = Array.from({ length: 60_000 }, (_, i) => {
    const duration = (i < 30_000 ? 0.1 : 0.9) * (0.5 + chance());
    return [SUCCEEDED, 1, 1 + duration];
  });
  const exact = list.map(([, started, ended]) => ended - started).sort((one, other) => one - other);
  const { all } = new Series(rowsOf(list), 2.5);
  for (const [name, share] of [["p50", 0.5], ["p95", 0.95]]) {
    const rank = exact.findIndex((each) => each >= all[name]) / exact.length;
    assert.ok(Math.abs(rank - share) < 0.05, `${name} is at ${rank}`);
  }
});

test("there is no latency without ended instances, and none of cancelled ones", () => {
  const series = new Series(rowsOf([[RUNNING, 0], [PENDING], [CANCELLED, 0, 0.5], [CANCELLED]]), 1);
  assert.ok(Number.isNaN(series.all.p50) && Number.isNaN(series.all.p95));
  assert.equal(series.all.ended, 0);
  near(series.all.running, 1.5, "but the one that was cancelled did run");
});

test("the same rows give the same numbers in two pages", () => {
  const list = randomRows(20_000, 30, 12);
  const [one, other] = [rowsOf(list), rowsOf(list)].map((rows) => new Series(rows, 30));
  assert.deepEqual(one.bins, other.bins);
  assert.deepEqual(one.all, other.all);
});

test("an instance that ended after the page's clock is at the end of the series", () => {
  const series = new Series(rowsOf([[SUCCEEDED, 0, 1.2], [SUCCEEDED, 1.1, 1.2]]), 1);
  assert.equal(series.bins[series.count - 1].ended, 1);
  assert.equal(series.all.ended, 1);
});

test("the limit is known for every time of the run", () => {
  const limit_history = [[0, 5, 0], [2, 50, 1], [4, 25, 0]];
  const limits = limitSteps({ limit_history, limit: 25 }, 10);
  const at = (seconds) => highestLimit(limits, seconds, seconds);
  assert.deepEqual([0, 1.9, 2, 3, 4, 99].map(at), [5, 5, 50, 50, 25, 25]);
  assert.deepEqual([[0, 2], [1, 2.5], [3, 5], [4, 6]].map(([from, to]) => highestLimit(limits, from, to)), [5, 50, 50, 25]);
  assert.deepEqual(limits.map(({ byUser }) => byUser), [false, true, false]);
  assert.equal(limitSteps({ limit_history, limit: 25 }, 3).length, 2, "no limit from the future");
  assert.equal(highestLimit(limitSteps({ limit_history: [], limit: 7 }, 3), 1, 2), 7, "without changes, it is the current limit");
});

test("a limit is in force until the next one, and the last one until now", () => {
  assert.deepEqual(limitSteps({ limit_history: [[0, 5, 0], [2, 10, 1], [3, 9, 0]], limit: 9 }, 7), [
    { from: 0, to: 2, limit: 5, byUser: false, first: true },
    { from: 2, to: 3, limit: 10, byUser: true, first: false },
    { from: 3, to: 7, limit: 9, byUser: false, first: false },
  ]);
  assert.deepEqual(limitSteps({ limit_history: [], limit: 4 }, 7), [{ from: 0, to: 7, limit: 4, byUser: false, first: true }]);
});
