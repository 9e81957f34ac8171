// The instances as rows: a few elements, moved to where one looks.

import { Arranged } from "./row_order.js";
import { element, icon, keepKeys, setStatus, write, writeAttribute } from "../ui/elements.js";
import { Filters } from "./filters.js";
import { PENDING, STATUSES } from "../store/protocol.js";
import { duration, number } from "../ui/format.js";

const ROW = 28; // pixels; panel.css agrees
const HEAD = 29; // pixels of the head, ditto
const POOL = 30; // row elements, however many instances there are
const AHEAD = 15; // rows before and after those seen whose words are asked for
const TINY = 330; // pixels of width, as the next ones
const NARROW = 520;
const WIDE = 760;
const PARAM = 96; // of a param's column with its gap, at least
const FIXED = { narrow: 190, medium: 402, wide: 492 }; // of the columns that are no params, and their gaps

/** @typedef {{kind: string, name: string, width: string, sort: string | null, param: number, numeric: boolean}} Column */

export class Table {
  constructor(view) {
    this.view = view;
    this.active = 0;
    this.activePlace = -1; // where it was drawn
    this.height = 10 * ROW;
    this.width = WIDE;
    /** @type {Column[]} */
    this.columns = [];
    this.shape = "";
    /** @type {any[]} */
    this.pool = [];
    this.filters = new Filters(view, () => this.arranged.wish());
    this.arranged = new Arranged(view, this.filters);
    this.same = element("div", "fm-same fm-quiet");
    this.head = element("div", "fm-row fm-row-head", { role: "row", "aria-rowindex": "1" });
    this.spacer = element("div", "fm-spacer", { role: "presentation" });
    // It scrolls itself, so that whoever has the keyboard on it can scroll it.
    this.grid = element("div", "fm-grid fm-scroller", { role: "grid", "aria-label": "Instances", tabindex: "0" },
      element("div", "fm-grid-head", { role: "rowgroup" }, this.head), element("div", "", { role: "rowgroup" }, this.spacer));
    this.empty = element("div", "fm-empty");
    this.root = element("div", "fm-list", {}, this.filters.root, this.same, this.grid, this.empty);
    this.listen();
  }

  listen() {
    const { view, grid, spacer } = this;
    grid.addEventListener("scroll", () => view.later(), { passive: true });
    grid.addEventListener("keydown", (event) => this.key(event));
    grid.addEventListener("focus", () => view.later());
    spacer.addEventListener("click", (event) => {
      const slot = this.pool.find(({ row }) => row.contains(event.target));
      if (!slot || slot.index < 0) return;
      view.toggle(slot.index, grid);
    });
    // Asked in every frame, sizes would have the page laid out in the midst of drawing.
    this.resized = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        if (target === grid) this.height = contentRect.height - HEAD;
        else if (contentRect.width) this.width = contentRect.width;
      }
      view.later();
    });
    this.resized.observe(grid);
    this.resized.observe(this.root);
  }

  remove() {
    this.resized.disconnect();
    this.filters.remove();
  }

  // What one does

  key(event) {
    if (event.target !== this.grid) return; // a header's own key
    const { view } = this;
    const last = this.arranged.count - 1;
    const page = Math.max(1, Math.floor(this.height / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      const from = this.arranged.placeOf(this.active);
      // From a row that is not shown, any way leads to the first one.
      const to = from < 0 ? 0 : Math.max(0, Math.min(last, from + steps[event.key]));
      if (last >= 0) this.active = this.arranged.at(to);
      this.reveal(to);
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.arranged.placeOf(this.active) >= 0 && last >= 0) view.toggle(this.active, this.grid);
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
    const place = this.arranged.placeOf(index);
    if (place >= 0) this.reveal(place);
  }

  reveal(place) {
    const { grid } = this;
    const top = place * ROW;
    if (top < grid.scrollTop) grid.scrollTop = top;
    const bottom = top + ROW - this.height;
    if (bottom > grid.scrollTop) grid.scrollTop = bottom;
  }

  // What one sees

  draw() {
    const { view, grid, arranged } = this;
    const { store } = view;
    const { header } = store;
    const focused = document.activeElement === grid;
    const anew = arranged.refresh();
    if (anew) for (const slot of this.pool) slot.index = -1;
    this.shapeColumns();
    const n = arranged.count;
    const all = store.rows.count;
    grid.setAttribute("aria-rowcount", String(header.total === null ? -1 : n + 1));
    const height = `${n * ROW}px`;
    if (this.spacer.style.height !== height) this.spacer.style.height = height;
    grid.hidden = all === 0;
    this.filters.root.hidden = all === 0;
    this.empty.hidden = n !== 0;
    this.filters.draw(n, arranged.asking);
    const nothing = arranged.asking ? "Asking the kernel, which is busy…" : "No instance is like that.";
    const none = header.total === 0 ? "The param list is empty: there was nothing to run." : "No instances yet.";
    write(this.empty, all ? nothing : header.status === "idle" ? "The instances appear here when it runs." : none);
    if (this.active >= all) this.active = Math.max(0, all - 1);
    if (anew && focused) this.follow();

    const shown = Math.ceil(this.height / ROW) + 1;
    const spare = Math.max(0, Math.floor((POOL - shown) / 2));
    const first = Math.max(0, Math.min(n - POOL, Math.floor(grid.scrollTop / ROW) - spare));
    const last = Math.min(n, first + POOL);
    this.activePlace = -1;
    for (let place = first; place < last; place += 1) this.drawRow(this.pool[place % POOL], place, focused);
    for (const slot of this.pool) {
      const off = slot.place < first || slot.place >= last;
      if (off && !slot.row.hidden) {
        slot.row.hidden = true;
        slot.place = slot.index = -1;
      }
    }
    writeAttribute(grid, "aria-activedescendant", this.activePlace < 0 ? "" : `${view.id}-row-${this.active}`);
    if (n && !view.gone) {
      const from = Math.max(0, first - AHEAD);
      store.want(Array.from({ length: Math.min(n, last + AHEAD) - from }, (_, at) => arranged.at(from + at)));
    }
  }

  drawRow(slot, place, focused) {
    const { id, store } = this.view;
    const { rows, header, words } = store;
    const { row, cells } = slot;
    const i = this.arranged.at(place);
    if (slot.index !== i || slot.place !== place) {
      slot.index = i;
      slot.place = place;
      row.style.transform = `translateY(${place * ROW}px)`;
      row.setAttribute("aria-rowindex", String(place + 2));
      row.id = `${id}-row-${i}`;
      row.hidden = false;
    }
    setStatus(row, slot.svg, slot.word, STATUSES[rows.status[i]] ?? "pending", rows.restored(i) ? "restored" : undefined);
    const known = words.get(i);
    const tries = rows.earlier[i] > 0 ? `×${rows.earlier[i] + 1} ` : "";
    const texts = {
      index: number.format(i),
      node: rows.status[i] === PENDING ? "" : header.nodes[rows.node[i]] ?? "",
      params: store.texts.get(i) ?? "…",
      result: known?.outcome ?? "",
      seconds: tries + duration(store.seconds(i)),
    };
    this.columns.forEach(({ kind, param }, at) => {
      if (kind === "status") return;
      const text = kind === "param" ? known?.cells[param] ?? (known ? "" : "…") : texts[kind];
      const cell = cells[at];
      if (cell.textContent === text) return;
      cell.textContent = text;
      if (kind !== "index" && kind !== "seconds") cell.title = text;
    });
    const opened = store.opened === i;
    if (row.getAttribute("aria-selected") !== String(opened)) row.setAttribute("aria-selected", String(opened));
    row.classList.toggle("fm-active", focused && i === this.active);
    if (i === this.active) this.activePlace = place;
  }

  /** Rows have other places: keep the one under the keyboard where it was on the screen. */
  follow() {
    const place = this.arranged.placeOf(this.active);
    if (this.activePlace >= 0 && place >= 0) this.grid.scrollTop += (place - this.activePlace) * ROW;
  }

  // Columns

  /** @returns {Column[]} those that there is room for */
  fitting() {
    const { names, numeric, more } = this.view.store.columns;
    const { width } = this;
    /** @returns {Column} */
    const column = (kind, name, size, sort = kind, param = -1) => ({ kind, name, width: size, sort, param, numeric: numeric[param] ?? false });
    const size = width < NARROW ? "narrow" : width < WIDE ? "medium" : "wide";
    const narrow = size === "narrow";
    const columns = [column("index", "#", narrow ? "44px" : "58px"), column("status", "status", narrow ? "26px" : "106px")];
    if (!narrow) columns.push(column("node", "node", "minmax(0, 0.7fr)"));
    const room = Math.floor((width - FIXED[size]) / PARAM);
    const all = names.length <= room && !more;
    // Where not all have room, a line that says all is worth more than the first one or two.
    const shown = all ? names : names.slice(0, Math.max(0, room - 2));
    shown.forEach((name, param) => columns.push(column("param", name, numeric[param] ? "minmax(8ch, 0.5fr)" : "minmax(0, 1fr)", "param", param)));
    if (!all || !names.length) columns.push(column("params", shown.length ? "all params" : "params", "minmax(0, 2fr)", null));
    if (size === "wide") columns.push(column("result", "result", "minmax(0, 1.1fr)", null));
    if (width >= TINY) columns.push(column("seconds", "seconds", narrow ? "66px" : "82px"));
    return columns;
  }

  /** Have the columns that fit, and heads to sort by. */
  shapeColumns() {
    const { same } = this.view.store.columns;
    this.same.hidden = !same;
    write(this.same, same && `The same in all: ${same}`);
    const columns = this.fitting();
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
      writeAttribute(this.head.children[at], "aria-sort", this.arranged.direction(sort, param));
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
      this.grid.scrollTop = 0;
      this.arranged.sortBy(sort, param, name);
    });
    cell.append(button);
    return cell;
  }

  poolRow() {
    const svg = icon();
    const word = element("span", "fm-word");
    const cells = this.columns.map(({ kind, numeric }) => element("span", classOf(kind, numeric), { role: "gridcell" }));
    cells[1].append(svg, word);
    const row = element("div", "fm-row", { role: "row" }, ...cells);
    row.hidden = true;
    this.spacer.append(row);
    return { row, cells, svg, word, index: -1, place: -1 };
  }
}

function classOf(kind, numeric) {
  return `fm-cell fm-col-${kind}${numeric || kind === "index" || kind === "seconds" ? " fm-numeric" : ""}`;
}
