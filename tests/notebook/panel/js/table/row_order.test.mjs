// Which rows the table shows and in which order.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RowOrder, orderOf } from "../../../../../flowmagic/notebook/panel/js/table/row_order.js";
import { Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { FAILED, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";

/** A row order with a store that records what is sent; `at` sets the time. */
function create(t, n = 4) {
  let time = 0;
  t.mock.method(performance, "now", () => time);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const rows = new Rows();
  rows.grow(n);
  const sent = [];
  const store = {
    rows, searchResults: new Map(), generation: 0, elapsed: 10, columns: { names: ["city", "n"] },
    header: { nodes: ["", "A"], counts: [n, 0, 0, 0, 0] },
    send: (command) => sent.push(command),
  };
  const filters = { active: false, status: new Set(), node: null, group: null, text: "" };
  const view = { id: "v", store, gone: false, draws: 0, scheduleDraw: () => { view.draws += 1; } };
  const rowOrder = new RowOrder(view, filters);
  const find = (text) => {
    Object.assign(filters, { text, active: text !== "" });
    rowOrder.changeCriteria();
  };
  const shown = () => {
    rowOrder.refresh();
    return Array.from({ length: rowOrder.count }, (_, position) => rowOrder.at(position));
  };
  const answer = (found) => store.searchResults.set(sent.length, Uint32Array.from(found));
  const at = (milliseconds) => { time = milliseconds; };
  return { rowOrder, filters, store, view, sent, find, shown, answer, at };
}

test("all rows are shown until the kernel has answered, then those that it found", (t) => {
  const { rowOrder, store, sent, find, shown, answer } = create(t);
  find("rome");
  assert.deepEqual(sent, [{ type: "search", view: "v", text: "rome", group: null, sort: null, descending: false }]);
  assert.deepEqual([shown(), rowOrder.searching], [[0, 1, 2, 3], true]);
  answer([3, 1]);
  assert.deepEqual([shown(), rowOrder.searching], [[3, 1], false]);
  assert.equal(store.searchResults.size, 0);
  assert.deepEqual([rowOrder.positionOf(1), rowOrder.positionOf(0)], [1, -1]);
  find("");
  assert.deepEqual(shown(), [0, 1, 2, 3]);
});

test("the answer to an earlier search is ignored", (t) => {
  const { find, shown, answer, store } = create(t);
  find("ro");
  find("rome");
  store.searchResults.set(1, Uint32Array.of(0));
  assert.deepEqual(shown(), [0, 1, 2, 3]);
  answer([1]);
  assert.deepEqual(shown(), [1]);
});

test("new rows and errors trigger another search, but not too often for the kernel", (t) => {
  const { store, sent, find, shown, answer, at } = create(t);
  find("no");
  at(3000); // how long the search took
  answer([]);
  shown();
  store.rows.grow(5);
  store.header.counts = [4, 0, 0, FAILED, 0];
  at(11_000);
  shown();
  assert.equal(sent.length, 1);
  at(12_500);
  shown();
  assert.equal(sent.length, 2);
  answer([4]);
  assert.deepEqual(shown(), [4]);
  at(60_000);
  shown();
  assert.equal(sent.length, 2, "nothing has changed");
});

test("errors do not change an order by a param", (t) => {
  const { rowOrder, store, sent, shown, answer, at } = create(t);
  rowOrder.sortBy("param", 1, "n");
  answer([3, 2, 1, 0]);
  assert.deepEqual(shown(), [3, 2, 1, 0]);
  store.header.counts = [0, 0, 0, 4, 0];
  at(60_000);
  shown();
  assert.equal(sent.length, 1);
});

test("other rows trigger another search, by the column of the same name", (t) => {
  const { rowOrder, store, sent, shown, answer } = create(t);
  rowOrder.sortBy("param", 1, "n");
  shown(); // the kernel never answers this search
  store.generation += 1;
  store.columns = { names: ["n"] };
  shown();
  assert.deepEqual(sent.at(-1), { type: "search", view: "v", text: "", group: null, sort: 0, descending: false });
  assert.equal(rowOrder.direction("param", 0), "ascending");
  answer([2, 3]);
  assert.deepEqual(shown(), [2, 3]);
  store.generation += 1;
  store.columns = { names: ["city"] };
  assert.deepEqual(shown(), [0, 1, 2, 3]);
  assert.deepEqual([rowOrder.sort, rowOrder.searching, sent.length], [null, false, 2]);
});

test("the first press sorts, the second reverses, and the third restores the order", (t) => {
  const { rowOrder, store, shown } = create(t, 3);
  store.rows.status.set([FAILED, SUCCEEDED, FAILED]);
  const press = () => {
    rowOrder.sortBy("status", -1);
    return [rowOrder.direction("status", -1), ...shown()];
  };
  assert.deepEqual([press(), press(), press()], [["ascending", 1, 0, 2], ["descending", 0, 2, 1], ["", 0, 1, 2]]);
});

test("changed rows are reordered once a second", (t) => {
  const { rowOrder, store, filters, shown, at } = create(t, 3);
  filters.status.add(FAILED);
  filters.active = true;
  rowOrder.changeCriteria();
  assert.deepEqual(shown(), []);
  store.rows.status[1] = FAILED;
  rowOrder.markRowsChanged();
  at(900);
  assert.deepEqual(shown(), []);
  at(1000);
  assert.deepEqual(shown(), [1]);
});

test("a change that comes too early for an update causes one later, also if nothing else changes", (t) => {
  const { rowOrder, view, store, filters, shown, at } = create(t, 3);
  filters.status.add(FAILED);
  filters.active = true;
  rowOrder.changeCriteria();
  shown();
  const before = view.draws;
  store.rows.status[2] = FAILED;
  rowOrder.markRowsChanged(); // the last change of a run
  at(400);
  assert.deepEqual(shown(), []);
  at(1000);
  t.mock.timers.tick(600);
  assert.equal(view.draws, before + 1);
  assert.deepEqual(shown(), [2]);
});

test("a text is searched for again after the last instance has ended, also if nothing else changes", (t) => {
  const { view, store, sent, find, shown, answer, at } = create(t);
  find("dear");
  answer([]);
  shown();
  store.header.counts = [0, 0, 4, 0, 0];
  at(3000);
  shown();
  assert.equal(sent.length, 1);
  const before = view.draws;
  at(4000);
  t.mock.timers.tick(1000);
  assert.equal(view.draws, before + 1);
  shown();
  assert.equal(sent.length, 2);
});

test("nothing is sent to a kernel that is gone", (t) => {
  const { rowOrder, view, store, sent, find, shown, answer, at } = create(t);
  find("x");
  answer([0]);
  shown();
  view.gone = true;
  store.rows.grow(9);
  store.generation += 1;
  at(60_000);
  shown();
  assert.deepEqual([sent.length, rowOrder.searching], [1, false]);
});

const NODES = ["", "Write", "Load"];
const ALL = { status: new Set(), node: null, sort: null, descending: false };

/** Rows, each given as [status, node, started, ended]. */
function rows(...states) {
  return {
    count: states.length,
    status: Uint8Array.from(states, ([status]) => status),
    node: Uint16Array.from(states, ([, node]) => node),
    started: Float32Array.from(states, ([, , started]) => started ?? NaN),
    ended: Float32Array.from(states, ([, , , ended]) => ended ?? NaN),
  };
}

const order = (some, criteria, found = null, now = 10) => {
  const ordered = orderOf(some, { ...ALL, ...criteria }, NODES, found, now);
  return ordered && [...ordered];
};

test("without criteria there is no order to compute", () => {
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

test("rows that the kernel found keep its order, without those that are gone", () => {
  const some = rows([2, 1], [3, 1], [2, 1]);
  assert.deepEqual(order(some, {}, Uint32Array.of(2, 9, 0, 1)), [2, 0, 1]);
  assert.deepEqual(order(some, { status: new Set([2]) }, Uint32Array.of(2, 1, 0)), [2, 0]);
});

test("rows with equal durations keep their order, and those that have not run come last", () => {
  const some = rows([2, 1, 0, 3], [0, 0], [2, 1, 1, 2], [1, 1, 8], [2, 1, 4, 5]);
  assert.deepEqual(order(some, { sort: "seconds" }), [2, 4, 3, 0, 1]);
  assert.deepEqual(order(some, { sort: "seconds", descending: true }), [0, 3, 2, 4, 1]);
});

test("descending reverses any order", () => {
  const some = rows([2, 1], [2, 2], [0, 0], [2, 1]);
  assert.deepEqual(order(some, { sort: "index", descending: true }), [3, 2, 1, 0]);
});

test("a hundred thousand rows come out as from a plain sort", () => {
  let seed = 1;
  const next = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const some = rows(...Array.from({ length: 100_000 }, () => [2, 1, 0, Math.fround(300 * next())]));
  const expected = Array.from(some.ended, (_, i) => i).sort((a, b) => Math.round(1e4 * some.ended[a]) - Math.round(1e4 * some.ended[b]) || a - b);
  assert.deepEqual(order(some, { sort: "seconds" }), expected);
});
