// The node copies and earlier attempts of instances, as they arrive.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { Segments } from "../../../../../flowmagic/notebook/panel/js/store/segments.js";
import { RUNNING, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";
import { attemptsOf, packed as packedAttempts, rowsOf as retriedRows } from "../attempt_rows.mjs";

/** @param {[number, number[][]][]} rows the index of each row, and node, depth, start and end of each of its copies */
function packed(rows) {
  const view = new DataView(new ArrayBuffer(rows.reduce((sum, [, copies]) => sum + 6 + 11 * copies.length, 0)));
  let at = 0;
  for (const [index, copies] of rows) {
    view.setUint32(at, index, true);
    view.setUint16(at + 4, copies.length, true);
    at += 6;
    for (const [node, depth, started, ended] of copies) {
      view.setUint16(at, node, true);
      view.setUint8(at + 2, depth);
      view.setFloat32(at + 3, started, true);
      view.setFloat32(at + 7, ended, true);
      at += 11;
    }
  }
  return view;
}

function rowsOf(n) {
  const rows = new Rows();
  rows.grow(n);
  rows.status.fill(RUNNING);
  return rows;
}

test("a message is read row by row", () => {
  const segments = new Segments();
  segments.apply(packed([[7, [[1, 0, 0.5, 1], [2, 1, 1, NaN]]], [3, []]]), rowsOf(10));
  const { nodes, depths, started, ended } = segments.of(7);
  assert.deepEqual([nodes, depths, started, ended], [[1, 2], [0, 1], [0.5, 1], [1, NaN]]);
  assert.deepEqual(segments.of(3).nodes, []);
  assert.equal(segments.of(1), undefined);
});

test("a copy that raised is told from one that is as deep and returned", () => {
  const segments = new Segments();
  segments.apply(packed([[0, [[1, 1, 0, 1], [2, 0x81, 1, 2]]]]), rowsOf(1));
  const { depths, raised } = segments.of(0);
  assert.deepEqual([depths, raised], [[1, 1], [false, true]]);
});

test("a truncated message is read as far as possible", () => {
  const segments = new Segments();
  const whole = packed([[0, [[1, 0, 0, 1]]], [1, [[1, 0, 0, 1]]]]);
  segments.apply(new DataView(whole.buffer, 0, whole.byteLength - 1), rowsOf(2));
  assert.deepEqual([...segments.known.keys()], [0]);
  segments.apply(undefined, rowsOf(2));
});

test("rows are requested once, and again after their state has changed", () => {
  const segments = new Segments();
  const rows = rowsOf(4);
  assert.deepEqual(segments.missing([0, 1, 2], rows), [0, 1, 2]);
  segments.apply(packed([[0, []], [1, []], [2, []]]), rows);
  assert.deepEqual(segments.missing([0, 1, 2], rows), []);
  segments.touch([1, 3]);
  rows.status[2] = SUCCEEDED;
  assert.deepEqual(segments.missing([0, 1, 2], rows), [1, 2]);
  segments.apply(packed([[1, []], [2, []]]), rows);
  rows.node[0] = 5;
  assert.deepEqual(segments.missing([0, 1, 2], rows), [0]);
});

test("the latest of very many rows are kept", () => {
  const segments = new Segments();
  const rows = rowsOf(5_000);
  for (let i = 0; i < 5_000; i += 1) segments.apply(packed([[i, []]]), rows);
  assert.equal(segments.known.size, 2_000);
  assert.ok(segments.of(4_999) && segments.of(3_000) && !segments.of(2_999));
});

test("retried rows are requested once, and again after another attempt", () => {
  const rows = retriedRows([[0, 1], [2, 3, 1], [2, 3, 2]]);
  const attempts = attemptsOf(rows);
  assert.deepEqual(attempts.missing(rows), [1, 2]);
  attempts.apply(packedAttempts([[1, 1, [[1, 0, 1]]], [2, 2, [[1, 0, 1], [2, 1, 2]]]]));
  assert.deepEqual(attempts.missing(rows), []);
  assert.deepEqual(attempts.known.get(2).attempts.map(({ number, started, ended }) => [number, started, ended]), [[1, 0, 1], [2, 1, 2]]);
  rows.earlier[1] = 2;
  rows.earlier[0] = 1;
  attempts.note(rows, [0, 1]);
  assert.deepEqual(attempts.missing(rows).sort(), [0, 1]);
});

test("a row that was cancelled before its retry has no earlier attempts", () => {
  const rows = retriedRows([[2, 3, 1]]);
  const attempts = attemptsOf(rows, [[0, 1, [[1, 0, 1]]]]);
  rows.earlier[0] = 0;
  attempts.note(rows, [0]);
  assert.equal(attempts.known.size, 0);
  attempts.apply(packedAttempts([[0, 1, [[1, 0, 1]]]]));
  assert.equal(attempts.known.size, 0, "an answer that arrives too late");
});

test("only the first of very many retried rows are requested", () => {
  const rows = retriedRows(Array.from({ length: 1_500 }, () => [2, 3, 1]));
  const attempts = attemptsOf(rows);
  assert.equal(attempts.missing(rows).length, 1_000);
  assert.ok(attempts.more);
});

test("a truncated message is read as far as possible", () => {
  const rows = retriedRows([[2, 3, 1], [2, 3, 1]]);
  const attempts = attemptsOf(rows);
  const whole = packedAttempts([[0, 1, [[1, 0, 1]]], [1, 1, [[1, 0, 1]]]]);
  attempts.apply(new DataView(whole.buffer, 0, whole.byteLength - 1));
  assert.deepEqual([...attempts.known.keys()], [0]);
  attempts.apply(undefined);
});
