// A form that makes rows from all combinations of some values.

/** @import { Sheet } from "./sheet_text.js" */

import { element, keepKeys, smallButton, write } from "../ui/elements.js";
import { number, plural } from "../ui/format.js";
import { MAX_ROWS, combine, readCell, splitValues } from "./sheet_text.js";

export class GridHelper {
  /** @param {(sheet: Sheet, how: "replace" | "append") => void} apply */
  constructor(apply) {
    this.apply = apply;
    this.list = element("div", "fm-combine-list");
    this.count = element("span", "fm-quiet fm-num", { role: "status" });
    this.replace = smallButton("Replace the list", "Replace all rows with these", () => this.submit("replace"));
    this.append = smallButton("Append", "Add these rows to the list", () => this.submit("append"));
    this.root = element("details", "fm-combine", {},
      element("summary", "fm-quiet", {}, "Combine values…"),
      this.list,
      element("div", "fm-tools", {}, smallButton("Another param", "Add a line", () => this.add().focus()), this.replace, this.append, this.count));
    this.root.addEventListener("toggle", () => {
      if (this.root.open && !this.list.childElementCount) this.add();
    });
    this.root.addEventListener("input", () => this.draw());
    this.draw();
  }

  /** Add a line for a param. @returns {HTMLInputElement} the input for its name */
  add() {
    const name = element("input", "fm-find", { "aria-label": "Name of a param", placeholder: "model", spellcheck: "false" });
    const values = element("textarea", "fm-find fm-combine-values", {
      "aria-label": "Its values, separated by commas", placeholder: "gpt-4o, gpt-4o-mini", spellcheck: "false", rows: "1",
      title: "Separated by commas, or one per line", autocapitalize: "off",
    });
    const remove = element("button", "fm-button fm-small", { type: "button", "aria-label": "Remove this param", title: "Remove this param" }, "×");
    const line = element("div", "fm-combine-line", {}, name, element("span", "", { "aria-hidden": "true" }, "="), values, remove);
    remove.addEventListener("click", () => {
      const next = line.nextElementSibling ?? line.previousElementSibling;
      line.remove();
      (next?.querySelector("input") ?? this.add()).focus();
      this.draw();
    });
    this.list.append(line);
    keepKeys(line);
    this.draw();
    return name;
  }

  /** @returns {{name: string, values: (string | null)[], problem: string}[]} */
  read() {
    return [...this.list.children].map((line) => {
      const [name, values] = [...line.querySelectorAll("input, textarea")].map((input) => input.value.trim());
      const cells = splitValues(values).map(readCell);
      return { name, values: cells.map(({ cell }) => cell), problem: cells.find(({ problem }) => problem)?.problem ?? "" };
    }).filter(({ name, values }) => name || values.length);
  }

  get problem() {
    const params = this.read();
    if (!params.length) return "Name a param and its values.";
    const names = params.map(({ name }) => name);
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined) return `${twice || "A param without a name"} appears twice.`;
    const bad = params.find(({ name, values, problem }) => !name || !values.length || problem);
    if (bad) return bad.problem || (bad.name ? `${bad.name} has no values.` : "A param needs a name.");
    return this.rows > MAX_ROWS ? `${plural(this.rows, "row")} are too many to edit (at most ${number.format(MAX_ROWS)}). Use flowmagic.grid(...) in the cell instead.` : "";
  }

  get rows() {
    return this.read().reduce((product, { values }) => product * values.length, 1);
  }

  submit(how) {
    if (this.problem) return;
    this.apply(combine(this.read()), how);
  }

  draw() {
    const { problem } = this;
    const factors = this.read().map(({ values }) => values.length);
    const product = factors.length > 1 ? `${factors.join(" × ")} = ` : "";
    write(this.count, problem || `${product}${plural(this.rows, "instance")}`);
    this.replace.disabled = this.append.disabled = problem !== "";
  }
}
