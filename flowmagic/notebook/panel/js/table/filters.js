// The filters of the table: by status, node and text.

import { element, write } from "../ui/elements.js";
import { number } from "../ui/format.js";

const PAUSE_MS = 250; // without a key, after which the text is searched
const ANY = "any node";

/** Each view has filters of its own. */
export class Filters {
  /** @param {() => void} changed called when the filters change */
  constructor(view, changed) {
    this.view = view;
    this.changed = () => {
      this.changedSinceAnnouncement = true;
      changed();
    };
    /** @type {Set<number>} */
    this.status = new Set();
    /** @type {string | null} */
    this.node = null;
    /** @type {number | null} a group of failed rows */
    this.group = null;
    this.text = "";
    this.timer = 0;
    this.input = element("input", "fm-find", {
      type: "search", "aria-label": "Find in params, outputs and errors", placeholder: "Find …", spellcheck: "false", autocomplete: "off",
    });
    this.select = element("select", "fm-select", { "aria-label": "Node" });
    this.names = "";
    this.shown = element("span", "fm-quiet fm-num");
    /** Announces the result of a change of the filters to screen readers, not each later change of a row. */
    this.announcement = element("span", "fm-hidden", { role: "status" });
    this.changedSinceAnnouncement = false;
    this.clear = element("button", "fm-button fm-small", { type: "button" }, "Show all");
    this.root = element("div", "fm-filters", { role: "group", "aria-label": "Filters" },
      this.input, this.select, this.shown, this.announcement, this.clear);
    this.listen();
  }

  listen() {
    const { input, select, clear } = this;
    input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.set({ text: input.value.trim() }), PAUSE_MS);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !input.value) return;
      event.preventDefault();
      input.value = "";
      this.set({ text: "" });
    });
    select.addEventListener("change", () => this.set({ node: select.value === "" ? null : select.value }));
    clear.addEventListener("click", () => {
      this.set({ status: [], node: null, group: null, text: "" });
      input.focus();
    });
  }

  remove() {
    clearTimeout(this.timer);
  }

  get active() {
    return this.status.size > 0 || this.node !== null || this.group !== null || this.text !== "";
  }

  /** @param {{status?: number[], node?: string | null, group?: number | null, text?: string}} criteria omitted ones stay */
  set({ status, node, group, text }) {
    if (status) this.status = new Set(status);
    if (node !== undefined) this.node = node;
    if (group !== undefined) this.group = group;
    if (text !== undefined) {
      clearTimeout(this.timer);
      this.text = text;
      if (this.input.value.trim() !== text) this.input.value = text;
    }
    this.changed();
  }

  /** @param {number} shown the number of rows shown @param {boolean} searching whether the kernel is still searching */
  draw(shown, searching) {
    const { header, rows } = this.view.store;
    const names = [...new Set(header.nodes.filter(Boolean))];
    if (this.node !== null && !names.includes(this.node)) names.push(this.node);
    this.select.hidden = names.length < 2;
    if (names.join("\n") !== this.names) {
      this.names = names.join("\n");
      this.select.replaceChildren(...[["", ANY], ...names.map((name) => [name, name])].map(([value, label]) => {
        const option = element("option", "", {}, label);
        option.value = value;
        return option;
      }));
    }
    if (this.select.value !== (this.node ?? "")) this.select.value = this.node ?? "";
    const summary = searching ? "waiting for the kernel…" : this.active ? `${number.format(shown)} of ${number.format(rows.count)} shown` : "";
    write(this.shown, summary);
    if (this.changedSinceAnnouncement && !searching) {
      this.changedSinceAnnouncement = false;
      write(this.announcement, summary || "All instances shown");
    }
    this.clear.hidden = !this.active;
  }
}
