// Numbers, durations and params in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cutTo } from "../../../../../flowmagic/notebook/panel/js/overview/cards.js";
import { checkJson } from "../../../../../flowmagic/notebook/panel/js/editor/text_checks.js";
import { clock, duration, plural, rateText, waitText } from "../../../../../flowmagic/notebook/panel/js/ui/format.js";

test("durations are short, and exact where it matters", () => {
  assert.deepEqual([0, 0.123, 12.34, 100, 3_725].map(duration), ["0.00 s", "0.12 s", "12.3 s", "01:40", "1:02:05"]);
  assert.deepEqual([null, undefined].map(duration), ["", ""]);
  assert.deepEqual([NaN, -5, 59.6].map(clock), ["?", "00:00", "01:00"]);
  assert.equal(waitText(2.1), "waiting 3 s, as the provider asked");
});

test("counts and rates read as words", () => {
  assert.deepEqual([plural(1, "instance"), plural(1_000, "instance")], ["1 instance", "1,000 instances"]);
  assert.deepEqual([0, NaN, 0.5, 12.34, 1_234].map(rateText), ["– inst/s", "– inst/s", "0.50 inst/s", "12.3 inst/s", "1,234 inst/s"]);
});

test("a list of dicts is counted, and all else is said or left to the kernel", () => {
  assert.deepEqual(checkJson('[{"a": 1}, {}]'), { count: 2, unsure: false });
  assert.deepEqual(checkJson('[{"a": "•••"}]'), { count: 1, unsure: true });
  assert.deepEqual(checkJson("[{'a': 1}]"), { unsure: true });
  assert.match(checkJson('{"a": 1}').message, /not a list of dicts/);
  assert.match(checkJson('[{}, [], {}]').message, /Item 1 is not a dict/);
});

test("a text is cut to what fits, never within a letter", () => {
  const fits = (room) => (part) => [...part].length <= room;
  assert.equal(cutTo("user_id=3", fits(9)), "user_id=3");
  assert.equal(cutTo("user_id=31", fits(9)), "user_id=…");
  assert.equal(cutTo("😀😀😀😀", fits(3)), "😀😀…");
  assert.equal(cutTo("abc", fits(1)), "");
  assert.equal(cutTo("", fits(0)), "");
});
