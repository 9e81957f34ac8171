// The state of the rows, from snapshots and deltas.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RESTORED, Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { FAILED, PENDING, RUNNING, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";

/** @param {number[][]} rows index, status, earlier attempts, node, started, ended */
function packed(rows) {
  const view = new DataView(new ArrayBuffer(16 * rows.length));
  rows.forEach(([index, status, earlier, node, started, ended], i) => {
    view.setUint32(16 * i, index, true);
    view.setUint8(16 * i + 4, status);
    view.setUint8(16 * i + 5, earlier);
    view.setUint16(16 * i + 6, node, true);
    view.setFloat32(16 * i + 8, started, true);
    view.setFloat32(16 * i + 12, ended, true);
  });
  return view;
}

function snapshot(statuses, seq) {
  const n = statuses.length;
  const view = new DataView(new ArrayBuffer(12 * n + 4));
  statuses.forEach((status, i) => {
    view.setFloat32(4 * i, i, true);
    view.setUint16(8 * n + 2 * i, 7, true);
    view.setUint8(10 * n + i, status);
    view.setUint8(11 * n + i, 3);
  });
  view.setUint32(12 * n, seq, true);
  return view;
}

test("a snapshot is loaded from any offset in its buffer", () => {
  const { buffer } = snapshot([PENDING, FAILED, RUNNING], 99);
  const shifted = new Uint8Array(buffer.byteLength + 3);
  shifted.set(new Uint8Array(buffer), 3);
  for (const given of [buffer, new DataView(buffer), new DataView(shifted.buffer, 3)]) {
    const rows = new Rows();
    assert.equal(rows.load(given), 99);
    assert.equal(rows.count, 3);
    assert.deepEqual([...rows.status], [PENDING, FAILED, RUNNING]);
    assert.deepEqual([...rows.started, ...rows.node, ...rows.earlier], [0, 1, 2, 7, 7, 7, 3, 3, 3]);
  }
});

test("a delta changes its rows, returns them, and leaves the others alone", () => {
  const rows = new Rows();
  rows.load(snapshot([PENDING, PENDING, RUNNING], 1));
  assert.deepEqual(rows.apply(packed([[2, SUCCEEDED, 1, 4, 0.5, 1.5], [0, RUNNING, 0, 1, 0.25, NaN]])), [2, 0]);
  assert.deepEqual([...rows.status], [RUNNING, PENDING, SUCCEEDED]);
  assert.deepEqual([rows.started[2], rows.ended[2], rows.node[2], rows.earlier[2]], [0.5, 1.5, 4, 1]);
});

test("later rows are appended, and those in between are pending", () => {
  const rows = new Rows();
  for (let i = 0; i < 100; i += 1) rows.apply(packed([[3 * i + 2, SUCCEEDED, 0, 1, i, i + 1]]));
  assert.equal(rows.count, 300);
  assert.equal(rows.status[299], SUCCEEDED);
  assert.equal(rows.started[299], 99);
  assert.equal(rows.status[298], PENDING);
  assert.ok(Number.isNaN(rows.started[298]));
});

test("a row that has succeeded without having started is a restored one", () => {
  const rows = new Rows();
  rows.apply(packed([[0, SUCCEEDED, 0, 0, NaN, NaN], [1, SUCCEEDED, 0, 1, 0, 1], [2, PENDING, 0, 0, NaN, NaN], [3, FAILED, 0, 1, 1, 2], [4, 77, 0, 1, 1, 2]]));
  const each = [0, 1, 2, 3, 4];
  assert.deepEqual(each.map((i) => rows.restored(i)), [true, false, false, false, false]);
  assert.deepEqual(each.map((i) => rows.kind(i)), [RESTORED, SUCCEEDED, PENDING, FAILED, PENDING]);
});

test("a buffer that is too short for a snapshot is ignored", () => {
  const rows = new Rows();
  assert.equal(rows.load(null), -1);
  assert.equal(rows.load(new ArrayBuffer(2)), -1);
  assert.equal(rows.load(snapshot([], 4)), 4);
  assert.equal(rows.count, 0);
});
