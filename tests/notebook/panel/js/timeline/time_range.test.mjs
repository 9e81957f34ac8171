// Which part of a run's time is on the screen.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Span, limitSteps, ticks } from "../../../../../flowmagic/notebook/panel/js/timeline/time_range.js";

const near = (one, other) => assert.ok(Math.abs(one - other) < 1e-9 * Math.max(1, Math.abs(other)), `${one} is not ${other}`);

test("the whole run fits, with some room while it goes on, at few scales", () => {
  const span = new Span();
  const scales = new Set();
  for (let now = 0; now < 100; now += 0.1) {
    const { from, to } = span.at(now, true);
    assert.equal(from, 0);
    assert.ok(to >= now && to <= Math.max(0.02, now * 1.3));
    scales.add(to);
  }
  assert.ok(scales.size < 50);
  const { to } = span.at(50, false);
  assert.ok(to > 50 && to < 51);
});

test("what one zooms at stays in its place, unless now does", () => {
  const span = new Span();
  span.zoom(0.5, 0.25, 100, false);
  const { from, to } = span.at(100, false);
  near(to - from, 50.5);
  near(from + 0.25 * (to - from), 25.25);
  const live = new Span();
  live.zoom(0.1, 0.25, 100, true);
  near(live.at(100, true).to, 100);
  near(live.at(110, true).to, 110);
});

test("zoomed out far enough, it is the whole again, and follows", () => {
  const span = new Span();
  span.select(10, 20, 100, false);
  assert.deepEqual(span.at(100, false), { from: 10, to: 20 });
  assert.equal(span.follows, false);
  span.zoom(100, 0.5, 100, false);
  assert.deepEqual([span.seconds, span.follows], [null, true]);
  for (let now = 0.1; now < 50; now *= 1.37) {
    span.zoom(1 / 1.5, 0.3, now, false);
    assert.notEqual(span.seconds, null);
    span.zoom(1.5, 0.3, now, false);
    assert.equal(span.seconds, null, "as far out as it was in");
  }
  for (let i = 0; i < 100; i += 1) span.zoom(0.5, 0.5, 100, false);
  const { from, to } = span.at(100, false);
  assert.ok(to - from > 0.99e-3);
});

test("moving it stays within the run, and stops following", () => {
  const span = new Span();
  span.pan(5, 100, true);
  assert.equal(span.seconds, null, "of the whole there is nowhere to go");
  span.zoom(0.1, 0, 100, true);
  span.pan(-1e6, 100, true);
  assert.deepEqual([span.at(100, true).from, span.follows], [0, false]);
  const { from } = span.at(200, true);
  assert.equal(from, 0, "time goes on, it stays");
  span.pan(1e6, 100, false);
  near(span.at(100, false).to, 101);
  span.follow(true, 100, true);
  near(span.at(150, true).to, 150);
  span.follow(false, 150, true);
  near(span.at(160, true).to, 150);
});

test("what is revealed is on the screen, and nothing moves if it is there already", () => {
  const span = new Span();
  span.select(10, 20, 100, false);
  span.reveal(15, 16, 100, false);
  span.reveal(5, 11, 100, false);
  assert.equal(span.at(100, false).from, 10);
  span.reveal(60, 61, 100, false);
  const { from, to } = span.at(100, false);
  assert.ok(from <= 60 && to >= 61);
  near(to - from, 10);
});

test("times on the axis are round, and as many as there is room for", () => {
  assert.deepEqual(ticks(0, 10, 5).map(({ text }) => text), ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]);
  assert.deepEqual(ticks(0, 0.01, 5).map(({ text }) => text), ["0.000 s", "0.002 s", "0.004 s", "0.006 s", "0.008 s", "0.010 s"]);
  assert.deepEqual(ticks(100, 400, 6).map(({ text }) => text), ["02:00", "03:00", "04:00", "05:00", "06:00"]);
  assert.deepEqual(ticks(0, 7200, 4).map(({ text }) => text), ["00:00", "30:00", "1:00:00", "1:30:00", "2:00:00"]);
  for (const [from, to] of [[0, 1e-3], [3.3, 3.4], [0, 59], [0, 61], [5, 1e5], [0, 1e7]]) {
    for (const most of [1, 3, 12]) {
      const found = ticks(from, to, most);
      assert.ok(found.length <= most + 1, `${from} to ${to}: ${found.length} of ${most}`);
      assert.ok(found.every(({ at }) => at >= from - 1e-9 && at <= to));
      assert.equal(new Set(found.map(({ text }) => text)).size, found.length, "no two have the same name");
    }
  }
});

test("a limit is in force until the next one, and the last one up to now", () => {
  assert.deepEqual(limitSteps([[0, 5, 0], [2, 10, 1], [3, 9, 0]], 9, 7), [
    { from: 0, to: 2, limit: 5, byUser: false, first: true },
    { from: 2, to: 3, limit: 10, byUser: true, first: false },
    { from: 3, to: 7, limit: 9, byUser: false, first: false },
  ]);
  assert.deepEqual(limitSteps([], 4, 7), [{ from: 0, to: 7, limit: 4, byUser: false, first: true }]);
});
