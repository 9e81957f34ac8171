// What comes to the sheet and leaves it by the clipboard, and files that are dropped on it.

import { pasted } from "./edits.js";
import { appended, joinCopied, readSheet, splitPasted } from "./sheet_text.js";
import { plural } from "../ui/format.js";

const LONGEST = 4_000_000; // characters; `paramtext.py` reads as many

export class SheetClip {
  /** @param {any} grid the sheet */
  constructor(grid) {
    this.grid = grid;
    const { root } = grid;
    root.addEventListener("paste", (event) => this.take(event, () => {
      if (!grid.fixed) this.paste(event.clipboardData?.getData("text/plain") ?? "");
    }));
    for (const type of ["copy", "cut"]) {
      root.addEventListener(type, (event) => this.take(event, () => {
        if (grid.sheet.rows.length) event.clipboardData?.setData("text/plain", joinCopied(grid.block()));
        if (type === "cut" && !grid.fixed) grid.clear();
      }));
    }
    root.addEventListener("dragover", (event) => {
      if (!grid.fixed && event.dataTransfer?.types.includes("Files")) this.take(event, () => {});
    });
    root.addEventListener("drop", (event) => {
      const file = event.dataTransfer?.files[0];
      if (!grid.fixed && file) this.take(event, () => this.drop(file));
    });
  }

  /** Have an event to oneself; while a cell is typed into, its clipboard is the browser's. */
  take(event, act) {
    if (this.grid.input.place && event.type !== "drop") return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** Put a block where one is; a list of dicts is appended. @param {string} text */
  paste(text) {
    const { grid } = this;
    if (text === "" || this.tooLong(text.length)) return;
    const list = readSheet(text);
    if ("columns" in list && list.columns.length) {
      this.append(list);
      return;
    }
    const { top, left } = grid.selected;
    const { sheet, block, headed } = pasted(grid.sheet, splitPasted(text), top, left);
    if (grid.set(sheet, headed ? "The first line gave the names; Ctrl+Z takes it back." : "")) grid.select(block);
  }

  /** @param {{name: string, size: number, text(): Promise<string>}} file */
  async drop(file) {
    if (!this.grid.commit() || this.tooLong(file.size)) return;
    let text = await file.text();
    // JSON Lines are a list whose commas are line breaks.
    if (/^\s*\{/.test(text)) text = `[${text.trim().replace(/\r?\n+/g, ",")}]`;
    const list = readSheet(text);
    const empty = { columns: [], rows: [] };
    this.append("columns" in list ? list : pasted(empty, splitPasted(text), 0, 0).sheet);
  }

  append(list) {
    const { grid } = this;
    const from = grid.sheet.rows.length;
    const to = from + list.rows.length - 1;
    if (!grid.set(appended(grid.sheet, list), `${plural(list.rows.length, "row")} appended.`)) return;
    grid.select({ top: from, bottom: to, left: 0, right: grid.sheet.columns.length - 1 });
  }

  tooLong(length) {
    if (length <= LONGEST) return false;
    this.grid.tell("That is too long for a param list. Give it by its path: %%batchflow FLOW --file NAME.csv");
    return true;
  }
}
