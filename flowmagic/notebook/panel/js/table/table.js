// The table of instances: a pool of row elements that is moved to the visible rows.

import { FAILED, RUNNING, STATUSES, SUCCEEDED } from "../store/protocol.js";
import { element, icon, keepKeys, setStatus, write, writeAttribute } from "../ui/elements.js";
import { duration, number } from "../ui/format.js";
import { ChainCell } from "./chain.js";
import { NARROW, columnsFor, hasChains } from "./columns.js";
import { ScrollPosition } from "../ui/scroll_position.js";
import { Filters } from "./filters.js";
import { RowOrder } from "./row_order.js";

/** @import { Column } from "./columns.js" */

// Lengths are CSS pixels.
const ROW = 28; // height of a row, as in panel.css
const HEAD = 29; // height of the head, as in panel.css
const POOL = 30; // row elements, however many instances there are
const AHEAD = 15; // rows before and after the visible ones whose texts are requested

export class Table {
  constructor(view) {
    this.view = view;
    this.active = 0;
    this.activePosition = -1; // where the active row was drawn
    this.height = 10 * ROW;
    this.width = 2 * NARROW;
    /** @type {Column[]} */
    this.columns = [];
    this.shape = "";
    /** @type {any[]} */
    this.pool = [];
    this.filters = new Filters(view, () => this.rowOrder.changeCriteria());
    this.rowOrder = new RowOrder(view, this.filters);
    this.same = element("div", "fm-same fm-quiet");
    this.head = element("div", "fm-row fm-row-head", { role: "row", "aria-rowindex": "1" });
    this.spacer = element("div", "fm-spacer", { role: "presentation" });
    // The focused element scrolls itself, so that the keyboard can scroll it.
    this.grid = element("div", "fm-grid fm-scroller", { role: "grid", "aria-label": "Instances", tabindex: "0" },
      element("div", "fm-grid-head", { role: "rowgroup" }, this.head), element("div", "", { role: "rowgroup" }, this.spacer));
    this.scroll = new ScrollPosition(this.grid, () => view.scheduleDraw());
    this.empty = element("div", "fm-empty");
    this.root = element("div", "fm-list", {}, this.same, this.grid, this.empty);
    this.listen();
  }

  listen() {
    const { view, grid, spacer } = this;
    grid.addEventListener("keydown", (event) => this.key(event));
    grid.addEventListener("focus", () => view.scheduleDraw());
    spacer.addEventListener("click", (event) => {
      const slot = this.pool.find(({ row }) => row.contains(event.target));
      if (!slot || slot.index < 0) return;
      view.toggle(slot.index, grid);
    });
    // Reading sizes while drawing would force a layout in every frame.
    this.resized = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        if (target === grid) this.height = contentRect.height - HEAD;
        else if (contentRect.width) this.width = contentRect.width;
      }
      view.scheduleDraw();
    });
    this.resized.observe(grid);
    this.resized.observe(this.root);
  }

  remove() {
    this.resized.disconnect();
    this.filters.remove();
    this.rowOrder.remove();
  }

  // Input

  key(event) {
    if (event.target !== this.grid) return; // a column header handles its own keys
    const { view } = this;
    const last = this.rowOrder.count - 1;
    const page = Math.max(1, Math.floor(this.height / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      const from = this.rowOrder.positionOf(this.active);
      // If the active row is filtered out, every key leads to the first row.
      const to = from < 0 ? 0 : Math.max(0, Math.min(last, from + steps[event.key]));
      if (last >= 0) this.active = this.rowOrder.at(to);
      this.reveal(to);
    } else if (!view.openByKey(event, this.rowOrder.positionOf(this.active) >= 0 && last >= 0 ? this.active : null, this.grid)) {
      return;
    }
    event.preventDefault();
    view.scheduleDraw();
  }

  /** Move the cursor to an instance that was opened here or elsewhere. */
  show(index) {
    this.active = index;
    const position = this.rowOrder.positionOf(index);
    if (position >= 0) this.reveal(position);
  }

  reveal(position) {
    this.scroll.reveal(position * ROW, ROW, this.height);
  }

  // Drawing

  draw() {
    const { view, grid, rowOrder } = this;
    const { store } = view;
    const { header } = store;
    const focused = document.activeElement === grid;
    const reordered = rowOrder.refresh();
    if (reordered) for (const slot of this.pool) slot.index = -1;
    this.shapeColumns();
    const n = rowOrder.count;
    const all = store.rows.count;
    grid.setAttribute("aria-rowcount", String(header.total === null ? -1 : n + 1));
    const height = `${n * ROW}px`;
    if (this.spacer.style.height !== height) this.spacer.style.height = height;
    grid.hidden = all === 0;
    this.empty.hidden = n !== 0;
    this.filters.draw(n, rowOrder.searching);
    const nothing = rowOrder.searching ? "Waiting for the kernel, which is busy…" : "No matching instances.";
    const none = header.total === 0 ? "The param list is empty: there was nothing to run." : "No instances yet.";
    write(this.empty, all ? nothing : header.status === "idle" ? "The instances appear here once the run has started." : none);
    if (this.active >= all) this.active = Math.max(0, all - 1);
    if (reordered && focused) this.follow();

    const shown = Math.ceil(this.height / ROW) + 1;
    const spare = Math.max(0, Math.floor((POOL - shown) / 2));
    const first = Math.max(0, Math.min(n - POOL, Math.floor(this.scroll.top / ROW) - spare));
    const last = Math.min(n, first + POOL);
    this.activePosition = -1;
    for (let position = first; position < last; position += 1) this.drawRow(this.pool[position % POOL], position, focused);
    for (const slot of this.pool) {
      const off = slot.position < first || slot.position >= last;
      if (off && !slot.row.hidden) {
        slot.row.hidden = true;
        slot.position = slot.index = -1;
      }
    }
    writeAttribute(grid, "aria-activedescendant", this.activePosition < 0 ? "" : `${view.id}-row-${this.active}`);
    if (n && !view.gone) {
      const from = Math.max(0, first - AHEAD);
      store.requestRows(Array.from({ length: Math.min(n, last + AHEAD) - from }, (_, at) => rowOrder.at(from + at)));
    }
  }

  drawRow(slot, position, focused) {
    const { id, store } = this.view;
    const { rows, texts } = store;
    const { row, cells } = slot;
    const i = this.rowOrder.at(position);
    if (slot.index !== i || slot.position !== position) {
      slot.index = i;
      slot.position = position;
      row.style.transform = `translateY(${position * ROW}px)`;
      row.setAttribute("aria-rowindex", String(position + 2));
      row.id = `${id}-row-${i}`;
      row.hidden = false;
    }
    setStatus(row, slot.svg, slot.word, STATUSES[rows.status[i]] ?? "pending", rows.restored(i) ? "restored" : undefined);
    const known = texts.rows.get(i);
    const attempt = rows.earlier[i] > 0 ? ` · ${ordinal(rows.earlier[i] + 1)} try` : "";
    const shown = {
      index: number.format(i),
      params: texts.get(i) ?? "…",
      output: this.outputOf(i),
      action: known?.action ?? "",
      seconds: duration(store.seconds(i)) + (this.width < NARROW ? "" : attempt),
    };
    slot.chain?.draw(known?.chain ?? [], rows.status[i], store.graph);
    this.columns.forEach(({ kind, param }, at) => {
      if (kind === "status" || kind === "chain") return;
      const text = kind === "param" ? known?.cells[param] ?? (known ? "" : "…") : shown[kind];
      const cell = cells[at];
      if (cell.textContent === text) return;
      cell.textContent = text;
      if (kind !== "index" && kind !== "seconds") cell.title = text;
    });
    this.drawPicture(cells[this.columns.findIndex(({ kind }) => kind === "output")], i);
    const open = store.openIndex === i;
    if (row.getAttribute("aria-selected") !== String(open)) row.setAttribute("aria-selected", String(open));
    row.classList.toggle("fm-active", focused && i === this.active);
    if (i === this.active) this.activePosition = position;
  }

  /** Put the picture that a row has as its output before its text. */
  drawPicture(cell, i) {
    const { texts, outputs } = this.view.store;
    const url = texts.isFresh(i) && texts.rows.get(i)?.picture ? outputs.thumbnail(i)?.url ?? "" : "";
    const drawn = cell.querySelector("img");
    if ((drawn?.src ?? "") === url) return;
    drawn?.remove();
    if (url) cell.prepend(element("img", "fm-thumbnail", { src: url, alt: "" }));
  }

  /** The output or error of a row that has ended; where a running one is, unless its node copies tell. */
  outputOf(i) {
    const { store } = this.view;
    const status = store.rows.status[i];
    if (status === RUNNING) {
      const wait = store.waitOf(i);
      if (hasChains(store, this.width)) return wait || "…";
      return [store.header.nodes[store.rows.node[i]], wait].filter(Boolean).join(" ");
    }
    if (status !== SUCCEEDED && status !== FAILED) return "";
    return store.texts.isFresh(i) ? store.texts.rows.get(i)?.outcome ?? "" : "…";
  }

  /** Scroll so that the active row stays where it was on the screen after a reordering. */
  follow() {
    const position = this.rowOrder.positionOf(this.active);
    if (this.activePosition >= 0 && position >= 0) this.scroll.moveTo(this.scroll.top + (position - this.activePosition) * ROW);
  }

  // Columns

  /** Rebuild the columns if others fit now, and update the sort indicators. */
  shapeColumns() {
    const { same } = this.view.store.columns;
    this.same.hidden = !same;
    write(this.same, same && `The same in all rows: ${same}`);
    const columns = columnsFor(this.view.store, this.width);
    const shape = JSON.stringify(columns);
    if (shape !== this.shape) {
      this.shape = shape;
      this.columns = columns;
      this.grid.setAttribute("aria-colcount", String(columns.length));
      this.grid.style.setProperty("--fm-columns", columns.map(({ width }) => width).join(" "));
      this.grid.classList.toggle("fm-narrow", this.width < NARROW);
      this.head.replaceChildren(...columns.map((column) => this.headCell(column)));
      keepKeys(this.head);
      this.spacer.replaceChildren();
      this.pool = Array.from({ length: POOL }, () => this.poolRow());
    }
    columns.forEach(({ sort, param }, at) => {
      writeAttribute(this.head.children[at], "aria-sort", this.rowOrder.direction(sort, param));
    });
  }

  headCell({ kind, name, sort, param, numeric }) {
    const cell = element("span", classOf(kind, numeric), { role: "columnheader", title: name });
    if (sort === null) {
      cell.append(name);
      return cell;
    }
    const button = element("button", "fm-sort", { type: "button" }, element("span", "fm-sort-name", {}, name));
    button.addEventListener("click", () => {
      this.scroll.moveTo(0);
      this.rowOrder.sortBy(sort, param, name);
    });
    cell.append(button);
    return cell;
  }

  poolRow() {
    const svg = icon();
    const word = element("span", "fm-word");
    const cells = this.columns.map(({ kind, numeric }) => element("span", classOf(kind, numeric), { role: "gridcell" }));
    cells[1].append(svg, word);
    const chainAt = this.columns.findIndex(({ kind }) => kind === "chain");
    const row = element("div", "fm-row", { role: "row" }, ...cells);
    row.hidden = true;
    this.spacer.append(row);
    return { row, cells, svg, word, chain: chainAt < 0 ? null : new ChainCell(cells[chainAt]), index: -1, position: -1 };
  }
}

const ordinal = (n) => `${n}${["th", "st", "nd", "rd"][n] ?? "th"}`;

function classOf(kind, numeric) {
  return `fm-cell fm-col-${kind}${numeric || kind === "index" || kind === "seconds" ? " fm-numeric" : ""}`;
}
