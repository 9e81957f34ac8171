// Which rows wait at a named limit, and which of them a view has to draw again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Waits } from "../../../../../flowmagic/notebook/panel/js/store/waits.js";

test("each row of a range waits for what its limit says", () => {
  const waits = new Waits();
  assert.deepEqual(waits.apply([{ text: "waits at a", ranges: [1, 2, 7, 7] }, { text: "waits at b", ranges: [4, 4] }]), [1, 2, 7, 4]);
  assert.deepEqual([0, 1, 2, 3, 4, 7].map((row) => waits.of(row)), ["", "waits at a", "waits at a", "", "waits at b", "waits at a"]);
});

test("only the rows of which something else is said are drawn again", () => {
  const waits = new Waits();
  waits.apply([{ text: "waits at a", ranges: [1, 4] }]);
  assert.deepEqual(waits.apply([{ text: "waits at a", ranges: [3, 5] }]), [1, 2, 5]);
  assert.deepEqual(waits.apply([{ text: "waits at b", ranges: [3, 3] }]), [3, 4, 5]);
  assert.deepEqual([waits.of(1), waits.of(3)], ["", "waits at b"]);
});
