import assert from "node:assert/strict";
import { test } from "node:test";
import { appended, checkJson, combine, joinCopied, kindOf, readCell, readSheet, shownCell, splitPasted, splitValues, writeSheet } from "../../../../../flowmagic/notebook/panel/js/editor/sheet_text.js";

test("a list of dicts becomes rows and columns, each value as it was written", () => {
  const text = '[\n  {"a": 1.0, "b": "x, \\"y\\" ]"},\n  {"b": [1, {"c": 2}], "d: e": 12345678901234567890}\n]';
  const sheet = readSheet(text);
  assert.deepEqual(sheet, {
    columns: ["a", "b", "d: e"],
    rows: [["1.0", '"x, \\"y\\" ]"', null], [null, '[1, {"c": 2}]', "12345678901234567890"]],
  });
  assert.equal(writeSheet(sheet), text);
});

test("NaN and Infinity are numbers like any other, and in quotes they are text", () => {
  const text = '[\n  {"a": NaN, "b": "NaN, -Infinity"},\n  {"a": -Infinity, "b": [Infinity, "\\"NaN"]}\n]';
  const sheet = readSheet(text);
  assert.deepEqual(sheet.rows, [["NaN", '"NaN, -Infinity"'], ["-Infinity", '[Infinity, "\\"NaN"]']]);
  assert.equal(writeSheet(sheet), text);
  assert.deepEqual(["NaN", "-Infinity", "Infinity"].map(kindOf), ["number", "number", "number"]);
  assert.deepEqual(readCell("NaN"), { cell: "NaN", problem: "" });
  assert.equal(readCell("NaNs").cell, '"NaNs"');
  assert.equal(shownCell('"NaN"'), '"NaN"');
  assert.deepEqual(checkJson(text), { count: 2, unsure: false });
});

test("an empty list, an empty dict and a trailing line are read, too", () => {
  assert.deepEqual(readSheet("[]"), { columns: [], rows: [] });
  assert.deepEqual(readSheet(' [ {} , {"a":null} ]\n'), { columns: ["a"], rows: [[null], ["null"]] });
  assert.equal(writeSheet({ columns: [], rows: [] }), "[]");
  assert.equal(writeSheet({ columns: ["a"], rows: [[null]] }), "[\n  {}\n]");
});

test("anything but a JSON list of dicts is edited as text", () => {
  assert.match(readSheet("[{'a': None}]").reason, /not JSON/);
  assert.match(readSheet("[1]").reason, /not a list of dicts/);
  assert.match(readSheet('{"a": 1}').reason, /not a list of dicts/);
});

test("a string needs no quotes unless it would be ambiguous", () => {
  for (const [typed, cell] of [["gpt-4", '"gpt-4"'], ["3", "3"], ["true", "true"], ['"3"', '"3"'], ["[1,2]", "[1,2]"], ["", null], [" ", '" "'], ["None", '"None"'], ["07", '"07"']]) {
    assert.deepEqual(readCell(typed), { cell, problem: "" }, typed);
    if (cell !== null) assert.equal(readCell(shownCell(cell)).cell, cell, typed);
  }
  assert.equal(shownCell('"gpt-4"'), "gpt-4");
  assert.equal(shownCell('"3"'), '"3"');
  assert.equal(shownCell('""'), '""');
  // An input has a single line: a string with line breaks is shown as JSON, or editing would lose them.
  for (const cell of ['"two\\nlines"', '"a\\rb"', '"a\\u0000b"']) assert.equal(shownCell(cell), cell);
  assert.match(readCell("[1,").problem, /starts like JSON but is not valid JSON/);
});

test("cells have a kind that depends on their value", () => {
  assert.deepEqual([null, "1", "-2.5", '"x"', "null", "[1]"].map(kindOf), ["none", "number", "number", "text", "json", "json"]);
});

test("tables from a spreadsheet and CSV are split, quotes included", () => {
  assert.deepEqual(splitPasted("a\tb\r\n1\t\"x\ty\"\r\n"), [["a", "b"], ["1", "x\ty"]]);
  assert.deepEqual(splitPasted('a,"b ""c"", d"\n,2'), [["a", 'b "c", d'], ["", "2"]]);
  assert.deepEqual(splitPasted("\ufeffa;b\n1,5;2"), [["a", "b"], ["1,5", "2"]]);
  assert.deepEqual(splitPasted("a\t\n\tb\n"), [["a", ""], ["", "b"]]);
  assert.deepEqual(splitPasted('x\t"two\nlines"\ty'), [["x", "two\nlines", "y"]]);
  assert.deepEqual(splitPasted("one"), [["one"]]);
});

test("a sentence with commas and quotes is not split", () => {
  assert.deepEqual(splitPasted("Hello, world"), [["Hello, world"]]);
  assert.deepEqual(splitPasted("Yes, but no\nMaybe"), [["Yes, but no"], ["Maybe"]]);
  assert.deepEqual(splitPasted('"Hi" said he\tb'), [['"Hi" said he', "b"]]);
  assert.deepEqual(splitPasted('"open\tb\nc\td'), [['"open', "b"], ["c", "d"]]);
});

test("values are split at commas or line breaks, but not within brackets or quotes", () => {
  assert.deepEqual(splitValues(' a, [1, 2] ,"x, y",{"k": [0, 1]},'), ["a", "[1, 2]", '"x, y"', '{"k": [0, 1]}']);
  assert.deepEqual(splitValues("Hello, you\n\n  Goodbye, you \n"), ["Hello, you", "Goodbye, you"]);
  assert.deepEqual(splitValues("  "), []);
});

test("a list with too many params is edited as text", () => {
  const dict = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`p${i}`, i]));
  assert.match(readSheet(JSON.stringify([dict])).reason, /More than 100 params/);
});

test("copied cells can be pasted again", () => {
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

test("any values survive the table and the clipboard", () => {
  let state = 1;
  const pick = (list) => list[(state = (state * 48271) % 0x7fffffff) % list.length];
  const piece = () => pick(['"', "\\", ",", ";", "\t", "\n", "\r", "[", "{", "}", "]", ":", " ", "a", "7", "•••", "\u2028", "😀", "\ud800", "null", "1e5"]);
  const text = () => Array.from({ length: pick([0, 1, 2, 5]) }, piece).join("");
  const value = (deep) => pick([text, text, () => pick([0, -1.5, 1e21, true, null]), () => (deep ? [value(deep - 1), value(deep - 1)] : []),
    () => (deep ? { [text()]: value(deep - 1) } : {})])();
  for (let round = 0; round < 500; round += 1) {
    const list = Array.from({ length: pick([0, 1, 3]) }, () => Object.fromEntries(Array.from({ length: pick([0, 1, 3]) }, () => [text(), value(2)])));
    const sheet = readSheet(JSON.stringify(list, null, pick([0, 2])));
    assert.deepEqual(JSON.parse(writeSheet(sheet)), list);
    for (const cells of sheet.rows) {
      for (const cell of cells) if (cell !== null) assert.deepEqual(JSON.parse(readCell(shownCell(cell)).cell), JSON.parse(cell));
    }
    const block = sheet.rows.map((cells) => [...cells, "0"].slice(pick([0, 1])));
    const full = block.filter((cells) => cells.length === block[0].length).map((cells) => [...cells.slice(0, -1), '"x,y"']);
    if (!full.length) continue;
    const back = splitPasted(joinCopied(full)).map((line) => line.map((shown) => readCell(shown).cell));
    assert.deepEqual(back.map((line) => line.map((cell) => cell && JSON.parse(cell))), full.map((line) => line.map((cell) => cell && JSON.parse(cell))));
  }
});

test("a list of dicts is counted; other texts are rejected or left to the kernel", () => {
  assert.deepEqual(checkJson('[{"a": 1}, {}]'), { count: 2, unsure: false });
  assert.deepEqual(checkJson('[{"a": "•••"}]'), { count: 1, unsure: true });
  assert.deepEqual(checkJson("[{'a': 1}]"), { unsure: true });
  assert.match(checkJson('{"a": 1}').message, /not a list of dicts/);
  assert.match(checkJson('[{}, [], {}]').message, /Item 1 is not a dict/);
});
