// The param list as text.

import { element, write } from "./elements.js";
import { checkJson } from "./paramtext.js";
import { plural } from "./words.js";

const PAUSE = 300; // milliseconds without a key, after which the kernel is asked about a text

export class ParamEditor {
  constructor(view) {
    this.view = view;
    this.timer = 0;
    this.count = element("span", "fm-quiet fm-num");
    this.textarea = element("textarea", "fm-text", {
      "aria-label": "Param list", spellcheck: "false", autocapitalize: "off", wrap: "off", rows: "8",
      "aria-describedby": `${view.id}-check`,
    });
    this.line = element("div", "fm-check", { id: `${view.id}-check`, role: "status" });
    this.revert = element("button", "fm-button fm-small", { type: "button", title: "Undo all edits" }, "Revert");
    this.root = element("details", "fm-editor", {},
      element("summary", "", {}, element("span", "fm-label", {}, "Params"), this.count),
      this.textarea, element("div", "fm-editor-foot", {}, this.line, this.revert));
    this.textarea.addEventListener("input", () => this.edit());
    this.revert.addEventListener("click", () => this.undo());
  }

  remove() {
    clearTimeout(this.timer);
  }

  fold() {
    this.root.open = false;
  }

  edit() {
    const { store } = this.view;
    store.draft = this.textarea.value;
    store.check = null;
    clearTimeout(this.timer);
    if (checkJson(store.draft).unsure) {
      this.timer = setTimeout(() => {
        store.checkSent = store.send({ type: "check", text: store.draft });
      }, PAUSE);
    }
    store.tell();
  }

  undo() {
    const { store } = this.view;
    store.draft = null;
    store.check = null;
    store.tell();
    this.textarea.focus();
  }

  /** What is wrong with the edited text; empty when nothing is, or nobody knows yet. */
  get problem() {
    const { draft, editor, check } = this.view.store;
    if (draft === null || draft === editor.text || !editor.editable) return "";
    const json = checkJson(draft);
    if (json.message && !check) return json.message;
    if (check && check.count === null) {
      return `${check.line === null ? "" : `Line ${check.line}: `}${check.message}`;
    }
    return "";
  }

  draw() {
    const { store, gone } = this.view;
    const { editor, draft, check, header } = store;
    const { textarea, problem } = this;
    const text = draft ?? editor.text;
    if (textarea.value !== text) textarea.value = text;
    const fixed = !editor.editable || gone;
    if (textarea.readOnly !== fixed) textarea.readOnly = fixed;
    textarea.hidden = !editor.text && !editor.editable;
    const edited = draft !== null && draft !== editor.text;
    this.revert.hidden = !edited;
    const count = check?.count ?? (edited ? checkJson(draft).count : undefined);
    const counted = count === undefined ? "" : plural(count, "instance");
    write(this.line, editor.reason || (edited ? problem || counted || "Checking…" : ""));
    this.line.classList.toggle("fm-bad", problem !== "");
    textarea.setAttribute("aria-invalid", String(problem !== ""));
    const state = problem ? "edited, not valid yet" : `edited, ${counted || "…"}`;
    write(this.count, edited ? state : header.total === null ? "" : plural(header.total, "instance"));
  }
}
