// The panel in the page: one store per model, any number of views of it.
//
// Everything that comes from the kernel is somebody's text: it enters the page as textContent only.
// Nothing here needs an answer from the kernel, which may be busy with a cell: what it knows it sends
// by itself, and a view draws what the store has.
//
// Each module is one noun. `script.py` joins them into the one file that the page is given.

import { Store } from "./store/store.js";
import { View } from "./view.js";

/**
 * One store per model. Each hook gets a proxy of its own of the model, so the panel's id is the key.
 * @type {Map<string, Store>}
 */
const stores = new Map();

function storeOf(model) {
  const id = model.get("panel_id");
  let store = stores.get(id);
  if (!store) {
    store = new Store(model);
    stores.set(id, store);
    const known = store;
    model.on("change", () => known.read());
    model.on("msg:custom", (message, buffers) => known.take(message, buffers));
  }
  return store;
}

function initialize({ model }) {
  stores.delete(model.get("panel_id")); // of a model that this one replaces
  const store = storeOf(model);
  return () => {
    store.dispose();
    if (stores.get(model.get("panel_id")) === store) stores.delete(model.get("panel_id"));
  };
}

function render({ model, el }) {
  const view = new View(storeOf(model), el);
  return () => view.remove();
}

export default { initialize, render };
