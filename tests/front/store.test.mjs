// What one page knows of a panel, from traits and deltas.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../flowmagic/notebook/front/store.js";
import { RUNNING } from "../../flowmagic/notebook/front/wire.js";

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

test("params are asked for a hundred rows at a time, and not twice at once", () => {
  const { store, sent } = made({ snapshot: snapshot(250, 1), header: {} });
  store.want(195, 205);
  store.want(195, 205);
  assert.deepEqual(sent.map(({ first, last }) => [first, last]), [[100, 200], [200, 250]]);
  store.take({ type: "delta", seq: 2, rows: [{ first: 100, texts: Array(100).fill("x") }] }, []);
  store.asked.clear();
  store.want(150, 160);
  assert.equal(sent.length, 2, "they are known");
});
