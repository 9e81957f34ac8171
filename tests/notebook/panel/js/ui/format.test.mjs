import assert from "node:assert/strict";
import { test } from "node:test";

import { adaptingText, brief, clock, duration, plural, rateText, waitText, wholeSeconds } from "../../../../../flowmagic/notebook/panel/js/ui/format.js";

test("short durations have decimals, long ones are clock times", () => {
  assert.deepEqual([0, 0.123, 12.34, 100, 3_725].map(duration), ["0.00 s", "0.12 s", "12.3 s", "01:40", "1:02:05"]);
  assert.deepEqual([null, undefined].map(duration), ["", ""]);
  assert.deepEqual([NaN, -5, 59.6].map(clock), ["?", "00:00", "01:00"]);
  assert.deepEqual([0, 4, 99, 100].map(wholeSeconds), ["0 s", "4 s", "99 s", "01:40"]);
  assert.equal(waitText(2.1), "waiting 3 s, as the provider asked");
});

test("counts get a plural, and rates a sensible number of digits", () => {
  assert.deepEqual([plural(1, "instance"), plural(1_000, "instance")], ["1 instance", "1,000 instances"]);
  assert.deepEqual([0, NaN, 0.5, 12.34, 1_234].map(rateText), ["", "", "0.50 a second", "12.3 a second", "1,234 a second"]);
  assert.deepEqual([adaptingText(null), adaptingText([2, 20])], ["", "adaptive, 2 to 20"]);
});

test("a duration that one reads at a glance has no more digits than it needs", () => {
  assert.deepEqual([0.1, 0.994, 1.23, 9.94, 9.96, 12.3, 100].map(brief), ["0.10 s", "0.99 s", "1.2 s", "9.9 s", "10 s", "12 s", "01:40"]);
});
