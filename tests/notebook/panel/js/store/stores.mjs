// Stores made by hand, and the messages they get.

import { Store } from "../../../../../flowmagic/notebook/panel/js/store/store.js";

export function snapshot(n, seq) {
  const view = new DataView(new ArrayBuffer(12 * n + 4));
  view.setUint32(12 * n, seq, true);
  return view;
}

export function row(index, status) {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, index, true);
  view.setUint8(4, status);
  return view;
}

/** A store of a model with these traits, the commands it sent, and the changes its views were notified of. */
export function create(traits) {
  const sent = [];
  const notified = [];
  const model = { get: (name) => traits[name], send: (command) => sent.push(command) };
  const store = new Store(model);
  store.views.add((rows) => notified.push(rows));
  return { store, traits, sent, notified };
}
