// Copies from a sheet, pastes into it, and accepts dropped files.

import { plural } from "../ui/format.js";
import { pasted } from "./edits.js";
import { appended, joinCopied, readSheet, splitPasted } from "./sheet_text.js";

const LONGEST = 4_000_000; // characters, as in `param_text.py`

export class SheetClipboard {
  /** @param {any} grid the sheet */
  constructor(grid) {
    this.grid = grid;
    const { root } = grid;
    root.addEventListener("paste", (event) => this.handle(event, () => {
      if (!grid.fixed) this.paste(event.clipboardData?.getData("text/plain") ?? "");
    }));
    for (const type of ["copy", "cut"]) {
      root.addEventListener(type, (event) => this.handle(event, () => {
        if (grid.sheet.rows.length) event.clipboardData?.setData("text/plain", joinCopied(grid.block()));
        if (type === "cut" && !grid.fixed) grid.clear();
      }));
    }
    root.addEventListener("dragover", (event) => {
      if (!grid.fixed && event.dataTransfer?.types.includes("Files")) this.handle(event, () => {});
    });
    root.addEventListener("drop", (event) => {
      const file = event.dataTransfer?.files[0];
      if (!grid.fixed && file) this.handle(event, () => this.drop(file));
    });
  }

  /** Handle an event; while a cell is edited, the browser handles its clipboard. */
  handle(event, act) {
    if (this.grid.input.position && event.type !== "drop") return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** Paste a block at the cursor; a list of dicts is appended. @param {string} text */
  paste(text) {
    const { grid } = this;
    if (text === "" || this.tooLong(text.length)) return;
    const list = readSheet(text);
    if ("columns" in list && list.columns.length) {
      this.append(list);
      return;
    }
    const { top, left } = grid.selected;
    const { sheet, block, headed, named } = pasted(grid.sheet, splitPasted(text), top, left);
    const message = headed ? "The first line became the column names; Ctrl+Z undoes this."
      : named ? "The first line named the columns; Ctrl+Z undoes this." : "";
    if (grid.set(sheet, message)) grid.select(block);
  }

  /** @param {{name: string, size: number, text(): Promise<string>}} file */
  async drop(file) {
    if (!this.grid.commit() || this.tooLong(file.size)) return;
    let text = await file.text();
    // JSON Lines: a list with line breaks in place of commas.
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
    this.grid.show("This is too long for the editor. Pass the path of the file instead: %%batchflow FLOW --file NAME.csv");
    return true;
  }
}
