// The param list as an editable table: a row per dict, a column per param.

import { element, smallButton, writeAttribute } from "../ui/elements.js";
import { ScrollPosition } from "../ui/scroll_position.js";
import { SheetClipboard } from "./clipboard.js";
import { UndoHistory, cleared, doubled, tooLarge, withColumn, withRow, withoutColumn, withoutRows } from "./edits.js";
import { HEAD, ROW, CellInput, SheetCells } from "./sheet_cells.js";
import { readSheet, writeSheet } from "./sheet_text.js";

/** @import { Sheet } from "./sheet_text.js" */

const PAGE = 9;

export class SheetGrid {
  /**
   * @param {{id: string, scheduleDraw(): void}} view
   * @param {(text: string) => void} changed called with the list as text after an edit
   */
  constructor(view, changed) {
    this.view = view;
    this.changed = changed;
    /** @type {Sheet} */
    this.sheet = { columns: [], rows: [] };
    this.text = null;
    this.reason = "";
    /** The result of the last edit, if it is not obvious. */
    this.message = "";
    /** @type {number | null} the row that the kernel rejected */
    this.wrong = null;
    this.fixed = false;
    this.history = new UndoHistory();
    this.at = { row: 0, column: 0 };
    this.from = { row: 0, column: 0 };
    this.input = new CellInput(this);
    this.cells = new SheetCells(view.id);
    this.grid = element("div", "fm-sheet", {
      role: "grid", tabindex: "0", "aria-label": "Param list as a table", "aria-multiselectable": "true", "aria-describedby": `${view.id}-check`,
    }, ...this.cells.roots);
    this.scroll = new ScrollPosition(this.grid, () => view.scheduleDraw());
    this.empty = element("div", "fm-quiet fm-sheet-empty", {}, "Paste rows from a spreadsheet, add a row, or drop a .csv or .json file here.");
    this.tools = this.toolbar();
    this.root = element("div", "fm-sheet-root", {}, this.tools, this.grid, this.empty);
    this.clipboard = new SheetClipboard(this);
    this.listen();
  }

  toolbar() {
    const button = (label, title, act) => smallButton(label, title, () => {
      if (this.commit()) act();
    });
    this.buttons = {
      addRow: button("Add row", "Add a row below", () => this.addRow()),
      duplicate: button("Duplicate", "Duplicate the selected rows", () => this.set(doubled(this.sheet, this.selected))),
      removeRows: button("Remove rows", "Remove the selected rows", () => this.removeRows()),
      addColumn: button("Add column", "Add a param to all rows", () => this.addColumn()),
      removeColumn: button("Remove column", "Remove this param from all rows", () => this.removeColumn()),
      undo: button("Undo", "Undo the last edit (Ctrl+Z)", () => this.step("undo")),
      redo: button("Redo", "Redo the last undone edit (Ctrl+Shift+Z)", () => this.step("redo")),
    };
    return element("div", "fm-tools", { role: "toolbar", "aria-label": "Edit the table" }, ...Object.values(this.buttons));
  }

  listen() {
    const { grid, view } = this;
    grid.addEventListener("keydown", (event) => this.key(event));
    for (const type of ["focus", "blur"]) grid.addEventListener(type, () => view.scheduleDraw());
    for (const part of this.cells.roots) {
      part.addEventListener("pointerdown", (event) => this.point(event));
      part.addEventListener("dblclick", () => this.edit());
    }
  }

  // The sheet and its text

  /** Load a text if it differs; sets `reason` if it cannot be shown as a table. @param {string} text @param {boolean} fixed */
  load(text, fixed) {
    this.fixed = fixed;
    if (text === this.text) return;
    const read = readSheet(text);
    if (this.text === null || !this.history.isAt(text)) this.history.reset(text);
    this.text = text;
    this.input.drop();
    this.reason = "reason" in read ? read.reason : "";
    this.message = "";
    this.sheet = "reason" in read ? { columns: [], rows: [] } : read;
    this.moveTo(this.at.row, this.at.column, false);
  }

  /** Replace the sheet by an edited one. @param {Sheet} sheet @param {string} [message] @returns {boolean} false if it is too large */
  set(sheet, message = "") {
    const large = tooLarge(sheet, this.sheet);
    this.show(large || message);
    if (large) return false;
    this.sheet = sheet;
    this.cells.renew();
    this.text = writeSheet(sheet);
    this.history.add(this.text);
    this.changed(this.text);
    return true;
  }

  show(message) {
    this.message = message;
    this.view.scheduleDraw();
  }

  step(way) {
    const text = this.history[way]();
    if (text === null) return;
    this.load(text, this.fixed);
    this.changed(text);
  }

  // The cursor and the selection

  moveTo(row, column, extend) {
    const { rows, columns } = this.sheet;
    this.at = {
      row: Math.max(columns.length ? HEAD : 0, Math.min(rows.length - 1, row)),
      column: Math.max(0, Math.min(columns.length - 1, column)),
    };
    if (!extend) this.from = { ...this.at };
    this.view.scheduleDraw();
  }

  /** @returns {{top: number, bottom: number, left: number, right: number}} the selection, edges included */
  get selected() {
    const [rows, columns] = [[this.from.row, this.at.row], [this.from.column, this.at.column]];
    return { top: Math.max(0, Math.min(...rows)), bottom: Math.max(...rows), left: Math.min(...columns), right: Math.max(...columns) };
  }

  /** @param {{top: number, bottom: number, left: number, right: number}} block */
  select({ top, bottom, left, right }) {
    this.from = { row: top, column: left };
    this.moveTo(bottom, right, true);
    this.reveal();
  }

  block() {
    const { top, bottom, left, right } = this.selected;
    return this.sheet.rows.slice(top, bottom + 1).map((cells) => cells.slice(left, right + 1));
  }

  point(event) {
    const cell = event.target.closest("[data-row]");
    if (!cell || cell.contains(this.input.element)) return;
    if (!this.commit()) return;
    const row = Number(cell.dataset.row);
    if (cell.dataset.column === undefined) {
      // The row's number selects the whole row.
      this.from = { row: event.shiftKey ? this.from.row : row, column: this.sheet.columns.length - 1 };
      this.moveTo(row, 0, true);
    } else {
      this.moveTo(row, Number(cell.dataset.column), event.shiftKey);
    }
    this.grid.focus({ preventScroll: true });
    event.preventDefault();
  }

  reveal() {
    this.scroll.reveal(Math.max(0, this.at.row) * ROW, ROW, this.grid.clientHeight - ROW - 1);
    const { left, right } = this.cells.edgesOf(this.at.column);
    // The row numbers cover the left edge.
    const most = left - this.cells.edgesOf(0).left;
    this.grid.scrollLeft = Math.min(most, Math.max(right - this.grid.clientWidth, this.grid.scrollLeft));
  }

  key(event) {
    if (this.input.position) {
      this.input.key(event);
      return;
    }
    const { row, column } = this.at;
    const { rows, columns } = this.sheet;
    const command = event.ctrlKey || event.metaKey;
    const letter = event.key.toLowerCase();
    const move = {
      ArrowDown: [row + 1, column], ArrowUp: [row - 1, column], ArrowRight: [row, column + 1], ArrowLeft: [row, column - 1],
      PageDown: [row + PAGE, column], PageUp: [Math.max(0, row - PAGE), column],
      Home: [command ? 0 : row, 0], End: [command ? rows.length : row, columns.length],
    }[event.key];
    if (move) {
      this.moveTo(move[0], move[1], event.shiftKey);
      this.reveal();
    } else if (command && letter === "a") {
      this.from = { row: 0, column: 0 };
      this.moveTo(rows.length, columns.length, true);
    } else if (this.fixed) {
      return;
    } else if (command && letter === "z") this.step(event.shiftKey ? "redo" : "undo");
    else if (command && letter === "y") this.step("redo");
    else if (command) return; // the browser handles copying and pasting
    else if (event.key === "Enter" || event.key === "F2") this.edit();
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key.length === 1 && !event.altKey) this.edit(event.key);
    else return;
    event.preventDefault();
    this.view.scheduleDraw();
  }

  // Editing

  edit(first) {
    const { row, column } = this.at;
    const { rows, columns } = this.sheet;
    if (this.fixed || column >= columns.length || row >= rows.length) return;
    this.reveal();
    this.draw();
    this.input.begin(this.root.querySelector(`[data-row="${row}"][data-column="${column}"]`), this.at, first);
  }

  /** Apply what was typed. @returns {boolean} false if it is invalid */
  commit() {
    return this.input.commit();
  }

  clear() {
    this.set(cleared(this.sheet, this.selected));
  }

  addRow() {
    const below = Math.min(this.sheet.rows.length, this.selected.bottom + 1);
    if (!this.set(withRow(this.sheet, below))) return;
    this.moveTo(below, 0, false);
    this.edit();
  }

  removeRows() {
    const { top } = this.selected;
    this.set(withoutRows(this.sheet, this.selected));
    this.moveTo(top, this.at.column, false);
  }

  addColumn() {
    if (!this.set(withColumn(this.sheet))) return;
    this.moveTo(HEAD, this.sheet.columns.length - 1, false);
    this.edit();
  }

  removeColumn() {
    this.set(withoutColumn(this.sheet, this.at.column));
    this.moveTo(this.at.row, this.at.column, false);
  }

  // Drawing

  draw() {
    const { sheet, grid, fixed } = this;
    const { columns, rows } = sheet;
    this.empty.hidden = rows.length > 0 || fixed;
    grid.setAttribute("aria-rowcount", String(rows.length + 1));
    grid.setAttribute("aria-colcount", String(columns.length + 1));
    writeAttribute(grid, "aria-readonly", fixed ? "true" : "");
    this.tools.hidden = fixed;
    this.buttons.duplicate.disabled = this.buttons.removeRows.disabled = !rows.length;
    this.buttons.removeColumn.disabled = !columns.length;
    this.buttons.undo.disabled = !this.history.undoable;
    this.buttons.redo.disabled = !this.history.redoable;
    this.cells.draw(sheet, grid, this.scroll.top, {
      at: this.at, selected: this.selected, focused: grid.contains(document.activeElement), editing: this.input.position, wrong: this.wrong,
    });
    writeAttribute(grid, "aria-activedescendant", columns.length ? this.cells.idOf(this.at.row, this.at.column) : "");
  }
}
