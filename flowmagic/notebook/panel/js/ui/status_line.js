// A line below a map of instances that describes one of them, also for a screen reader.

import { FAILED, PENDING, STATUSES } from "../store/protocol.js";
import { element, icon, setStatus, write, writeAttribute } from "./elements.js";
import { duration, number } from "./format.js";

const MARKS = ["○", "◐", "✓", "✕", "⊘"]; // by status
const REST_MS = 120; // how long the pointer stays on a cell before its params are requested

export class StatusLine {
  /**
   * @param {HTMLElement} map the element that has the focus
   * @param {string} name what a cell is called in the ids of the page's elements
   */
  constructor(view, map, name = "cell") {
    this.view = view;
    this.map = map;
    this.name = name;
    this.hint = ""; // the text shown without a cell
    this.timer = 0;
    this.requestedIndex = -1;
    this.svg = icon();
    this.word = element("span", "fm-word");
    this.index = element("span", "fm-label fm-num");
    this.rest = element("span", "fm-status-facts");
    // Hidden from screen readers: they get the option below, which follows the keyboard, not the pointer.
    this.root = element("div", "fm-status-line", { "aria-hidden": "true" }, this.index, this.svg, this.word, this.rest);
    this.option = element("div", "fm-hidden", { "aria-hidden": "true" });
    map.append(this.option);
  }

  remove() {
    clearTimeout(this.timer);
  }

  /**
   * What an instance's card shows; `chain` has all node copies.
   * @returns {{label: string, node: string, chain: string, picture: HTMLImageElement | null}}
   */
  caption(i) {
    const { store } = this.view;
    const { rows, header, labels, texts, outputs } = store;
    const { outcome = "", chain = [], picture: drawn = false } = texts.rows.get(i) ?? {};
    const picture = drawn && texts.isFresh(i) ? outputs.thumbnail(i)?.image ?? null : null;
    const out = store.waitOf(i) || (picture ? "" : outcome);
    return {
      label: [labels[i] ?? texts.get(i) ?? "", out].filter(Boolean).join(" → "),
      node: rows.status[i] === PENDING ? "" : rows.restored(i) ? "restored" : header.nodes[rows.node[i]] ?? "",
      // The card's own mark is enough for a single one.
      chain: chain.length < 2 ? "" : chain.map(([node, code]) => `${MARKS[code] ?? ""} ${node}`).join(" → "),
      picture,
    };
  }

  /** @returns {string[]} what the line says besides the index and the status */
  facts(i) {
    const { store } = this.view;
    const { rows } = store;
    const { node } = this.caption(i);
    const attempt = rows.earlier[i] > 0 ? `attempt ${rows.earlier[i] + 1}` : rows.restored(i) ? "did not run" : "";
    return [node, store.waitOf(i), attempt, duration(store.seconds(i)), this.error(i), store.texts.get(i) ?? "…"].filter(Boolean);
  }

  /** @returns {string} the error of a failed instance */
  error(i) {
    const { rows, texts } = this.view.store;
    return rows.status[i] === FAILED ? texts.rows.get(i)?.outcome ?? "" : "";
  }

  /** @returns {number} */
  statusOf(index) {
    return this.view.store.rows.status[index];
  }

  /** @param {number} index the instance to describe; -1 for none */
  draw(index) {
    const { root, svg, word } = this;
    const none = index < 0;
    root.classList.toggle("fm-quiet", none);
    svg.style.display = none ? "none" : "";
    write(this.index, none ? "" : `#${number.format(index)}`);
    if (none) {
      delete root.dataset.status;
      write(word, "");
      write(this.rest, this.hint);
      return;
    }
    const { rows } = this.view.store;
    const status = this.statusOf(index);
    setStatus(root, svg, word, STATUSES[status] ?? "pending", rows.restored(index) ? "restored" : undefined);
    root.classList.toggle("fm-status-failed", status === FAILED);
    write(this.rest, this.facts(index).join(" · "));
    this.requestText(index);
  }

  /** Request the params of an instance if they are missing and the pointer rests on it. */
  requestText(index) {
    const { store, gone } = this.view;
    if (this.requestedIndex === index || gone) return;
    clearTimeout(this.timer);
    this.requestedIndex = index;
    if (store.texts.isFresh(index)) return;
    this.timer = setTimeout(() => {
      this.requestedIndex = -1;
      store.requestRows([index]);
    }, REST_MS);
  }

  /** Describe the cell that has the keyboard's cursor to a screen reader. */
  drawOption(index) {
    const { store, id } = this.view;
    const name = `${id}-${this.name}-${index}`;
    if (this.option.id !== name) {
      // A new element, since not every screen reader notices when only the text changes.
      const option = element("div", "fm-hidden", { role: "option", id: name, "aria-posinset": String(index + 1) });
      this.option.replaceWith(option);
      this.option = option;
      this.map.setAttribute("aria-activedescendant", name);
    }
    writeAttribute(this.option, "aria-setsize", String(store.header.total ?? -1));
    writeAttribute(this.option, "aria-selected", String(store.openIndex === index));
    write(this.option, [`#${number.format(index)}`, STATUSES[store.rows.status[index]], ...this.facts(index)].join(", "));
  }
}
