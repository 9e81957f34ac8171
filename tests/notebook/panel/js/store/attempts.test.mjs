// The earlier attempts, as they arrive.

import assert from "node:assert/strict";
import { test } from "node:test";

import { attemptsOf, packed, rowsOf } from "../attempt_rows.mjs";

test("retried rows are requested once, and again after another attempt", () => {
  const rows = rowsOf([[0, 1], [2, 3, 1], [2, 3, 2]]);
  const attempts = attemptsOf(rows);
  assert.deepEqual(attempts.missing(rows), [1, 2]);
  attempts.apply(packed([[1, 1, [[1, 0, 1]]], [2, 2, [[1, 0, 1], [2, 1, 2]]]]));
  assert.deepEqual(attempts.missing(rows), []);
  assert.deepEqual(attempts.known.get(2).attempts.map(({ number, started, ended }) => [number, started, ended]), [[1, 0, 1], [2, 1, 2]]);
  rows.earlier[1] = 2;
  rows.earlier[0] = 1;
  attempts.note(rows, [0, 1]);
  assert.deepEqual(attempts.missing(rows).sort(), [0, 1]);
});

test("a row that was cancelled before its retry has no earlier attempts", () => {
  const rows = rowsOf([[2, 3, 1]]);
  const attempts = attemptsOf(rows, [[0, 1, [[1, 0, 1]]]]);
  rows.earlier[0] = 0;
  attempts.note(rows, [0]);
  assert.equal(attempts.known.size, 0);
  attempts.apply(packed([[0, 1, [[1, 0, 1]]]]));
  assert.equal(attempts.known.size, 0, "an answer that arrives too late");
});

test("only the first of very many retried rows are requested", () => {
  const rows = rowsOf(Array.from({ length: 1_500 }, () => [2, 3, 1]));
  const attempts = attemptsOf(rows);
  assert.equal(attempts.missing(rows).length, 1_000);
  assert.ok(attempts.more);
});

test("a truncated message is read as far as possible", () => {
  const rows = rowsOf([[2, 3, 1], [2, 3, 1]]);
  const attempts = attemptsOf(rows);
  const whole = packed([[0, 1, [[1, 0, 1]]], [1, 1, [[1, 0, 1]]]]);
  attempts.apply(new DataView(whole.buffer, 0, whole.byteLength - 1));
  assert.deepEqual([...attempts.known.keys()], [0]);
  attempts.apply(undefined);
});
