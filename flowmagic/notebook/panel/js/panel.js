// The entry point of the panel's script: one store per model, any number of views of it.
//
// All text from the kernel is untrusted: it enters the page as textContent only. Nothing here waits
// for an answer from the kernel, which may be busy with a cell: the kernel sends what it knows on its
// own, and a view draws what the store holds.
//
// `esm.py` joins the modules into the one file that the page loads.

import { Store } from "./store/store.js";
import { addStyleSheet } from "./ui/style_sheet.js";
import { View } from "./view.js";

/**
 * One store per model. The panel's id is the key, since each hook gets its own proxy of the model.
 * @type {Map<string, Store>}
 */
const stores = new Map();

function storeOf(model) {
  const id = model.get("panel_id");
  let store = stores.get(id);
  if (!store) {
    store = new Store(model);
    stores.set(id, store);
    const created = store;
    model.on("change", () => created.readState());
    model.on("msg:custom", (message, buffers) => created.applyDelta(message, buffers));
  }
  return store;
}

function initialize({ model }) {
  stores.delete(model.get("panel_id")); // a store of a model that this one replaces
  const store = storeOf(model);
  return () => {
    store.dispose();
    if (stores.get(model.get("panel_id")) === store) stores.delete(model.get("panel_id"));
  };
}

function render({ model, el }) {
  addStyleSheet(el, model.get("style_sheet"));
  const view = new View(storeOf(model), el);
  return () => view.remove();
}

export default { initialize, render };
