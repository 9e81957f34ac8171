// The input for a cell of the sheet or the name of a column.

/** @import { CellPosition } from "./sheet_cells.js" */

import { element, keepKeys } from "../ui/elements.js";
import { renamed, withCell } from "./edits.js";
import { HEAD } from "./sheet_cells.js";
import { readCell, shownCell } from "./sheet_text.js";

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
