// The texts of rows, and when they are requested.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FAILED, SUCCEEDED } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";
import { create, row, snapshot } from "./stores.mjs";

const textsOf = (rows, outcome = "", action = "") => ({
  rows, texts: rows.map(() => "x"), cells: rows.map(() => ["x"]), outcomes: rows.map(() => outcome),
  actions: rows.map(() => action), chains: rows.map(() => []), pictures: [],
});

test("the texts of rows are requested once, and again when a row has ended", () => {
  const { store, sent } = create({ snapshot: snapshot(250, 1), header: {} });
  store.requestRows([195, 7, 196]);
  store.texts.requestedAt = -Infinity;
  store.requestRows([195, 7, 196]);
  assert.deepEqual(sent.map(({ rows }) => rows), [[195, 7, 196]]);
  store.applyDelta({ type: "delta", seq: 2, rows: [textsOf([195, 7, 196])] }, []);
  store.texts.requestedAt = -Infinity;
  store.requestRows([7, 195]);
  assert.equal(sent.length, 1, "their texts are known");
  store.applyDelta({ type: "delta", seq: 3, packed: ["changed"] }, [row(7, FAILED)]);
  store.texts.requestedAt = -Infinity;
  store.requestRows([7, 195]);
  assert.deepEqual(sent[1].rows, [7], "its outcome is not known");
});

test("new rows are requested at once, and stale ones once a second", (t) => {
  let time = 5_000;
  t.mock.method(performance, "now", () => time);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { store, sent, notified } = create({ snapshot: snapshot(9, 1), header: {} });
  store.requestRows([1]);
  store.applyDelta({ type: "delta", seq: 2, rows: [textsOf([1])] }, []);
  store.applyDelta({ type: "delta", seq: 3, packed: ["changed"] }, [row(1, FAILED)]);
  store.texts.requested.clear();
  time += 100;
  store.requestRows([1]);
  assert.equal(sent.length, 1);
  const before = notified.length;
  t.mock.timers.tick(100);
  assert.equal(notified.length, before + 1, "the views are notified, so that no row is forgotten");
  store.requestRows([1, 2]);
  assert.deepEqual(sent[1].rows, [1, 2]);
  store.texts.requested.clear();
  store.applyDelta({ type: "delta", seq: 4, rows: [textsOf([2])] }, []);
  time += 900;
  store.requestRows([1]);
  assert.equal(sent.length, 2);
  t.mock.timers.tick(100);
  time += 100;
  store.requestRows([1]);
  assert.equal(sent.length, 3);
});

test("an output that comes with the end of its row is not requested, and one of an earlier attempt is none", () => {
  const { store, sent } = create({ snapshot: snapshot(9, 1), header: {} });
  store.applyDelta({ type: "delta", seq: 2, rows: [textsOf([1])] }, []);
  store.applyDelta({ type: "delta", seq: 3, packed: ["changed"], rows: [textsOf([1], "ValueError")] }, [row(1, FAILED)]);
  assert.equal(store.texts.isFresh(1), true);
  store.requestRows([1]);
  assert.equal(sent.length, 0);
  const again = row(1, FAILED);
  again.setUint8(5, 1); // one earlier attempt
  store.applyDelta({ type: "delta", seq: 4, packed: ["changed"] }, [again]);
  assert.equal(store.texts.isFresh(1), false);
});

test("the outputs of a run are not shown in the next one", () => {
  const { store, traits } = create({ snapshot: snapshot(3, 1), header: { ticking: false } });
  store.applyDelta({ type: "delta", seq: 2, packed: ["changed"], rows: [textsOf([2], "Dear", "done")] }, [row(2, SUCCEEDED)]);
  assert.deepEqual([store.texts.rows.get(2).outcome, [...store.texts.actions]], ["Dear", ["done"]]);
  traits.snapshot = snapshot(3, 3);
  traits.header = { ticking: true };
  store.readState();
  assert.deepEqual([store.texts.rows.size, store.texts.actions.size], [0, 0]);
});
