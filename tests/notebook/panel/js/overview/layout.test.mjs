// The positions of the cells in the overview.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cellAt, cornerOf, keyTo, layout } from "../../../../../flowmagic/notebook/panel/js/overview/layout.js";

const SIZES = [1, 2, 3, 7, 10, 59, 60, 61, 300, 1_000, 4_321, 10_000, 100_000, 1_000_000];
const WIDTHS = [5, 30, 250, 333.3, 1_080, 2_500];
const SCALES = [0.5, 1, 1.25, 2, 3];

function* all() {
  for (const n of SIZES) for (const width of WIDTHS) for (const scale of SCALES) yield layout(n, width, scale);
}

test("every instance has its own cell, within the width", () => {
  for (const width of WIDTHS) {
    for (const scale of SCALES) {
      for (const n of SIZES) {
        const made = layout(n, width, scale);
        assert.equal(made.n, n);
        assert.ok(made.columns * made.lines >= n);
        assert.ok(made.columns * (made.lines - 1) < n, "no line is empty");
        assert.ok(made.width <= Math.floor(width * scale), `${n} at ${width} x ${scale}`);
        assert.ok(Object.entries(made).every(([name, value]) => ["kind", "scale"].includes(name) || Number.isInteger(value)));
      }
    }
  }
});

test("a cell is found at its first and at its last pixel", () => {
  for (const made of all()) {
    for (const index of [0, 1, made.columns - 1, made.columns, made.n >> 1, made.n - 1]) {
      if (index >= made.n) continue;
      const { x, y } = cornerOf(made, index);
      assert.equal(cellAt(made, x, y), index);
      assert.equal(cellAt(made, x + made.dx - 1, y + made.dy - 1), index);
    }
    assert.equal(cellAt(made, -1, 0), -1);
    assert.equal(cellAt(made, 0, -1), -1);
    assert.equal(cellAt(made, made.columns * made.dx, 0), -1);
    const { x, y } = cornerOf(made, made.n);
    assert.equal(cellAt(made, x, y), -1);
  }
});

test("the height is limited to about 180 pixels, a little more for cards", () => {
  for (const made of all()) assert.ok(made.shown / made.scale <= (made.kind === "cards" ? 233 : 181));
});

test("a few instances are cards, a thousand are squares, a hundred thousand are pixels", () => {
  assert.equal(layout(10, 1_080, 1).kind, "cards");
  assert.equal(layout(60, 1_080, 1).kind, "cards");
  assert.equal(layout(60, 250, 1).kind, "squares", "there is no room for text");
  const thousand = layout(1_000, 1_080, 1);
  assert.equal(thousand.kind, "squares");
  assert.ok(thousand.dx - thousand.gap >= 9);
  for (const scale of [1, 2]) {
    const many = layout(100_000, 1_080, scale);
    assert.equal(many.kind, "pixels");
    assert.equal(many.height, many.shown, "nothing scrolls");
  }
  const most = layout(1_000_000, 1_080, 1);
  assert.ok(most.height > most.shown, "what does not fit scrolls");
});

test("without instances or width there are no cells", () => {
  for (const made of [layout(0, 1_000, 1), layout(5, 0, 1), layout(5, 0.4, 1)]) {
    assert.deepEqual([made.kind, made.n, made.height, cellAt(made, 0, 0)], ["none", 0, 0, -1]);
  }
});

test("keys lead to the neighbours, but never out of the batch", () => {
  const made = layout(1_000, 1_080, 1);
  const { columns, n } = made;
  assert.equal(keyTo(made, "ArrowRight", 5), 6);
  assert.equal(keyTo(made, "ArrowLeft", 5), 4);
  assert.equal(keyTo(made, "ArrowDown", 5), 5 + columns);
  assert.equal(keyTo(made, "ArrowUp", 5 + columns), 5);
  assert.equal(keyTo(made, "ArrowUp", 5), 5, "up from the first line leads nowhere");
  assert.equal(keyTo(made, "ArrowDown", n - 1), n - 1);
  assert.equal(keyTo(made, "ArrowLeft", 0), 0);
  assert.equal(keyTo(made, "ArrowRight", n - 1), n - 1);
  assert.equal(keyTo(made, "Home", 500), 0);
  assert.equal(keyTo(made, "End", 500), n - 1);
  assert.equal((keyTo(made, "PageDown", 5) - 5) % columns, 0);
  assert.ok(keyTo(made, "PageDown", 5) > 5 + columns);
  assert.equal(keyTo(made, "PageUp", 5), 0);
  assert.equal(keyTo(made, "a", 5), null);
  const line = layout(3, 1_080, 1);
  assert.equal(keyTo(line, "ArrowDown", 1), 1);
});
