// The editor of the param list: one draft, shown as a table or as text.

import { element, smallButton, write } from "../ui/elements.js";
import { plural } from "../ui/format.js";
import { GridHelper } from "./grid_helper.js";
import { SheetGrid } from "./sheet.js";
import { appended, checkJson } from "./sheet_text.js";

const PAUSE_MS = 300; // without a key, after which the kernel checks the text

export class ParamEditor {
  constructor(view) {
    this.view = view;
    this.timer = 0;
    this.asTable = true;
    /** Whether it was opened because there are no rows yet. */
    this.inviting = false;
    this.textarea = element("textarea", "fm-text", {
      "aria-label": "Param list", spellcheck: "false", autocapitalize: "off", wrap: "off", rows: "8",
      "aria-describedby": `${view.id}-check`,
    });
    this.sheet = new SheetGrid(view, (text) => this.edit(text));
    this.helper = new GridHelper((sheet, how) => {
      const message = `${plural(sheet.rows.length, "row")} ${how === "replace" ? "created" : "appended"}. Undo removes them.`;
      if (this.sheet.commit()) this.sheet.set(how === "replace" ? sheet : appended(this.sheet.sheet, sheet), message);
    });
    this.ways = [["Table", true], ["Text", false]].map(([label, asTable]) => {
      const way = element("button", "fm-pick", { type: "button", "aria-pressed": "false" }, label);
      way.addEventListener("click", () => {
        if (!this.sheet.commit()) return;
        this.asTable = Boolean(asTable);
        this.view.scheduleDraw();
      });
      return { way, asTable };
    });
    this.why = element("span", "fm-quiet");
    this.line = element("div", "fm-check", { id: `${view.id}-check`, role: "status" });
    this.revert = smallButton("Revert", "Undo all edits", () => this.undo());
    this.root = element("div", "fm-editor", {},
      element("div", "fm-tools", { role: "group", "aria-label": "Edit as" }, ...this.ways.map(({ way }) => way), this.why),
      this.sheet.root, this.textarea, this.helper.root,
      element("div", "fm-editor-foot", {}, this.line, this.revert));
    this.textarea.addEventListener("input", () => this.edit(this.textarea.value));
  }

  remove() {
    clearTimeout(this.timer);
  }

  /** Show the editor while the list is empty and nothing has run, and the table again when a run starts. */
  invite() {
    const { store } = this.view;
    const { editor, header, draft } = store;
    const empty = editor.editable && editor.text === "[]" && header.status === "idle";
    if (empty === this.inviting || draft !== null) return;
    this.inviting = empty;
    if (empty) store.tab = "params";
    else if (header.status !== "idle") store.tab = "table";
  }

  /** Take over what is being typed into a cell; returns whether it is valid. */
  commit() {
    return this.sheet.commit();
  }

  get edited() {
    const { draft, editor } = this.view.store;
    return draft !== null && draft !== editor.text;
  }

  /** The label of the tab. */
  get label() {
    if (!this.edited) return "";
    return `Params (edited, ${this.problem ? "not valid yet" : this.counted || "…"})`;
  }

  /** How many instances the edited list has, as text; empty while that is not known. */
  get counted() {
    const { check, draft } = this.view.store;
    const count = check?.count ?? (this.edited ? checkJson(draft).count : undefined);
    return count === undefined ? "" : plural(count, "instance");
  }

  edit(text) {
    const { store } = this.view;
    store.draft = text;
    store.check = null;
    clearTimeout(this.timer);
    if (checkJson(store.draft).unsure) {
      this.timer = setTimeout(() => {
        store.checkSent = store.send({ type: "check", text: store.draft });
      }, PAUSE_MS);
    }
    store.notify();
  }

  undo() {
    const { store } = this.view;
    this.sheet.input.leave();
    store.draft = null;
    store.check = null;
    store.notify();
    (this.shownAsTable ? this.sheet.grid : this.textarea).focus();
  }

  get shownAsTable() {
    return this.asTable && this.sheet.reason === "";
  }

  /** What is wrong with the edited list; empty if nothing is, or if it is not known yet. */
  get problem() {
    const { draft, editor, check } = this.view.store;
    if (this.sheet.input.problem) return this.sheet.input.problem;
    if (!this.edited || !editor.editable) return "";
    const json = checkJson(draft);
    if (json.message && !check) return json.message;
    if (!check || check.count !== null) return "";
    if (this.wrongRow !== null) return `Row ${this.wrongRow}: ${check.message.replace(/^Item \d+: /, "")}`;
    return `${check.line === null ? "" : `Line ${check.line}: `}${check.message}`;
  }

  /** The row of the table that the kernel rejected; null if there is none, or if the list is shown as text. */
  get wrongRow() {
    const { draft, check } = this.view.store;
    if (!this.shownAsTable || draft === null || !check?.line) return null;
    // In a text written by the table or the kernel, the first line is the bracket, and each row has a line.
    const row = check.line - 2;
    const lines = draft.split("\n");
    return lines.length === this.sheet.sheet.rows.length + 2 && lines[row + 1]?.startsWith("  {") ? row : null;
  }

  draw() {
    const { store, gone } = this.view;
    const { editor, draft } = store;
    const { textarea, sheet, problem, edited } = this;
    const text = draft ?? editor.text;
    const fixed = !editor.editable || gone;
    sheet.load(text || "[]", fixed);
    sheet.wrong = this.wrongRow;
    if (!this.shownAsTable && textarea.value !== text) textarea.value = text;
    if (textarea.readOnly !== fixed) textarea.readOnly = fixed;
    const nothing = !editor.text && !editor.editable;
    sheet.root.hidden = nothing || !this.shownAsTable;
    textarea.hidden = nothing || this.shownAsTable;
    this.helper.root.hidden = fixed || !this.shownAsTable;
    for (const { way, asTable } of this.ways) {
      way.setAttribute("aria-pressed", String(this.shownAsTable === asTable));
      way.hidden = nothing;
      way.disabled = Boolean(asTable) && sheet.reason !== "";
    }
    write(this.why, nothing ? "" : editor.editable ? sheet.reason : "");
    if (this.shownAsTable) sheet.draw();
    this.revert.hidden = !edited && !sheet.input.problem;
    const message = (this.shownAsTable && sheet.message) || (edited ? this.counted || "Checking…" : editor.reason);
    write(this.line, problem || message);
    this.line.classList.toggle("fm-bad", problem !== "");
    textarea.setAttribute("aria-invalid", String(problem !== ""));
  }
}
