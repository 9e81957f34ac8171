// What one page knows of a panel, from traits and deltas.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../../../../flowmagic/notebook/panel/js/store/store.js";
import { FAILED, RUNNING } from "../../../../../flowmagic/notebook/panel/js/store/protocol.js";

function snapshot(n, seq) {
  const view = new DataView(new ArrayBuffer(12 * n + 4));
  view.setUint32(12 * n, seq, true);
  return view;
}

function row(index, status) {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, index, true);
  view.setUint8(4, status);
  return view;
}

/** A store over a model with these traits, what it sent, and what its views were told. */
function made(traits) {
  const sent = [];
  const told = [];
  const model = { get: (name) => traits[name], send: (command) => sent.push(command) };
  const store = new Store(model);
  store.views.add((rows) => told.push(rows));
  return { store, traits, sent, told };
}

test("a delta tells the views which rows have changed, and a snapshot that all may have", () => {
  const { store, traits, told } = made({ snapshot: snapshot(4, 5), header: { ticking: true } });
  store.take({ type: "delta", seq: 6, packed: ["changed"], header: { elapsed: 1 } }, [row(2, RUNNING)]);
  assert.equal(store.rows.status[2], RUNNING);
  assert.deepEqual(told, [[2]]);
  store.take({ type: "delta", seq: 7, header: { elapsed: 2 } }, []);
  assert.deepEqual(told[1], []);
  traits.snapshot = snapshot(4, 8);
  store.read();
  assert.equal(told[2], "all");
});

test("after a gap the whole state is asked for, and nothing old is taken", () => {
  const { store, sent } = made({ snapshot: snapshot(4, 5), header: {} });
  store.take({ type: "delta", seq: 5, packed: ["changed"] }, [row(0, RUNNING)]);
  assert.equal(store.rows.status[0], 0, "the snapshot holds it already");
  store.take({ type: "delta", seq: 8, packed: ["changed"] }, [row(1, RUNNING)]);
  assert.equal(store.rows.status[1], RUNNING, "what came is right all the same");
  assert.deepEqual(sent.map(({ type }) => type), ["state"]);
});

test("the rate is that of what was worked off: not of rows taken over from a journal, or given up", () => {
  const header = { counts: [0, 0, 40, 10, 50], restored: 30, elapsed: 4, ticking: false };
  const { store } = made({ snapshot: snapshot(100, 1), header });
  assert.equal(store.rate, 5);
});

const words = (rows, outcome = "") => ({ rows, texts: rows.map(() => "x"), cells: rows.map(() => ["x"]), outcomes: rows.map(() => outcome) });

test("the words of rows are asked for once, and again when the row has ended since", () => {
  const { store, sent } = made({ snapshot: snapshot(250, 1), header: {} });
  store.want([195, 7, 196]);
  store.wantedAt = -Infinity;
  store.want([195, 7, 196]);
  assert.deepEqual(sent.map(({ rows }) => rows), [[195, 7, 196]]);
  store.take({ type: "delta", seq: 2, rows: [words([195, 7, 196])] }, []);
  store.wantedAt = -Infinity;
  store.want([7, 195]);
  assert.equal(sent.length, 1, "they are known");
  store.take({ type: "delta", seq: 3, packed: ["changed"] }, [row(7, FAILED)]);
  store.wantedAt = -Infinity;
  store.want([7, 195]);
  assert.deepEqual(sent[1].rows, [7], "what it came to is not");
});

test("new rows are asked for at once, and what has become of old ones once a second", (t) => {
  let time = 5_000;
  t.mock.method(performance, "now", () => time);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { store, sent, told } = made({ snapshot: snapshot(9, 1), header: {} });
  store.want([1]);
  store.take({ type: "delta", seq: 2, rows: [words([1])] }, []);
  store.take({ type: "delta", seq: 3, packed: ["changed"] }, [row(1, FAILED)]);
  store.asked.clear();
  time += 100;
  store.want([1]);
  assert.equal(sent.length, 1);
  const before = told.length;
  t.mock.timers.tick(100);
  assert.equal(told.length, before + 1, "it looks again, so that none is forgotten");
  store.want([1, 2]);
  assert.deepEqual(sent[1].rows, [1, 2]);
  store.asked.clear();
  store.words.set(2, { cells: [], outcome: "" });
  time += 900;
  store.want([1]);
  assert.equal(sent.length, 2);
  t.mock.timers.tick(100);
  time += 100;
  store.want([1]);
  assert.equal(sent.length, 3);
});

test("answers that nobody takes are dropped, the oldest first", () => {
  const { store } = made({ snapshot: snapshot(1, 1), header: {} });
  for (let n = 1; n < 20; n += 1) {
    store.take({ type: "delta", seq: n + 1, packed: [`found ${store.client} ${n}`], found: [{ client: store.client, n }] }, [new Uint8Array(4)]);
  }
  assert.deepEqual([...store.found.keys()], [16, 17, 18, 19]);
});

test("what a search found is kept by the number of its question, and others' is not", () => {
  const { store } = made({ snapshot: snapshot(9, 1), header: {} });
  const found = (client, n) => ({ client, n });
  const of = (...rows) => new Uint8Array(Uint32Array.from(rows).buffer);
  const packed = [`found ${store.client} 4`, "found another 4"];
  store.take({ type: "delta", seq: 2, packed, found: [found(store.client, 4), found("another", 4)] }, [of(8, 0), of(1)]);
  assert.deepEqual([...store.found], [[4, Uint32Array.of(8, 0)]]);
});

test("other columns make all words old", () => {
  const state = { snapshot: snapshot(3, 1), header: {}, texts: { ...words([0, 1]), columns: { names: ["a"], same: "", more: 0 }, labels: [] } };
  const { store } = made(state);
  store.take({ type: "delta", seq: 2, rows: [words([2])] }, []);
  assert.equal(store.words.size, 3);
  state.texts = { ...state.texts, columns: { names: ["a", "b"], same: "", more: 0 } };
  state.snapshot = snapshot(3, 3);
  store.read();
  assert.equal(store.words.size, 2);
});

test("counts in the graph that a delta does not tell of are as they were, until the whole comes", () => {
  const whole = (counts) => ({ nodes: [{ name: "A" }, { name: "B" }], edges: [[0, 1, "default"]], left: 0, counts });
  const none = { nodes: [], edges: [], unplaced: 0, behind: 0 };
  const { store, traits } = made({ snapshot: snapshot(1, 1), header: { ticking: true }, graph: whole(none) });
  const { nodes } = store.graph;
  const first = { nodes: [[0, 1, 0, 0, ""], [1, 0, 0, 0, ""]], edges: [[0, 1]], unplaced: 0, behind: 3 };
  store.take({ type: "delta", seq: 2, graph: first }, []);
  store.take({ type: "delta", seq: 3, graph: { nodes: [[1, 2, 0, 0, ""]], edges: [], unplaced: 1, behind: 0 } }, []);
  assert.deepEqual(store.graph.counts, { nodes: [[0, 1, 0, 0, ""], [1, 2, 0, 0, ""]], edges: [[0, 1]], unplaced: 1, behind: 0 });
  assert.equal(store.graph.nodes, nodes, "what is drawn is known by it");
  traits.snapshot = snapshot(1, 4);
  traits.graph = whole(none);
  store.read();
  assert.deepEqual(store.graph.counts, none);
});
