// Which columns the table has.

import assert from "node:assert/strict";
import { test } from "node:test";

import { columnsFor } from "../../../../../flowmagic/notebook/panel/js/table/columns.js";

const store = ({ names = ["city", "n"], more = 0, labels = [], actions = [] }) => ({
  columns: { names, numeric: names.map(() => false), more }, labels, texts: { actions: new Set(actions) }, rows: { count: 9 }, attempts: { retried: new Set() },
});
const names = (given, width) => columnsFor(store(given), width).map(({ name }) => name);

test("params and output stand side by side, at any width", () => {
  assert.deepEqual(names({}, 900), ["#", "status", "city", "n", "output", "time"]);
  assert.deepEqual(names({}, 400), ["#", "status", "params", "output", "time"]);
  assert.deepEqual(names({}, 300), ["#", "status", "params", "output"]);
});

test("node copies and actions have columns if there are some and there is room", () => {
  const few = { labels: ["a"], actions: ["", "approve"] };
  assert.deepEqual(names(few, 900), ["#", "status", "city", "n", "node copies", "output", "action", "time"]);
  assert.deepEqual(names(few, 500), ["#", "status", "params", "output", "time"]);
  assert.deepEqual(names({ actions: ["approve"] }, 900), ["#", "status", "city", "n", "output", "time"], "all have the same");
});

test("params that do not fit share one column", () => {
  const many = { names: ["a", "b", "c", "d", "e", "f", "g", "h"], more: 3 };
  assert.deepEqual(names(many, 800), ["#", "status", "a", "b", "all params", "output", "time"]);
});
