import assert from "node:assert/strict";
import { test } from "node:test";

import { orderOf } from "../../../../../flowmagic/notebook/panel/js/table/order.js";

const NODES = ["", "Write", "Load"];
const ALL = { status: new Set(), node: null, sort: null, descending: false };

/** Rows from [status, node, started, ended]. */
function rows(...given) {
  return {
    count: given.length,
    status: Uint8Array.from(given, ([status]) => status),
    node: Uint16Array.from(given, ([, node]) => node),
    started: Float32Array.from(given, ([, , started]) => started ?? NaN),
    ended: Float32Array.from(given, ([, , , ended]) => ended ?? NaN),
  };
}

const order = (some, wish, found = null, now = 10) => {
  const given = orderOf(some, { ...ALL, ...wish }, NODES, found, now);
  return given && [...given];
};

test("without a wish the rows are shown as they are, at no cost", () => {
  assert.equal(order(rows([2, 1]), {}), null);
  assert.equal(order(rows([2, 1]), { sort: "index" }), null);
});

test("rows are filtered by several statuses and by a node", () => {
  const some = rows([0, 1], [1, 1], [2, 2], [3, 1], [2, 1]);
  assert.deepEqual(order(some, { status: new Set([2, 3]) }), [2, 3, 4]);
  assert.deepEqual(order(some, { node: "Write" }), [1, 3, 4]);
  assert.deepEqual(order(some, { status: new Set([2]), node: "Write" }), [4]);
  assert.deepEqual(order(some, { node: "Nowhere" }), []);
});

test("what the kernel found keeps its order, and rows that are gone are left out", () => {
  const some = rows([2, 1], [3, 1], [2, 1]);
  assert.deepEqual(order(some, {}, Uint32Array.of(2, 9, 0, 1)), [2, 0, 1]);
  assert.deepEqual(order(some, { status: new Set([2]) }, Uint32Array.of(2, 1, 0)), [2, 0]);
});

test("rows that ran equally long keep their order, and those that did not run come last", () => {
  const some = rows([2, 1, 0, 3], [0, 0], [2, 1, 1, 2], [1, 1, 8], [2, 1, 4, 5]);
  assert.deepEqual(order(some, { sort: "seconds" }), [2, 4, 3, 0, 1]);
  assert.deepEqual(order(some, { sort: "seconds", descending: true }), [0, 3, 2, 4, 1]);
});

test("nodes are ordered by name, and descending turns any order round", () => {
  const some = rows([2, 1], [2, 2], [0, 0], [2, 1]);
  assert.deepEqual(order(some, { sort: "node" }), [1, 0, 3, 2]);
  assert.deepEqual(order(some, { sort: "index", descending: true }), [3, 2, 1, 0]);
});

test("a hundred thousand rows come out as a plain sort orders them", () => {
  let seed = 1;
  const next = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const some = rows(...Array.from({ length: 100_000 }, () => [2, 1, 0, Math.fround(300 * next())]));
  const expected = Array.from(some.ended, (_, i) => i).sort((a, b) => Math.round(1e4 * some.ended[a]) - Math.round(1e4 * some.ended[b]) || a - b);
  assert.deepEqual(order(some, { sort: "seconds" }), expected);
});
