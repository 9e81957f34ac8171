import assert from "node:assert/strict";
import { test } from "node:test";

import { UndoHistory } from "../../../../../flowmagic/notebook/panel/js/editor/undo.js";

test("edits are undone and redone until there is a new edit", () => {
  const history = new UndoHistory();
  history.reset("a");
  assert.equal(history.undo(), null);
  history.add("b");
  history.add("b");
  history.add("c");
  assert.deepEqual([history.undo(), history.undo(), history.undo(), history.redo()], ["b", "a", null, "b"]);
  history.add("d");
  assert.equal(history.redo(), null);
  assert.equal(history.undo(), "b");
});
