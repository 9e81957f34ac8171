// The state of a panel in a page, from traits and deltas.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RUNNING } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";
import { create, row, snapshot } from "./stores.mjs";

test("a delta notifies the views of changed rows, and a snapshot of all rows", () => {
  const { store, traits, notified } = create({ snapshot: snapshot(4, 5), header: { ticking: true } });
  store.applyDelta({ type: "delta", seq: 6, packed: ["changed"], header: { elapsed: 1 } }, [row(2, RUNNING)]);
  assert.equal(store.rows.status[2], RUNNING);
  assert.deepEqual(notified, [[2]]);
  store.applyDelta({ type: "delta", seq: 7, header: { elapsed: 2 } }, []);
  assert.deepEqual(notified[1], []);
  traits.snapshot = snapshot(4, 8);
  store.readState();
  assert.equal(notified[2], "all");
});

test("a running row that waits at a named limit says so, and is drawn again when that changes", () => {
  const { store, notified } = create({ snapshot: snapshot(4, 5), header: { ticking: true } });
  const waits = [{ text: "waits at openai: 1 call at once", ranges: [1, 2] }];
  store.applyDelta({ type: "delta", seq: 6, packed: ["changed"], header: { waits } }, [row(2, RUNNING)]);
  assert.deepEqual(notified, [[2, 1, 2]]);
  assert.deepEqual([1, 2, 3].map((i) => store.waitOf(i)), ["", "waits at openai: 1 call at once", ""]);
  store.applyDelta({ type: "delta", seq: 7, header: { ticking: false } }, []);
  assert.equal(store.waitOf(2), "");
});

test("after a gap the whole state is requested, and old deltas are ignored", () => {
  const { store, sent } = create({ snapshot: snapshot(4, 5), header: {} });
  store.applyDelta({ type: "delta", seq: 5, packed: ["changed"] }, [row(0, RUNNING)]);
  assert.equal(store.rows.status[0], 0, "the snapshot contains it already");
  store.applyDelta({ type: "delta", seq: 8, packed: ["changed"] }, [row(1, RUNNING)]);
  assert.equal(store.rows.status[1], RUNNING, "the delta is right nevertheless");
  assert.deepEqual(sent.map(({ type }) => type), ["state"]);
});

test("the rate counts neither restored nor cancelled rows", () => {
  const header = { counts: [0, 0, 40, 10, 50], restored: 30, elapsed: 4, ticking: false };
  const { store } = create({ snapshot: snapshot(100, 1), header });
  assert.equal(store.rate, 5);
});

const textsOf = (rows, outcome = "", action = "") => ({
  rows, texts: rows.map(() => "x"), cells: rows.map(() => ["x"]), outcomes: rows.map(() => outcome),
  actions: rows.map(() => action), chains: rows.map(() => []), pictures: [],
});

test("answers that nobody reads are dropped, the oldest first", () => {
  const { store } = create({ snapshot: snapshot(1, 1), header: {} });
  for (let n = 1; n < 20; n += 1) {
    store.applyDelta({ type: "delta", seq: n + 1, packed: [`search ${store.client} ${n}`], searches: [{ client: store.client, n }] }, [new Uint8Array(4)]);
  }
  assert.deepEqual([...store.searchResults.keys()], [16, 17, 18, 19]);
});

test("search results are kept by the number of the command, without those of other pages", () => {
  const { store } = create({ snapshot: snapshot(9, 1), header: {} });
  const done = (client, n) => ({ client, n });
  const of = (...rows) => new Uint8Array(Uint32Array.from(rows).buffer);
  const packed = [`search ${store.client} 4`, "search another 4"];
  store.applyDelta({ type: "delta", seq: 2, packed, searches: [done(store.client, 4), done("another", 4)] }, [of(8, 0), of(1)]);
  assert.deepEqual([...store.searchResults], [[4, Uint32Array.of(8, 0)]]);
});

test("other columns invalidate all texts", () => {
  const state = { snapshot: snapshot(3, 1), header: {}, texts: { ...textsOf([0, 1]), columns: { names: ["a"], same: "", more: 0 }, labels: [] } };
  const { store } = create(state);
  store.applyDelta({ type: "delta", seq: 2, rows: [textsOf([2])] }, []);
  assert.equal(store.texts.rows.size, 3);
  state.texts = { ...state.texts, columns: { names: ["a", "b"], same: "", more: 0 } };
  state.snapshot = snapshot(3, 3);
  store.readState();
  assert.equal(store.texts.rows.size, 2);
});

test("counts of the graph that a delta omits stay as they were, until the next snapshot", () => {
  const whole = (counts) => ({ nodes: [{ name: "A" }, { name: "B" }], edges: [[0, 1, "default"]], omitted: 0, counts });
  const none = { nodes: [], edges: [], unplaced: 0, uncounted: 0 };
  const { store, traits } = create({ snapshot: snapshot(1, 1), header: { ticking: true }, graph: whole(none) });
  const { nodes } = store.graph;
  const first = { nodes: [[0, 1, 0, 0, ""], [1, 0, 0, 0, ""]], edges: [[0, 1]], unplaced: 0, uncounted: 3 };
  store.applyDelta({ type: "delta", seq: 2, graph: first }, []);
  store.applyDelta({ type: "delta", seq: 3, graph: { nodes: [[1, 2, 0, 0, ""]], edges: [], unplaced: 1, uncounted: 0 } }, []);
  assert.deepEqual(store.graph.counts, { nodes: [[0, 1, 0, 0, ""], [1, 2, 0, 0, ""]], edges: [[0, 1]], unplaced: 1, uncounted: 0 });
  assert.equal(store.graph.nodes, nodes, "the identity of the nodes stays");
  traits.snapshot = snapshot(1, 4);
  traits.graph = whole(none);
  store.readState();
  assert.deepEqual(store.graph.counts, none);
});
