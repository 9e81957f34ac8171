// The instances as rows: a few elements, moved to where one looks.

import { element, icon, setStatus, write } from "./elements.js";
import { PENDING, STATUSES } from "./wire.js";
import { duration, number } from "./words.js";

const ROW = 28; // pixels; panel.css agrees
const POOL = 30; // row elements, however many instances there are
const COLUMNS = ["#", "status", "node", "params", "seconds"];

export class Table {
  constructor(view) {
    this.view = view;
    this.active = 0;
    this.height = 10 * ROW;
    const head = element("div", "fm-row fm-row-head", { role: "row", "aria-rowindex": "1" },
      ...COLUMNS.map((name, i) => element("span", `fm-cell fm-c${i}`, { role: "columnheader" }, name)));
    this.spacer = element("div", "fm-spacer", { role: "presentation" });
    this.scroller = element("div", "fm-scroller", { role: "rowgroup" }, this.spacer);
    this.grid = element("div", "fm-grid", {
      role: "grid", "aria-label": "Instances", "aria-colcount": String(COLUMNS.length), tabindex: "0",
    }, element("div", "", { role: "rowgroup" }, head), this.scroller);
    this.pool = Array.from({ length: POOL }, () => this.poolRow());
    this.empty = element("div", "fm-empty");
    this.root = element("div", "fm-list", {}, this.grid, this.empty);
    this.listen();
  }

  poolRow() {
    const svg = icon();
    const word = element("span", "fm-word");
    const cells = COLUMNS.map((_, i) => element("span", `fm-cell fm-c${i}`, { role: "gridcell" }));
    cells[1].append(svg, word);
    const row = element("div", "fm-row", { role: "row" }, ...cells);
    row.hidden = true;
    this.spacer.append(row);
    return { row, cells, svg, word, index: -1 };
  }

  listen() {
    const { view, scroller, grid, spacer } = this;
    scroller.addEventListener("scroll", () => view.later(), { passive: true });
    grid.addEventListener("keydown", (event) => this.key(event));
    grid.addEventListener("focus", () => view.later());
    spacer.addEventListener("click", (event) => {
      const slot = this.pool.find(({ row }) => row.contains(event.target));
      if (!slot || slot.index < 0) return;
      view.toggle(slot.index, grid);
    });
    // Asked in every frame, the height would have the page laid out in the midst of drawing.
    this.resized = new ResizeObserver(([{ contentRect }]) => {
      this.height = contentRect.height;
      view.later();
    });
    this.resized.observe(scroller);
  }

  remove() {
    this.resized.disconnect();
  }

  key(event) {
    const { view } = this;
    const last = view.store.rows.count - 1;
    const page = Math.max(1, Math.floor(this.height / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      this.active = Math.max(0, Math.min(last, this.active + steps[event.key]));
      this.reveal(this.active);
    } else if (event.key === "Enter" || event.key === " ") {
      if (last >= 0) view.toggle(this.active, this.grid);
    } else if (event.key === "Escape") {
      view.close();
    } else {
      return;
    }
    event.preventDefault();
    view.later();
  }

  /** Go to an instance, which was opened here or elsewhere. */
  show(index) {
    this.active = index;
    this.reveal(index);
  }

  reveal(index) {
    const { scroller } = this;
    const top = index * ROW;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    const bottom = top + ROW - this.height;
    if (bottom > scroller.scrollTop) scroller.scrollTop = bottom;
  }

  draw() {
    const { view, scroller, grid } = this;
    const { store } = view;
    const { header } = store;
    const n = store.rows.count;
    grid.setAttribute("aria-rowcount", String(header.total === null ? -1 : n + 1));
    const height = `${n * ROW}px`;
    if (this.spacer.style.height !== height) this.spacer.style.height = height;
    grid.hidden = n === 0;
    this.empty.hidden = n !== 0;
    write(this.empty, header.status === "idle" ? "The instances appear here when it runs." : "No instances yet.");
    if (this.active >= n) this.active = Math.max(0, n - 1);

    const shown = Math.ceil(this.height / ROW) + 1;
    const spare = Math.max(0, Math.floor((POOL - shown) / 2));
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - spare);
    const last = Math.min(n, first + POOL);
    const focused = document.activeElement === grid;
    for (let i = first; i < last; i += 1) this.drawRow(this.pool[i % POOL], i, focused);
    for (const slot of this.pool) {
      const off = slot.index < first || slot.index >= last;
      if (off && !slot.row.hidden) {
        slot.row.hidden = true;
        slot.index = -1;
      }
    }
    if (n) {
      grid.setAttribute("aria-activedescendant", `${view.id}-row-${this.active}`);
      if (!view.gone && first < last) store.want(first, last);
    }
  }

  drawRow(slot, i, focused) {
    const { id, store } = this.view;
    const { rows, header, texts } = store;
    const { row, cells } = slot;
    if (slot.index !== i) {
      slot.index = i;
      row.style.transform = `translateY(${i * ROW}px)`;
      row.setAttribute("aria-rowindex", String(i + 2));
      row.id = `${id}-row-${i}`;
      row.hidden = false;
      write(cells[0], number.format(i));
    }
    setStatus(row, slot.svg, slot.word, STATUSES[rows.status[i]] ?? "pending");
    write(cells[2], rows.status[i] === PENDING ? "" : header.nodes[rows.node[i]] ?? "");
    const text = texts.get(i) ?? "…";
    if (cells[3].textContent !== text) {
      cells[3].textContent = text;
      cells[3].title = text;
    }
    const tries = rows.earlier[i] > 0 ? `×${rows.earlier[i] + 1} ` : "";
    write(cells[4], tries + duration(store.seconds(i)));
    const opened = store.opened === i;
    if (row.getAttribute("aria-selected") !== String(opened)) row.setAttribute("aria-selected", String(opened));
    row.classList.toggle("fm-active", focused && i === this.active);
  }
}
