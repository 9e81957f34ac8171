// The cells of a sheet, and the input that edits one.

import { element, keepKeys, write, writeAttribute } from "../ui/elements.js";
import { number } from "../ui/format.js";
import { renamed, withCell } from "./edits.js";
import { MASK, kindOf, readCell, shownCell } from "./sheet_text.js";

/** @import { Block } from "./edits.js" */
/** @import { Sheet } from "./sheet_text.js" */

// Lengths are CSS pixels.
export const ROW = 26; // height of a row, as in panel.css
export const HEAD = -1; // the index of the row with the column names
const POOL = 18; // row elements, however many rows there are
const NUMBERS = 44; // width of the column with the row numbers
const LETTER = 7.3; // approximate width of a letter
const [NARROWEST, WIDEST] = [72, 300]; // widths of a column
const MEASURED = 100; // rows that determine a column's width

/** @typedef {{row: number, column: number}} CellPosition */
/** @typedef {{at: CellPosition, selected: Block, focused: boolean, editing: CellPosition | null, wrong: number | null}} Cursor */

export class SheetCells {
  constructor(id) {
    this.id = id;
    this.head = element("div", "fm-sheet-row fm-sheet-head", { role: "row", "aria-rowindex": "1" });
    this.spacer = element("div", "fm-sheet-body", { role: "presentation" });
    this.roots = [
      element("div", "fm-sheet-top", { role: "rowgroup" }, this.head),
      element("div", "", { role: "rowgroup" }, this.spacer),
    ];
    this.pool = [];
    this.shape = "";
    /** @type {number[]} the left edge of each column, and the right edge of the last one */
    this.edges = [NUMBERS];
  }

  idOf(row, column) {
    return `${this.id}-sheet-${row}-${column}`;
  }

  /** The left and right edge of a column. @param {number} column */
  edgesOf(column) {
    return { left: this.edges[column] ?? NUMBERS, right: this.edges[column + 1] ?? NUMBERS };
  }

  measure({ columns, rows }) {
    const longest = columns.map((name, at) => rows.slice(0, MEASURED).reduce(
      (most, cells) => Math.max(most, shownCell(cells[at]).length), name.length));
    this.edges = [NUMBERS];
    for (const letters of longest) {
      const wide = Math.max(NARROWEST, Math.min(WIDEST, Math.ceil(letters * LETTER) + 18));
      this.edges.push(this.edges[this.edges.length - 1] + wide);
    }
  }

  /** Rebuild everything in the next draw. */
  renew() {
    this.shape = "";
  }

  /** @param {Sheet} sheet @param {any} grid the scrolling element @param {number} top how far it is scrolled @param {Cursor} cursor */
  draw(sheet, grid, top, cursor) {
    const { rows } = sheet;
    this.drawHead(sheet, grid, cursor);
    this.spacer.style.height = `${rows.length * ROW}px`;
    const first = Math.max(0, Math.min(rows.length - POOL, Math.floor(top / ROW) - 3));
    const last = Math.min(rows.length, first + POOL);
    for (let row = first; row < last; row += 1) this.drawRow(this.pool[row % POOL], row, rows[row], cursor);
    for (const slot of this.pool) if (slot.row < first || slot.row >= last) slot.element.hidden = true;
  }

  drawHead(sheet, grid, { at, focused, editing }) {
    const { columns } = sheet;
    const shape = JSON.stringify(columns);
    if (shape !== this.shape && !editing) {
      this.shape = shape;
      this.measure(sheet);
      const wide = columns.map((_, at) => ` ${this.edgesOf(at).right - this.edgesOf(at).left}px`);
      grid.style.setProperty("--fm-sheet-columns", `${NUMBERS}px${wide.join("")}`);
      const names = columns.map((name, column) => element("span", "fm-sheet-cell", {
        role: "columnheader", "data-row": String(HEAD), "data-column": String(column), id: this.idOf(HEAD, column),
        title: `${name} (double-click or Enter to rename)`,
      }, name));
      this.head.replaceChildren(element("span", "fm-sheet-cell", { role: "columnheader" }, "#"), ...names);
      this.pool = Array.from({ length: POOL }, () => poolRow(columns.length));
      this.spacer.replaceChildren(...this.pool.map((slot) => slot.element));
    }
    [...this.head.children].slice(1).forEach((cell, column) => {
      cell.classList.toggle("fm-at", focused && at.row === HEAD && at.column === column);
    });
  }

  drawRow(slot, row, values, { at, selected, focused, editing, wrong }) {
    const { top, bottom, left, right } = selected;
    slot.element.hidden = false;
    if (slot.row !== row) {
      slot.row = row;
      slot.element.style.transform = `translateY(${row * ROW}px)`;
      slot.element.setAttribute("aria-rowindex", String(row + 2));
      write(slot.cells[0], number.format(row));
      slot.cells[0].dataset.row = String(row);
    }
    values.forEach((value, column) => {
      const cell = slot.cells[column + 1];
      const id = this.idOf(row, column);
      if (cell.id !== id) {
        cell.id = id;
        cell.dataset.row = String(row);
        cell.dataset.column = String(column);
      }
      const inside = row >= top && row <= bottom && column >= left && column <= right;
      writeAttribute(cell, "aria-selected", inside ? "true" : "");
      cell.classList.toggle("fm-at", focused && row === at.row && column === at.column);
      if (editing?.row === row && editing.column === column) return;
      cell.dataset.kind = kindOf(value);
      const text = shownCell(value);
      if (cell.firstElementChild || cell.textContent !== text) cell.replaceChildren(text);
      writeAttribute(cell, "aria-label", value === null ? "no value" : "");
      writeAttribute(cell, "title", text.length > 30 ? text.slice(0, 1000) : "");
      // If only the kernel rejects a row, the reason is a mask whose value it cannot restore.
      writeAttribute(cell, "aria-invalid", row === wrong && value?.includes(MASK) ? "true" : "");
    });
  }
}

function poolRow(wide) {
  const cells = Array.from({ length: wide + 1 }, (_, at) => element("span", "fm-sheet-cell", { role: at ? "gridcell" : "rowheader" }));
  const made = element("div", "fm-sheet-row", { role: "row" }, ...cells);
  made.hidden = true;
  return { element: made, cells, row: -1 };
}

export class CellInput {
  /** @param {any} grid the sheet that is edited */
  constructor(grid) {
    this.grid = grid;
    /** @type {CellPosition | null} the edited cell */
    this.position = null;
    /** What is wrong with the typed text; empty if nothing is. */
    this.problem = "";
    this.element = element("input", "fm-sheet-input", { spellcheck: "false", autocomplete: "off" });
    this.element.addEventListener("input", () => this.check());
    this.element.addEventListener("blur", () => this.commit());
  }

  get shown() {
    const { columns, rows } = this.grid.sheet;
    const { row, column } = /** @type {CellPosition} */ (this.position);
    return row === HEAD ? columns[column] : shownCell(rows[row][column]);
  }

  /** Edit a cell. @param {any} cell @param {CellPosition} position @param {string} [first] the typed letter that replaces the content */
  begin(cell, position, first) {
    const { columns } = this.grid.sheet;
    this.position = { ...position };
    this.element.setAttribute("aria-label", position.row === HEAD ? "Name of the param" : `${columns[position.column]} of row ${position.row}`);
    this.element.removeAttribute("aria-invalid");
    this.element.value = first ?? this.shown;
    cell.replaceChildren(this.element);
    keepKeys(cell);
    this.element.focus();
    if (first === undefined) this.element.select();
  }

  /** @returns {{cell: string | null, problem: string}} */
  read() {
    const { row, column } = /** @type {CellPosition} */ (this.position);
    if (row !== HEAD) return readCell(this.element.value);
    const name = this.element.value.trim();
    const taken = this.grid.sheet.columns.some((other, at) => at !== column && other === name);
    if (name && !taken) return { cell: name, problem: "" };
    return { cell: null, problem: name ? `There is already a param ${name}.` : "A param needs a name." };
  }

  check() {
    this.problem = this.read().problem;
    this.element.setAttribute("aria-invalid", String(this.problem !== ""));
    this.grid.view.scheduleDraw();
  }

  /** Apply what was typed. @returns {boolean} false if it is invalid */
  commit() {
    if (!this.position) return true;
    const { row, column } = this.position;
    const { cell, problem } = this.read();
    if (problem) {
      this.check();
      return false;
    }
    const edited = this.element.value !== this.shown;
    this.leave();
    const { sheet } = this.grid;
    if (edited) this.grid.set(row === HEAD ? renamed(sheet, column, String(cell)) : withCell(sheet, row, column, cell));
    return true;
  }

  /** Discard what was typed. */
  drop() {
    this.position = null;
    this.problem = "";
    this.grid.cells?.renew();
  }

  leave() {
    const held = document.activeElement === this.element;
    this.drop();
    if (held) this.grid.grid.focus({ preventScroll: true });
    this.grid.view.scheduleDraw();
  }

  key(event) {
    if (event.key === "Escape") this.leave();
    else if (event.key === "Enter" || event.key === "Tab") {
      if (this.commit()) {
        const { row, column } = this.grid.at;
        const step = event.shiftKey ? -1 : 1;
        this.grid.moveTo(event.key === "Enter" ? row + step : row, event.key === "Tab" ? column + step : column, false);
        this.grid.reveal();
      }
    } else return;
    event.preventDefault();
  }
}
