// The overview: every instance as a cell.

import { element, frameAround, keepKeys } from "../ui/elements.js";
import { Palette } from "../ui/palette.js";
import { ScrollPosition } from "../ui/scroll_position.js";
import { StatusLine } from "../ui/status_line.js";
import { cellAt, cornerOf, keyTo, layout, sameLayout } from "./layout.js";
import { Cards, Squares } from "./squares.js";

const RING = 7; // smallest side of the frame around a cell, in CSS pixels
const SCROLLBAR = 16; // CSS pixels
const MANY = 0.25; // share of changed cells from which everything is repainted

export class Overview {
  constructor(view) {
    this.view = view;
    this.width = 0;
    this.layout = layout(0, 0, 1);
    /** @type {Cards | Squares | null} */
    this.brush = null;
    /** @type {number[]} */
    this.dirty = [];
    this.stale = true; // whether all cells have to be painted
    this.top = 0;
    this.active = 0;
    this.hover = -1;
    /** @type {{x: number, y: number} | null} the pointer's position on the canvas, in CSS pixels */
    this.pointer = null;
    this.labels = null;
    this.canvas = element("canvas", "fm-canvas", { "aria-hidden": "true" });
    this.pen = this.canvas.getContext("2d");
    this.cursorRing = element("div", "fm-ring", { "aria-hidden": "true" });
    this.openRing = element("div", "fm-ring fm-held", { "aria-hidden": "true" });
    this.spacer = element("div", "fm-map-spacer", {}, this.canvas, this.openRing, this.cursorRing);
    this.scroller = element("div", "fm-map-scroller", { role: "presentation" }, this.spacer);
    this.scroll = new ScrollPosition(this.scroller, () => { this.stale = true; view.scheduleDraw(); });
    this.map = element("div", "fm-map", { role: "listbox", "aria-label": "Overview", tabindex: "0" }, this.scroller);
    this.statusLine = new StatusLine(view, this.map);
    this.palette = new Palette(() => this.repaint());
    // Measures the available width, independently of what is drawn.
    this.ruler = element("div", "fm-ruler");
    this.root = element("div", "fm-overview", {}, this.ruler, this.map, this.statusLine.root, this.palette.root);
    keepKeys(this.map);
    this.listen();
  }

  listen() {
    const { view, canvas, map } = this;
    for (const type of ["pointermove", "pointerdown"]) {
      canvas.addEventListener(type, (event) => this.point({ x: event.offsetX, y: event.offsetY }));
    }
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("click", (event) => {
      // A click has rounded coordinates: open the instance that the last pointer event hit.
      const index = this.at(this.pointer ?? { x: event.offsetX, y: event.offsetY });
      if (index < 0) return;
      map.focus({ preventScroll: true });
      view.toggle(index, map);
    });
    map.addEventListener("keydown", (event) => this.key(event));
    for (const type of ["focus", "blur"]) map.addEventListener(type, () => view.scheduleDraw());
    this.resized = new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width;
      // Draw in this frame, which would otherwise be painted with the old size.
      this.draw();
    });
    this.resized.observe(this.ruler);
    // Zooming or moving to another screen changes the pixel ratio, perhaps not the width.
    this.onResize = () => view.scheduleDraw();
    window.addEventListener("resize", this.onResize);
  }

  remove() {
    this.statusLine.remove();
    this.resized.disconnect();
    window.removeEventListener("resize", this.onResize);
  }

  /** Mark changed rows for repainting. @param {number[] | "all"} rows */
  mark(rows) {
    if (rows === "all" || this.dirty.length > MANY * this.layout.n) {
      this.stale = true;
      this.dirty = [];
    } else if (!this.stale) {
      this.dirty.push(...rows);
    }
  }

  /** Repaint everything in the current colours. */
  repaint() {
    this.brush = null;
    this.view.scheduleDraw();
  }

  // Input

  point(pointer) {
    this.pointer = pointer;
    this.view.scheduleDraw();
  }

  /** @returns {number} the instance at a point of the canvas, or -1 */
  at({ x, y }) {
    const { columns, scale } = this.layout;
    const index = cellAt(this.layout, x * scale, y * scale + this.top);
    const marks = this.brush instanceof Squares ? this.brush.marks : null;
    if (index < 0 || !marks?.size || marks.has(index)) return index;
    // A failure that is drawn larger than its cell can be hit there, too.
    const around = [-1, 1, -columns, columns, -columns - 1, -columns + 1, columns - 1, columns + 1];
    const near = around.find((step) => marks.has(index + step));
    return near === undefined ? index : index + near;
  }

  key(event) {
    const { view } = this;
    const to = keyTo(this.layout, event.key, this.active);
    if (to !== null) {
      this.active = to;
      this.pointer = null; // the keyboard's cursor takes over
      this.reveal(to);
    } else if (!view.openByKey(event, this.layout.n ? this.active : null, this.map)) {
      return;
    }
    event.preventDefault();
    view.scheduleDraw();
  }

  /** Move the cursor to an instance that was opened here or elsewhere. */
  show(index) {
    this.active = index;
    this.reveal(index);
  }

  reveal(index) {
    const { dy, height, shown, scale } = this.layout;
    if (height <= shown) return;
    this.scroll.reveal(cornerOf(this.layout, index).y / scale, dy / scale, shown / scale);
  }

  // Drawing

  draw() {
    const { rows } = this.view.store;
    this.root.hidden = rows.count === 0;
    if (!this.width || !rows.count) return;
    this.updateLayout(rows.count);
    if (this.view.store.labels !== this.labels) {
      this.labels = this.view.store.labels;
      this.stale ||= this.layout.kind === "cards";
    }
    this.paint();
    this.hover = this.pointer ? this.at(this.pointer) : -1;
    this.active = Math.min(this.active, rows.count - 1);
    const focused = document.activeElement === this.map;
    const cursor = this.hover >= 0 ? this.hover : focused ? this.active : -1;
    const { openIndex } = this.view.store;
    this.frame(this.cursorRing, cursor);
    this.frame(this.openRing, openIndex !== null && openIndex < rows.count ? openIndex : -1);
    this.statusLine.draw(cursor);
    if (focused) this.statusLine.drawOption(this.active);
    this.canvas.classList.toggle("fm-over", this.hover >= 0);
  }

  /** Compute the layout of `n` cells, and discard what was painted if cells have moved. */
  updateLayout(n) {
    const scale = window.devicePixelRatio || 1;
    let next = layout(n, this.width, scale);
    if (next.height > next.shown) next = layout(n, this.width - SCROLLBAR, scale);
    const before = this.layout;
    this.layout = next;
    if (this.brush && sameLayout(before, next)) {
      this.brush.layout = next;
      for (let i = before.n; i < n; i += 1) this.mark([i]);
      this.stale ||= n < before.n;
    } else {
      this.brush = null;
    }
    const { canvas, spacer, scroller } = this;
    const scrolls = next.height > next.shown;
    const tall = scrolls ? next.shown + next.dy : next.shown;
    if (canvas.width !== next.width || canvas.height !== tall) {
      canvas.width = next.width;
      canvas.height = tall;
      this.stale = true;
    }
    const size = (node, property, length) => {
      const text = `${length / scale}px`;
      if (node.style[property] !== text) node.style[property] = text;
    };
    scroller.classList.toggle("fm-scrolls", scrolls);
    size(canvas, "width", next.width);
    size(canvas, "height", tall);
    size(spacer, "height", next.height);
    size(scroller, "height", next.shown);
    this.top = scrolls ? Math.floor((this.scroll.top * scale) / next.dy) * next.dy : 0;
    const moved = this.top ? `translateY(${this.top / scale}px)` : "";
    if (canvas.style.transform !== moved) canvas.style.transform = moved;
  }

  paint() {
    const { pen, palette } = this;
    const { rows } = this.view.store;
    if (!this.brush) {
      const colours = palette.colours();
      this.brush = this.layout.kind === "cards"
        ? new Cards(this.layout, colours, palette.fonts(), (i) => this.statusLine.caption(i)) : new Squares(this.layout, colours);
      this.stale = true;
    }
    const all = this.stale || !this.brush.touch(pen, rows, this.top, this.dirty);
    if (all) this.brush.paint(pen, rows, this.top);
    this.stale = false;
    this.dirty = [];
  }

  /** Put a frame around a cell; -1 hides it. */
  frame(ring, index) {
    ring.hidden = index < 0;
    if (index < 0) return;
    const { dx, dy, gap, scale } = this.layout;
    const { x, y } = cornerOf(this.layout, index);
    frameAround(ring, { x, y, width: dx - gap, height: dy - gap }, scale, RING);
  }
}
