import assert from "node:assert/strict";
import { test } from "node:test";
import { UndoHistory, cleared, doubled, pasted, renamed, tooLarge, withCell, withColumn, withRow, withoutColumn, withoutRows } from "../../../../../flowmagic/notebook/panel/js/editor/edits.js";

const SHEET = { columns: ["a", "b"], rows: [["1", "2"], ["3", "4"], ["5", "6"]] };
const EMPTY = { columns: [], rows: [] };
const block = (top, bottom, left = 0, right = 0) => ({ top, bottom, left, right });

test("each edit returns a new sheet and leaves the old one alone", () => {
  const before = JSON.stringify(SHEET);
  assert.deepEqual(withCell(SHEET, 1, 0, null).rows[1], [null, "4"]);
  assert.deepEqual(renamed(SHEET, 1, "c").columns, ["a", "c"]);
  assert.deepEqual(cleared(SHEET, block(0, 1, 1, 1)).rows, [["1", null], ["3", null], ["5", "6"]]);
  assert.deepEqual(withRow(SHEET, 1).rows[1], [null, null]);
  assert.deepEqual(doubled(SHEET, block(0, 1)).rows.map(([a]) => a), ["1", "3", "1", "3", "5"]);
  assert.deepEqual(withoutRows(SHEET, block(1, 2)).rows, [["1", "2"]]);
  assert.deepEqual(withColumn({ columns: ["param"], rows: [["1"]] }), { columns: ["param", "param2"], rows: [["1", null]] });
  assert.deepEqual(withoutColumn(SHEET, 0), { columns: ["b"], rows: [["2"], ["4"], ["6"]] });
  assert.equal(JSON.stringify(SHEET), before);
});

test("an empty sheet gets a column with its first row, and a row with its first column", () => {
  assert.deepEqual(withRow(EMPTY, 0), { columns: ["param"], rows: [[null]] });
  assert.deepEqual(withColumn(EMPTY), { columns: ["param"], rows: [[null]] });
});

test("an empty sheet takes its columns from the first pasted line if that looks like names", () => {
  const { sheet, block: position } = pasted(EMPTY, [["city", "n", "n"], ["Oslo", "3", ""]], 0, 0);
  assert.deepEqual(sheet, { columns: ["city", "n", "param"], rows: [['"Oslo"', "3", null]] });
  assert.deepEqual(position, { top: 0, left: 0, bottom: 0, right: 2 });
  assert.deepEqual(pasted(EMPTY, [["Oslo", "3"], ["Rome", "4"]], 0, 0).sheet.columns, ["param", "param2"]);
});

test("a pasted first line of the sheet's own names is no row, and says where the columns go", () => {
  const { sheet, block: position, named } = pasted(SHEET, [["b", "a"], ["20", "10"], ["40", "30", "x"]], 0, 0);
  assert.deepEqual(sheet.columns, ["a", "b", "param"]);
  assert.deepEqual(sheet.rows, [["10", "20", null], ["30", "40", '"x"'], ["5", "6", null]]);
  assert.deepEqual([position, named], [{ top: 0, left: 0, bottom: 1, right: 2 }, true]);
  assert.equal(pasted(SHEET, [["a", "b"]], 0, 0).named, false, "a single line is a row");
  assert.equal(pasted(SHEET, [["a", "z"], ["1", "2"]], 0, 0).named, false, "z is no param");
});

test("the sheet grows in both directions when a block is pasted", () => {
  const { sheet, block: position } = pasted(SHEET, [["x", "y"], ["[z", "7"]], 2, 1);
  assert.deepEqual(sheet.columns, ["a", "b", "param"]);
  assert.deepEqual(sheet.rows, [["1", "2", null], ["3", "4", null], ["5", '"x"', '"y"'], [null, '"[z"', "7"]]);
  assert.deepEqual(position, { top: 2, left: 1, bottom: 3, right: 2 });
});

test("a sheet that grows beyond what can be edited is rejected, one that shrinks is not", () => {
  const long = (n) => ({ columns: ["a"], rows: Array.from({ length: n }, () => ["1"]) });
  const wide = (n) => ({ columns: Array.from({ length: n }, (_, i) => `p${i}`), rows: [] });
  assert.equal(tooLarge(long(1_000), EMPTY), "");
  assert.match(tooLarge(long(1_001), long(1_000)), /up to 1,000 rows; this would make 1,001 rows/);
  assert.equal(tooLarge(long(1_200), long(1_201)), "");
  assert.equal(tooLarge(wide(100), EMPTY), "");
  assert.match(tooLarge(wide(101), EMPTY), /up to 100 params/);
});

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
