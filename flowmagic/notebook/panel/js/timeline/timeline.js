// When each instance ran: a lane per running slot, a bar per instance.

import { element, keepKeys, write } from "../ui/elements.js";
import { Lanes } from "./lanes.js";
import { Past } from "./earlier_attempts.js";
import { changesOf } from "./axis.js";
import { Span } from "./time_range.js";
import { Stage } from "./canvas.js";
import { ToldBar } from "./hover_line.js";
import { FAILED } from "../store/protocol.js";
import { number } from "../ui/format.js";
import { Zoom } from "./zoom.js";

const MARKS = 5_000; // rows noted one by one
const NEAR = 4; // CSS pixels beside a bar that are still the bar's
const NAMES = 8; // nodes named in the legend
const ASK = 340; // milliseconds between two questions for nodes
const LOST = 3_000; // ditto, after which an answer is no longer waited for
const MOST_ASKED = 200; // rows of one question
const NONE = { index: -1, past: null };

/** @import { Placed } from "./earlier_attempts.js" */

export class Timeline {
  constructor(view) {
    this.view = view;
    this.active = 0;
    this.hover = -1;
    /** @type {{x: number, y: number} | null} where the pointer is on the canvas, in CSS pixels */
    this.pointer = null;
    /** @type {Set<number> | "all"} rows whose state is another one than the lanes have */
    this.dirty = "all";
    this.askedAt = -Infinity;
    this.asked = 0;
    this.timer = 0;
    this.names = "";
    this.lanes = new Lanes();
    this.span = new Span();
    this.past = new Past(this.lanes);
    this.stage = new Stage(view, this.lanes, this.past);
    this.map = element("div", "fm-map fm-timeline-map", { role: "listbox", "aria-label": "Timeline", tabindex: "0" },
      this.stage.scale, this.stage.scroller);
    this.zoom = new Zoom(this);
    this.told = new ToldBar(view, this.map, this.lanes);
    this.legend = element("span", "fm-legend fm-nodes");
    this.empty = element("div", "fm-empty");
    this.ruler = element("div", "fm-ruler");
    this.chart = element("div", "fm-chart", {}, this.ruler,
      element("div", "fm-timeline-head", {}, this.legend, this.zoom.root), this.map, this.told.root, this.stage.palette.root);
    this.root = element("div", "fm-timeline", {}, this.chart, this.empty);
    keepKeys(this.root);
    this.listen();
  }

  listen() {
    const { view, map, stage } = this;
    for (const type of ["focus", "blur"]) map.addEventListener(type, () => view.later());
    map.addEventListener("keydown", (event) => this.key(event));
    this.resized = new ResizeObserver(([{ contentRect }]) => {
      // Hidden, it hears nothing of a new theme.
      if (!stage.width) stage.repaint();
      stage.width = contentRect.width;
      if (stage.width) this.draw();
    });
    this.resized.observe(this.ruler);
  }

  remove() {
    clearTimeout(this.timer);
    this.told.remove();
    this.resized.disconnect();
  }

  /** @param {number[] | "all"} rows whose state is another one now */
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

  /** The part of time that is on the screen. */
  get shown() {
    return this.span.at(this.now, this.live);
  }

  /** Where on the screen the chosen bar is, 0 to 1; the middle if it is not there. */
  get focus() {
    const { started, ended } = this.lanes;
    const { from, to } = this.shown;
    const start = Math.max(from, started[this.active]);
    const end = Math.min(to, ended[this.active], this.now);
    return start <= end ? ((start + end) / 2 - from) / (to - from) : 0.5;
  }

  // What one does

  point(pointer) {
    this.pointer = pointer;
    this.view.later();
  }

  /** @returns {{index: number, past: Placed | null}} the bar at a point of the canvas in CSS pixels */
  at({ x, y }) {
    const { offset, scale, top, high, pixel, last } = this.stage.place;
    const lane = Math.floor((y * pixel + top) / high);
    const time = (x * pixel + offset) / scale;
    const near = (NEAR * pixel) / scale;
    if (lane < 0 || lane >= last || time > this.now + near) return NONE; // one that runs is there up to now
    // Of several in one pixel a failure is what is seen there.
    const { status } = this.view.store.rows;
    const left = Math.floor(x * pixel + offset);
    const failed = this.lanes.between(lane, left / scale, (left + 1) / scale).find((i) => status[i] === FAILED);
    if (failed !== undefined) return { index: failed, past: null };
    const [index, past] = [this.lanes.near(lane, time, near), this.past.near(lane, time, near)];
    const closer = past && past.started <= time && time < past.ended;
    if (past && (closer || index < 0)) return { index: past.row, past };
    return { index, past: null };
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
      this.pointer = null; // the keyboard has the word, as below
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.lanes.lane[this.active] >= 0) view.toggle(this.active, map);
    } else if (event.key === "Escape") {
      view.close();
    } else {
      const to = this.lanes.step(this.active, event.key);
      if (to === null) return;
      this.pointer = null;
      this.show(to);
    }
    event.preventDefault();
    view.later();
  }

  /** Go to an instance, which was opened here or elsewhere. */
  show(index) {
    this.active = index;
    const { lane, started, ended } = this.lanes;
    if (!(lane[index] >= 0)) return;
    this.span.reveal(started[index], ended[index], this.now, this.live);
    this.stage.reveal(lane[index]);
  }

  /** @returns {string} what there is to say of the limit at a place of the scale; else empty */
  changeAt(x) {
    const { steps, width } = this.stage;
    const near = changesOf(steps, this.shown).find(({ share }) => Math.abs(share * width - x) < NEAR + 2);
    return near?.text ?? "";
  }

  // What one sees

  draw() {
    const { store } = this.view;
    const { stage, lanes, live, now } = this;
    this.sort();
    const none = lanes.count === 0;
    this.chart.hidden = none;
    this.empty.hidden = !none;
    if (none) write(this.empty, this.nothing);
    if (none || !stage.width) return;
    if (!(lanes.lane[this.active] >= 0)) this.active = lanes.lanes.find((each) => each.length)?.[0] ?? 0;
    this.ask(stage.draw(this.shown, now, live));
    const { index, past } = this.pointer ? this.at(this.pointer) : NONE;
    this.hover = index;
    const focused = document.activeElement === this.map;
    const cursor = this.hover >= 0 ? this.hover : focused ? this.active : -1;
    stage.frame(stage.ring, cursor, now, past);
    stage.frame(stage.held, store.opened ?? -1, now);
    this.told.draw(cursor, this.zoom.told, past);
    if (focused) this.told.drawOption(this.active);
    stage.canvas.classList.toggle("fm-over", this.hover >= 0);
    this.zoom.draw();
    this.drawLegend();
  }

  /** Give each row that has changed its place among the lanes. */
  sort() {
    const { dirty, lanes, stage } = this;
    const { rows } = this.view.store;
    if (lanes.waiting.length) {
      stage.tiles.add(rows, lanes.place());
    } else if (dirty === "all" || dirty.size) {
      this.dirty = new Set();
      const { ended, moved } = lanes.update(rows, dirty);
      if (moved) stage.tiles.clear();
      else stage.tiles.add(rows, ended);
    }
    if (lanes.waiting.length) this.view.later();
    else if (this.past.update(this.view.store.attempts)) stage.tiles.clear();
  }

  /** What there is to say as long as nothing has a bar. */
  get nothing() {
    const { status, restored, counts } = this.view.store.header;
    if (status === "idle") return "When it runs, one sees here what ran when.";
    if (restored && restored === counts.reduce((sum, n) => sum + n, 0)) return "Nothing ran: all of it was restored from an earlier run.";
    return "Nothing has started yet.";
  }

  /** Ask for the nodes of rows and for earlier attempts, if there is something new. @param {number[]} wide */
  ask(wide) {
    const { store, gone } = this.view;
    if (gone || this.timer) return;
    const missing = store.segments.missing(wide, store.rows).slice(0, MOST_ASKED);
    const retried = store.attempts.missing(store.rows).slice(0, MOST_ASKED);
    if (!missing.length && !retried.length) return;
    const past = performance.now() - this.askedAt;
    if (this.asked > store.heard && past < LOST) return; // the kernel is busy; it will be heard of
    if (past < ASK) {
      this.timer = setTimeout(() => {
        this.timer = 0;
        this.view.later();
      }, ASK - past);
      return;
    }
    this.askedAt = performance.now();
    if (missing.length) this.asked = store.send({ type: "segments", rows: missing });
    if (retried.length) this.asked = store.send({ type: "attempts", rows: retried });
  }

  drawLegend() {
    const { header, attempts } = this.view.store;
    const names = header.nodes.slice(1);
    const { restored } = header;
    const others = [
      this.past.count ? `earlier attempt${attempts.more ? "s, not of all" : ""}` : "",
      restored ? `${number.format(restored)} restored, which did not run` : "",
    ];
    const all = [...names, ...others].join("\n");
    if (all === this.names) return;
    this.names = all;
    const items = names.slice(0, NAMES).map((name, i) => {
      const swatch = element("i", "fm-shade");
      swatch.style.background = this.stage.bars.shadeOf(i + 1);
      return element("span", "fm-legend-item", {}, swatch, name);
    });
    if (names.length > items.length) items.push(element("span", "", {}, `and ${names.length - items.length} more`));
    if (others[0]) items.push(element("span", "fm-legend-item", {}, element("i", "fm-shade fm-earlier"), others[0]));
    if (others[1]) items.push(element("span", "", {}, others[1]));
    this.legend.replaceChildren(...items);
  }
}
