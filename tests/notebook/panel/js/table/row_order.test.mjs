// The rows that the table shows, while rows, wishes and the kernel's answers change.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arranged } from "../../../../../flowmagic/notebook/panel/js/table/row_order.js";
import { Rows } from "../../../../../flowmagic/notebook/panel/js/store/rows.js";
import { FAILED, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";

/** A table's rows over a store that keeps what is sent; time is what `at` says. */
function made(t, n = 4) {
  let time = 0;
  t.mock.method(performance, "now", () => time);
  const rows = new Rows();
  rows.grow(n);
  const sent = [];
  const store = {
    rows, found: new Map(), batch: 0, elapsed: 10, columns: { names: ["city", "n"] },
    header: { nodes: ["", "A"], counts: [n, 0, 0, 0, 0] },
    send: (command) => sent.push(command),
  };
  const filters = { active: false, status: new Set(), node: null, text: "" };
  const view = { id: "v", store, gone: false, later: () => {} };
  const arranged = new Arranged(view, filters);
  const find = (text) => {
    Object.assign(filters, { text, active: text !== "" });
    arranged.wish();
  };
  const shown = () => {
    arranged.refresh();
    return Array.from({ length: arranged.count }, (_, place) => arranged.at(place));
  };
  const answer = (found) => store.found.set(sent.length, Uint32Array.from(found));
  const at = (milliseconds) => { time = milliseconds; };
  return { arranged, filters, store, view, sent, find, shown, answer, at };
}

test("what the kernel finds is shown when it has answered, and until then all there is", (t) => {
  const { arranged, store, sent, find, shown, answer } = made(t);
  find("rome");
  assert.deepEqual(sent, [{ type: "find", view: "v", text: "rome", sort: null, descending: false }]);
  assert.deepEqual([shown(), arranged.asking], [[0, 1, 2, 3], true]);
  answer([3, 1]);
  assert.deepEqual([shown(), arranged.asking], [[3, 1], false]);
  assert.equal(store.found.size, 0);
  assert.deepEqual([arranged.placeOf(1), arranged.placeOf(0)], [1, -1]);
  find("");
  assert.deepEqual(shown(), [0, 1, 2, 3]);
});

test("an answer to an earlier question is not taken", (t) => {
  const { find, shown, answer, store } = made(t);
  find("ro");
  find("rome");
  store.found.set(1, Uint32Array.of(0));
  assert.deepEqual(shown(), [0, 1, 2, 3]);
  answer([1]);
  assert.deepEqual(shown(), [1]);
});

test("rows drawn and errors make it ask again, but not more often than the kernel can bear", (t) => {
  const { store, sent, find, shown, answer, at } = made(t);
  find("no");
  at(3000); // it took so long
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
  assert.equal(sent.length, 2, "nothing is new");
});

test("an order by a param does not depend on errors", (t) => {
  const { arranged, store, sent, shown, answer, at } = made(t);
  arranged.sortBy("param", 1, "n");
  answer([3, 2, 1, 0]);
  assert.deepEqual(shown(), [3, 2, 1, 0]);
  store.header.counts = [0, 0, 0, 4, 0];
  at(60_000);
  shown();
  assert.equal(sent.length, 1);
});

test("of other rows it is asked anew, by the column of the same name", (t) => {
  const { arranged, store, sent, shown, answer } = made(t);
  arranged.sortBy("param", 1, "n");
  shown(); // the kernel has the question, and forgets it
  store.batch += 1;
  store.columns = { names: ["n"] };
  shown();
  assert.deepEqual(sent.at(-1), { type: "find", view: "v", text: "", sort: 0, descending: false });
  assert.equal(arranged.direction("param", 0), "ascending");
  answer([2, 3]);
  assert.deepEqual(shown(), [2, 3]);
  store.batch += 1;
  store.columns = { names: ["city"] };
  assert.deepEqual(shown(), [0, 1, 2, 3]);
  assert.deepEqual([arranged.sort, arranged.asking, sent.length], [null, false, 2]);
});

test("a press sorts, the next one turns it round, and the third gives the order back", (t) => {
  const { arranged, store, shown } = made(t, 3);
  store.rows.status.set([FAILED, SUCCEEDED, FAILED]);
  const press = () => {
    arranged.sortBy("status", -1);
    return [arranged.direction("status", -1), ...shown()];
  };
  assert.deepEqual([press(), press(), press()], [["ascending", 1, 0, 2], ["descending", 0, 2, 1], ["", 0, 1, 2]]);
});

test("rows that change are arranged anew once a second", (t) => {
  const { arranged, store, filters, shown, at } = made(t, 3);
  filters.status.add(FAILED);
  filters.active = true;
  arranged.wish();
  assert.deepEqual(shown(), []);
  store.rows.status[1] = FAILED;
  arranged.mark();
  at(900);
  assert.deepEqual(shown(), []);
  at(1000);
  assert.deepEqual(shown(), [1]);
});

test("of a kernel that is gone nothing is asked", (t) => {
  const { arranged, view, store, sent, find, shown, answer, at } = made(t);
  find("x");
  answer([0]);
  shown();
  view.gone = true;
  store.rows.grow(9);
  store.batch += 1;
  at(60_000);
  shown();
  assert.deepEqual([sent.length, arranged.asking], [1, false]);
});
