// Edits of a sheet, each of which returns a new sheet, and the undo history.

import { plural } from "../ui/format.js";
import { MAX_COLUMNS, MAX_ROWS, readCell } from "./sheet_text.js";

/** @import { Cells, Sheet } from "./sheet_text.js" */

/** @typedef {{top: number, bottom: number, left: number, right: number}} Block edges included */

const empty = (columns) => /** @type {Cells} */ (columns.map(() => null));

/** @param {Sheet} sheet @param {number} row @param {number} column @param {string | null} cell @returns {Sheet} */
export function withCell({ columns, rows }, row, column, cell) {
  return { columns, rows: rows.map((cells, at) => (at === row ? cells.map((old, i) => (i === column ? cell : old)) : cells)) };
}

/** @param {Sheet} sheet @param {number} column @param {string} name @returns {Sheet} */
export function renamed({ columns, rows }, column, name) {
  return { columns: columns.map((old, at) => (at === column ? name : old)), rows };
}

/** @param {Sheet} sheet @param {Block} block @returns {Sheet} */
export function cleared({ columns, rows }, { top, bottom, left, right }) {
  const inside = (row, column) => row >= top && row <= bottom && column >= left && column <= right;
  return { columns, rows: rows.map((cells, row) => cells.map((cell, column) => (inside(row, column) ? null : cell))) };
}

/** Insert an empty row before a row; a sheet without columns also gets one. @param {Sheet} sheet @param {number} row @returns {Sheet} */
export function withRow({ columns, rows }, row) {
  const names = columns.length ? columns : ["param"];
  return { columns: names, rows: [...rows.slice(0, row), empty(names), ...rows.slice(row)] };
}

/** @param {Sheet} sheet @param {Block} block @returns {Sheet} */
export function doubled({ columns, rows }, { top, bottom }) {
  return { columns, rows: [...rows.slice(0, bottom + 1), ...rows.slice(top, bottom + 1), ...rows.slice(bottom + 1)] };
}

/** @param {Sheet} sheet @param {Block} block @returns {Sheet} */
export function withoutRows({ columns, rows }, { top, bottom }) {
  return { columns, rows: rows.filter((_, at) => at < top || at > bottom) };
}

/** @param {Sheet} sheet @returns {Sheet} */
export function withColumn({ columns, rows }) {
  return { columns: [...columns, unused(columns)], rows: (rows.length ? rows : [[]]).map((cells) => [...cells, null]) };
}

/** @param {Sheet} sheet @param {number} column @returns {Sheet} */
export function withoutColumn({ columns, rows }, column) {
  const left = (cells) => cells.filter((_, at) => at !== column);
  return { columns: left(columns), rows: rows.map(left) };
}

/**
 * Paste a block at a position; the sheet grows as needed. In an empty sheet, a first line that looks
 * like names becomes the columns; in another one, a first line of its names says where the columns go.
 * @param {Sheet} sheet @param {string[][]} lines @param {number} row @param {number} column
 * @returns {{sheet: Sheet, block: Block, headed: boolean, named: boolean}} and the block's position, and whether
 *   its first line became the columns, or named them
 */
export function pasted(sheet, lines, row, column) {
  const fresh = !sheet.rows.length;
  const headed = fresh && lines.length > 1 && lines[0].every((name) => name.trim() && readCell(name).cell?.[0] === '"');
  const named = !fresh && lines.length > 1 && lines[0].every((name) => sheet.columns.includes(name.trim()));
  const [top, left] = fresh ? [0, 0] : [row, column];
  const columns = headed ? [] : [...sheet.columns];
  for (const name of headed ? lines[0] : []) columns.push(columns.includes(name.trim()) ? unused(columns) : name.trim());
  const body = headed || named ? lines.slice(1) : lines;
  const wide = Math.max(...body.map((line) => line.length));
  const into = named ? lines[0].map((name) => columns.indexOf(name.trim())) : Array.from({ length: wide }, (_, at) => left + at);
  while (into.length < wide) into.push(Math.max(columns.length, ...into.map((at) => at + 1)));
  while (columns.length <= Math.max(...into)) columns.push(unused(columns));
  const rows = sheet.rows.map((cells) => columns.map((_, at) => cells[at] ?? null));
  body.forEach((line, down) => {
    while (rows.length <= top + down) rows.push(empty(columns));
    line.forEach((shown, right) => {
      const { cell, problem } = readCell(shown);
      rows[top + down][into[right]] = problem ? JSON.stringify(shown) : cell;
    });
  });
  const block = { top, bottom: top + body.length - 1, left: Math.min(...into), right: Math.max(...into) };
  return { sheet: { columns, rows }, block, headed, named };
}

/** @param {Sheet} sheet @param {Sheet} before the sheet before the edit @returns {string} why it is too large now; empty if it is not */
export function tooLarge({ columns, rows }, before) {
  if (rows.length > MAX_ROWS && rows.length > before.rows.length) {
    return `The table holds up to ${plural(MAX_ROWS, "row")}; this would make ${plural(rows.length, "row")}.`;
  }
  if (columns.length > MAX_COLUMNS) {
    return `The table holds up to ${plural(MAX_COLUMNS, "param")}; this would make ${plural(columns.length, "param")}.`;
  }
  return "";
}

function unused(columns) {
  let name = "param";
  for (let n = 2; columns.includes(name); n += 1) name = `param${n}`;
  return name;
}

const MAX_TEXTS = 200; // texts kept

export class UndoHistory {
  constructor() {
    /** @type {string[]} */
    this.texts = [];
    this.at = -1;
  }

  /** @param {string} text */
  reset(text) {
    this.texts = [text];
    this.at = 0;
  }

  /** Whether a text is the current one. @param {string} text */
  isAt(text) {
    return this.texts[this.at] === text;
  }

  /** @param {string} text */
  add(text) {
    if (this.isAt(text)) return;
    this.texts = [...this.texts.slice(0, this.at + 1), text].slice(-MAX_TEXTS);
    this.at = this.texts.length - 1;
  }

  get undoable() {
    return this.at > 0;
  }

  get redoable() {
    return this.at < this.texts.length - 1;
  }

  /** @returns {string | null} the previous text */
  undo() {
    if (!this.undoable) return null;
    this.at -= 1;
    return this.texts[this.at];
  }

  /** @returns {string | null} the next text */
  redo() {
    if (!this.redoable) return null;
    this.at += 1;
    return this.texts[this.at];
  }
}
