// The timeline: when each instance ran, as a bar in a lane.

import { FAILED } from "../store/protocol.js";
import { element, keepKeys, write } from "../ui/elements.js";
import { number } from "../ui/format.js";
import { TimeRange, changesOf } from "./axis.js";
import { TimelineCanvas } from "./canvas.js";
import { EarlierAttempts } from "./earlier_attempts.js";
import { HoverLine } from "./hover_line.js";
import { Lanes } from "./lanes.js";
import { Zoom } from "./zoom.js";

/** @import { PlacedAttempt } from "./earlier_attempts.js" */

const MARKS = 5_000; // most changed rows that are tracked individually
const NEAR = 4; // CSS pixels around a bar that still belong to it
const NAMES = 8; // most nodes in the legend
const REQUEST_MS = 340; // least time between two requests
const LOST_MS = 3_000; // after which an unanswered request counts as lost
const MAX_REQUESTED = 200; // rows per request
const NONE = { index: -1, attempt: null };

export class Timeline {
  constructor(view) {
    this.view = view;
    this.active = 0;
    this.hover = -1;
    /** @type {{x: number, y: number} | null} the pointer's position on the canvas, in CSS pixels */
    this.pointer = null;
    /** @type {Set<number> | "all"} rows whose changes the lanes do not have yet */
    this.dirty = "all";
    this.requestedAt = -Infinity;
    this.requestN = 0;
    this.timer = 0;
    this.names = "";
    this.lanes = new Lanes();
    this.timeRange = new TimeRange();
    this.earlierAttempts = new EarlierAttempts(this.lanes);
    this.canvas = new TimelineCanvas(view, this.lanes, this.earlierAttempts);
    this.map = element("div", "fm-map fm-timeline-map", { role: "listbox", "aria-label": "Timeline", tabindex: "0" },
      this.canvas.axisCanvas, this.canvas.scroller);
    this.zoom = new Zoom(this);
    this.hoverLine = new HoverLine(view, this.map, this.lanes);
    this.legend = element("span", "fm-legend fm-nodes");
    this.empty = element("div", "fm-empty");
    this.ruler = element("div", "fm-ruler");
    this.chart = element("div", "fm-chart", {}, this.ruler,
      element("div", "fm-timeline-head", {}, this.legend, this.zoom.root), this.map, this.hoverLine.root, this.canvas.palette.root);
    this.root = element("div", "fm-timeline", {}, this.chart, this.empty);
    keepKeys(this.root);
    this.listen();
  }

  listen() {
    const { view, map, canvas } = this;
    for (const type of ["focus", "blur"]) map.addEventListener(type, () => view.scheduleDraw());
    map.addEventListener("keydown", (event) => this.key(event));
    this.resized = new ResizeObserver(([{ contentRect }]) => {
      // While hidden, it does not notice a change of the theme.
      if (!canvas.width) canvas.repaint();
      canvas.width = contentRect.width;
      if (canvas.width) this.draw();
    });
    this.resized.observe(this.ruler);
  }

  remove() {
    clearTimeout(this.timer);
    this.hoverLine.remove();
    this.resized.disconnect();
  }

  /** Mark changed rows. @param {number[] | "all"} rows */
  mark(rows) {
    if (this.dirty === "all") return;
    if (rows === "all" || this.dirty.size + rows.length > MARKS) this.dirty = "all";
    else for (const i of rows) this.dirty.add(i);
  }

  get live() {
    return this.view.store.header.ticking;
  }

  get now() {
    return this.view.store.elapsed;
  }

  /** The visible part of the time. */
  get shown() {
    return this.timeRange.at(this.now, this.live);
  }

  /** The active bar's position in the visible time, from 0 to 1; the middle if it is not visible. */
  get focus() {
    const { started, ended } = this.lanes;
    const { from, to } = this.shown;
    const start = Math.max(from, started[this.active]);
    const end = Math.min(to, ended[this.active], this.now);
    return start <= end ? ((start + end) / 2 - from) / (to - from) : 0.5;
  }

  // Input

  point(pointer) {
    this.pointer = pointer;
    this.view.scheduleDraw();
  }

  /** @returns {{index: number, attempt: PlacedAttempt | null}} the bar at a point of the canvas, in CSS pixels */
  at({ x, y }) {
    const { offset, scale, top, high, pixel, last } = this.canvas.viewport;
    const lane = Math.floor((y * pixel + top) / high);
    const time = (x * pixel + offset) / scale;
    const near = (NEAR * pixel) / scale;
    if (lane < 0 || lane >= last || time > this.now + near) return NONE; // a running bar ends now
    // If several bars share a pixel, the failure is the visible one.
    const { status } = this.view.store.rows;
    const left = Math.floor(x * pixel + offset);
    const failed = this.lanes.between(lane, left / scale, (left + 1) / scale).find((i) => status[i] === FAILED);
    if (failed !== undefined) return { index: failed, attempt: null };
    const [index, attempt] = [this.lanes.near(lane, time, near), this.earlierAttempts.near(lane, time, near)];
    const closer = attempt && attempt.started <= time && time < attempt.ended;
    if (attempt && (closer || index < 0)) return { index: attempt.row, attempt };
    return { index, attempt: null };
  }

  click(pointer) {
    const { index } = this.at(pointer);
    this.map.focus({ preventScroll: true });
    if (index < 0) return;
    this.active = index;
    this.view.toggle(index, this.map);
  }

  key(event) {
    const { view, map } = this;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.zoom.key(event)) {
      this.pointer = null; // the keyboard's cursor takes over
    } else if (!view.openByKey(event, this.lanes.lane[this.active] >= 0 ? this.active : null, map)) {
      const to = this.lanes.step(this.active, event.key);
      if (to === null) return;
      this.pointer = null;
      this.show(to);
    }
    event.preventDefault();
    view.scheduleDraw();
  }

  /** Move the cursor to an instance that was opened here or elsewhere. */
  show(index) {
    this.active = index;
    const { lane, started, ended } = this.lanes;
    if (!(lane[index] >= 0)) return;
    this.timeRange.reveal(started[index], ended[index], this.now, this.live);
    this.canvas.reveal(lane[index]);
  }

  /** @returns {string} a description of the limit change at a position of the axis; empty if there is none */
  changeAt(x) {
    const { steps, width } = this.canvas;
    const near = changesOf(steps, this.shown).find(({ share }) => Math.abs(share * width - x) < NEAR + 2);
    return near?.text ?? "";
  }

  // Drawing

  draw() {
    const { store } = this.view;
    const { canvas, lanes, live, now } = this;
    this.updateLanes();
    const none = lanes.count === 0;
    this.chart.hidden = none;
    this.empty.hidden = !none;
    if (none) write(this.empty, this.emptyText);
    if (none || !canvas.width) return;
    if (!(lanes.lane[this.active] >= 0)) this.active = lanes.lanes.find((each) => each.length)?.[0] ?? 0;
    this.request(canvas.draw(this.shown, now, live));
    const { index, attempt } = this.pointer ? this.at(this.pointer) : NONE;
    this.hover = index;
    const focused = document.activeElement === this.map;
    const cursor = this.hover >= 0 ? this.hover : focused ? this.active : -1;
    canvas.frame(canvas.cursorRing, cursor, now, attempt);
    canvas.frame(canvas.openRing, store.openIndex ?? -1, now);
    this.hoverLine.draw(cursor, this.zoom.changeText, attempt);
    if (focused) this.hoverLine.drawOption(this.active);
    canvas.barCanvas.classList.toggle("fm-over", this.hover >= 0);
    this.zoom.draw();
    this.drawLegend();
  }

  /** Update the lanes of the changed rows. */
  updateLanes() {
    const { dirty, lanes, canvas } = this;
    const { rows } = this.view.store;
    if (lanes.waiting.length) {
      canvas.tiles.add(rows, lanes.place());
    } else if (dirty === "all" || dirty.size) {
      this.dirty = new Set();
      const { ended, moved } = lanes.update(rows, dirty);
      if (moved) canvas.tiles.clear();
      else canvas.tiles.add(rows, ended);
    }
    if (lanes.waiting.length) this.view.scheduleDraw();
    else if (this.earlierAttempts.update(this.view.store.attempts)) canvas.tiles.clear();
  }

  /** The text shown while there are no bars. */
  get emptyText() {
    const { status, restored, counts } = this.view.store.header;
    if (status === "idle") return "This shows when each instance ran, once the run has started.";
    if (restored && restored === counts.reduce((sum, n) => sum + n, 0)) return "Nothing ran: every row was restored from an earlier run.";
    return "Nothing has started yet.";
  }

  /** Request missing segments and earlier attempts. @param {number[]} wide rows whose bars have room for their nodes */
  request(wide) {
    const { store, gone } = this.view;
    if (gone || this.timer) return;
    const missing = store.segments.missing(wide, store.rows).slice(0, MAX_REQUESTED);
    const retried = store.attempts.missing(store.rows).slice(0, MAX_REQUESTED);
    if (!missing.length && !retried.length) return;
    const waited = performance.now() - this.requestedAt;
    if (this.requestN > store.acknowledged && waited < LOST_MS) return; // the kernel is busy: the answer will come
    if (waited < REQUEST_MS) {
      this.timer = setTimeout(() => {
        this.timer = 0;
        this.view.scheduleDraw();
      }, REQUEST_MS - waited);
      return;
    }
    this.requestedAt = performance.now();
    if (missing.length) this.requestN = store.send({ type: "segments", rows: missing });
    if (retried.length) this.requestN = store.send({ type: "attempts", rows: retried });
  }

  drawLegend() {
    const { header, attempts } = this.view.store;
    const names = header.nodes.slice(1);
    const { restored } = header;
    const others = [
      this.earlierAttempts.count ? (attempts.more ? "earlier attempts (not all)" : "earlier attempt") : "",
      restored ? `${number.format(restored)} restored (did not run)` : "",
    ];
    const all = [...names, ...others].join("\n");
    if (all === this.names) return;
    this.names = all;
    const items = names.slice(0, NAMES).map((name, i) => {
      const swatch = element("i", "fm-shade");
      swatch.style.background = this.canvas.bars.shadeOf(i + 1);
      return element("span", "fm-legend-item", { title: name }, swatch, element("span", "fm-shade-name", {}, name));
    });
    if (names.length > items.length) items.push(element("span", "", {}, `and ${names.length - items.length} more`));
    if (others[0]) items.push(element("span", "fm-legend-item", {}, element("i", "fm-shade fm-earlier"), others[0]));
    if (others[1]) items.push(element("span", "", {}, others[1]));
    this.legend.replaceChildren(...items);
  }
}
