// What the overview says of one cell, in a line below it and to a screen reader.

import { element, icon, setStatus, write, writeAttribute } from "./elements.js";
import { FAILED, PENDING, STATUSES } from "../store/protocol.js";
import { duration, number } from "./format.js";

const HINT = "Point at a cell, or go there with the arrow keys; Enter opens it.";
const REST = 120; // milliseconds on a cell, after which its params are asked for

export class Told {
  /**
   * @param {HTMLElement} map what has the keyboard
   * @param {string} hint what to say of no cell
   * @param {string} name what to call its cells among the elements of the page
   */
  constructor(view, map, hint = HINT, name = "cell") {
    this.view = view;
    this.map = map;
    this.hint = hint;
    this.name = name;
    this.timer = 0;
    this.asked = -1;
    this.svg = icon();
    this.word = element("span", "fm-word");
    this.index = element("span", "fm-label fm-num");
    this.rest = element("span", "fm-told-rest");
    // Not for a screen reader, which is told by the option: a pointer that passes by is no news.
    this.root = element("div", "fm-told", { "aria-hidden": "true" }, this.index, this.svg, this.word, this.rest);
    this.option = element("div", "fm-hidden", { "aria-hidden": "true" });
    map.append(this.option);
  }

  remove() {
    clearTimeout(this.timer);
  }

  /** @returns {{label: string, node: string}} what a card says of an instance */
  words(i) {
    const { rows, header, labels, texts } = this.view.store;
    return {
      label: labels[i] ?? texts.get(i) ?? "",
      node: rows.status[i] === PENDING ? "" : rows.restored(i) ? "restored" : header.nodes[rows.node[i]] ?? "",
    };
  }

  /** @returns {string[]} what is known of an instance beside its index and status, in one line */
  facts(i) {
    const { store } = this.view;
    const { rows } = store;
    const { node } = this.words(i);
    const tries = rows.earlier[i] > 0 ? `attempt ${rows.earlier[i] + 1}` : rows.restored(i) ? "did not run" : "";
    return [node, tries, duration(store.seconds(i)), store.texts.get(i) ?? "…"].filter(Boolean);
  }

  /** @returns {number} */
  statusOf(index) {
    return this.view.store.rows.status[index];
  }

  /** @param {number} index of the cell to speak of; -1: none */
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
    root.classList.toggle("fm-told-bad", status === FAILED);
    write(this.rest, this.facts(index).join(" · "));
    this.ask(index);
  }

  /** Ask for the params of an instance, if they are not known and one stays with it. */
  ask(index) {
    const { store, gone } = this.view;
    if (this.asked === index || gone) return;
    clearTimeout(this.timer);
    this.asked = index;
    if (store.texts.has(index)) return;
    this.timer = setTimeout(() => {
      this.asked = -1;
      store.want([index]);
    }, REST);
  }

  /** The cell that has the keyboard, for those who do not see it. */
  drawOption(index) {
    const { store, id } = this.view;
    const name = `${id}-${this.name}-${index}`;
    if (this.option.id !== name) {
      // A new element: of one that only changes its words, not every screen reader takes notice.
      const option = element("div", "fm-hidden", { role: "option", id: name, "aria-posinset": String(index + 1) });
      this.option.replaceWith(option);
      this.option = option;
      this.map.setAttribute("aria-activedescendant", name);
    }
    writeAttribute(this.option, "aria-setsize", String(store.header.total ?? -1));
    writeAttribute(this.option, "aria-selected", String(store.opened === index));
    write(this.option, [`#${number.format(index)}`, STATUSES[store.rows.status[index]], ...this.facts(index)].join(", "));
  }
}
