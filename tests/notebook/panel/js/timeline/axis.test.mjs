// The visible part of a run's time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TimeRange, ticks } from "../../../../../flowmagic/notebook/panel/js/timeline/axis.js";

const near = (one, other) => assert.ok(Math.abs(one - other) < 1e-9 * Math.max(1, Math.abs(other)), `${one} is not ${other}`);

test("the whole run fits, with some room while it is live, in few scales", () => {
  const range = new TimeRange();
  const scales = new Set();
  for (let now = 0; now < 100; now += 0.1) {
    const { from, to } = range.at(now, true);
    assert.equal(from, 0);
    assert.ok(to >= now && to <= Math.max(0.02, now * 1.3));
    scales.add(to);
  }
  assert.ok(scales.size < 50);
  const { to } = range.at(50, false);
  assert.ok(to > 50 && to < 51);
});

test("the point under the pointer stays in place, except while following", () => {
  const range = new TimeRange();
  range.zoom(0.5, 0.25, 100, false);
  const { from, to } = range.at(100, false);
  near(to - from, 50.5);
  near(from + 0.25 * (to - from), 25.25);
  const live = new TimeRange();
  live.zoom(0.1, 0.25, 100, true);
  near(live.at(100, true).to, 100);
  near(live.at(110, true).to, 110);
});

test("zooming out far enough shows the whole run again, and follows", () => {
  const range = new TimeRange();
  range.select(10, 20, 100, false);
  assert.deepEqual(range.at(100, false), { from: 10, to: 20 });
  assert.equal(range.follows, false);
  range.zoom(100, 0.5, 100, false);
  assert.deepEqual([range.seconds, range.follows], [null, true]);
  for (let now = 0.1; now < 50; now *= 1.37) {
    range.zoom(1 / 1.5, 0.3, now, false);
    assert.notEqual(range.seconds, null);
    range.zoom(1.5, 0.3, now, false);
    assert.equal(range.seconds, null, "zooming out as far as in");
  }
  for (let i = 0; i < 100; i += 1) range.zoom(0.5, 0.5, 100, false);
  const { from, to } = range.at(100, false);
  assert.ok(to - from > 0.99e-3);
});

test("panning stays within the run, and stops following", () => {
  const range = new TimeRange();
  range.pan(5, 100, true);
  assert.equal(range.seconds, null, "the whole run cannot be panned");
  range.zoom(0.1, 0, 100, true);
  range.pan(-1e6, 100, true);
  assert.deepEqual([range.at(100, true).from, range.follows], [0, false]);
  const { from } = range.at(200, true);
  assert.equal(from, 0, "the range stays while time goes on");
  range.pan(1e6, 100, false);
  near(range.at(100, false).to, 101);
  range.follow(true, 100, true);
  near(range.at(150, true).to, 150);
  range.follow(false, 150, true);
  near(range.at(160, true).to, 150);
});

test("revealing moves a range into view, and nothing if it is visible already", () => {
  const range = new TimeRange();
  range.select(10, 20, 100, false);
  range.reveal(15, 16, 100, false);
  range.reveal(5, 11, 100, false);
  assert.equal(range.at(100, false).from, 10);
  range.reveal(60, 61, 100, false);
  const { from, to } = range.at(100, false);
  assert.ok(from <= 60 && to >= 61);
  near(to - from, 10);
});

test("times on the axis are round, and as many as fit", () => {
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
