import assert from "node:assert/strict";
import { test } from "node:test";

import { appended, combine, joinCopied, kindOf, readCell, readSheet, shownCell, splitPasted, writeSheet } from "../../flowmagic/notebook/front/sheettext.js";

test("a list of dicts becomes rows and columns, each value as it was written", () => {
  const text = '[\n  {"a": 1.0, "b": "x, \\"y\\" ]"},\n  {"b": [1, {"c": 2}], "d: e": 12345678901234567890}\n]';
  const sheet = readSheet(text);
  assert.deepEqual(sheet, {
    columns: ["a", "b", "d: e"],
    rows: [["1.0", '"x, \\"y\\" ]"', null], [null, '[1, {"c": 2}]', "12345678901234567890"]],
  });
  assert.equal(writeSheet(sheet), text);
});

test("an empty list, an empty dict and a trailing line are read too", () => {
  assert.deepEqual(readSheet("[]"), { columns: [], rows: [] });
  assert.deepEqual(readSheet(' [ {} , {"a":null} ]\n'), { columns: ["a"], rows: [[null], ["null"]] });
  assert.equal(writeSheet({ columns: [], rows: [] }), "[]");
  assert.equal(writeSheet({ columns: ["a"], rows: [[null]] }), "[\n  {}\n]");
});

test("what is no JSON, or no list of dicts, is edited as text", () => {
  assert.match(readSheet("[{'a': None}]").reason, /no JSON/);
  assert.match(readSheet("[1]").reason, /no list of dicts/);
  assert.match(readSheet('{"a": 1}').reason, /no list of dicts/);
});

test("a text needs no quotes where it is clear that it is one", () => {
  for (const [typed, cell] of [["gpt-4", '"gpt-4"'], ["3", "3"], ["true", "true"], ['"3"', '"3"'], ["[1,2]", "[1,2]"], ["", null], [" ", '" "'], ["None", '"None"'], ["07", '"07"']]) {
    assert.deepEqual(readCell(typed), { cell, problem: "" }, typed);
    if (cell !== null) assert.equal(readCell(shownCell(cell)).cell, cell, typed);
  }
  assert.equal(shownCell('"gpt-4"'), "gpt-4");
  assert.equal(shownCell('"3"'), '"3"');
  assert.equal(shownCell('""'), '""');
  assert.equal(shownCell('"two\\nlines"'), '"two\\nlines"');
  assert.match(readCell("[1,").problem, /begins like JSON and is none/);
});

test("cells are told apart by what they hold", () => {
  assert.deepEqual([null, "1", "-2.5", '"x"', "null", "[1]"].map(kindOf), ["none", "number", "number", "text", "json", "json"]);
});

test("tables from a spreadsheet and CSV are split, quotes included", () => {
  assert.deepEqual(splitPasted("a\tb\r\n1\t\"x\ty\"\r\n"), [["a", "b"], ["1", "x\ty"]]);
  assert.deepEqual(splitPasted('a,"b ""c"", d"\n,2'), [["a", 'b "c", d'], ["", "2"]]);
  assert.deepEqual(splitPasted("one"), [["one"]]);
});

test("what is copied can be pasted again", () => {
  const block = [['"x"', "1"], [null, '"a\\tb"']];
  assert.deepEqual(splitPasted(joinCopied(block)).map((line) => line.map((text) => readCell(text).cell)), [['"x"', "1"], [null, '"a\\tb"']]);
});

test("values are combined as flowmagic.grid does", () => {
  const params = [{ name: "m", values: ['"a"', '"b"'] }, { name: "t", values: ["0", "1"] }];
  assert.deepEqual(combine(params).rows, [['"a"', "0"], ['"a"', "1"], ['"b"', "0"], ['"b"', "1"]]);
  assert.deepEqual(combine([]).rows, []);
  assert.deepEqual(appended({ columns: ["t", "x"], rows: [["5", "6"]] }, combine([{ name: "m", values: ["1"] }, { name: "t", values: ["2"] }])), {
    columns: ["t", "x", "m"], rows: [["5", "6", null], ["2", null, "1"]],
  });
});
