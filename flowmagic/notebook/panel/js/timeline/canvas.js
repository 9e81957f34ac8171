// The drawn part of the timeline: the axis, the bars with the limit behind them, and two frames.

import { limitSteps } from "../store/series.js";
import { element, frameAround } from "../ui/elements.js";
import { Palette } from "../ui/palette.js";
import { ScrollPosition } from "../ui/scroll_position.js";
import { AXIS_HEIGHT, drawAxis, drawLimitBackground } from "./axis.js";
import { Bars } from "./bars.js";
import { Tiles } from "./tiles.js";

/** @import { LimitStep } from "../store/series.js" */
/** @import { Viewport } from "./bars.js" */
/** @import { EarlierAttempts, PlacedAttempt } from "./earlier_attempts.js" */
/** @import { Lanes } from "./lanes.js" */

const HEIGHT = 240; // CSS pixels; greatest height of all lanes, beyond which they scroll
const LANE = 18; // CSS pixels; greatest height of a lane
const FEW = 4; // lanes with room from the start, so that the height does not grow with each
const EACH = 1_500; // most visible bars that are drawn one by one rather than in tiles
const RING = 8; // CSS pixels; smallest side of the frame around a bar

export class TimelineCanvas {
  /** @param {Lanes} lanes @param {EarlierAttempts} earlierAttempts */
  constructor(view, lanes, earlierAttempts) {
    this.view = view;
    this.lanes = lanes;
    this.earlierAttempts = earlierAttempts;
    this.width = 0; // CSS pixels
    this.pixel = 0; // device pixels per CSS pixel; 0 if the colours have to be read again
    this.colours = {};
    /** @type {Viewport} */
    this.viewport = { offset: 0, scale: 1, width: 0, first: 0, last: 0, top: 0, high: 1, gap: 0, pixel: 1 };
    /** @type {LimitStep[]} */
    this.steps = [];
    this.bars = new Bars(view, lanes);
    this.tiles = new Tiles(lanes);
    this.palette = new Palette(() => this.repaint());
    this.axisCanvas = element("canvas", "fm-scale", { "aria-hidden": "true" });
    this.barCanvas = element("canvas", "fm-lanes-canvas", { "aria-hidden": "true" });
    this.pen = this.barCanvas.getContext("2d");
    this.cursorRing = element("div", "fm-ring", { "aria-hidden": "true" });
    this.openRing = element("div", "fm-ring fm-held", { "aria-hidden": "true" });
    this.spacer = element("div", "fm-lanes-spacer", {}, this.barCanvas, this.openRing, this.cursorRing);
    this.scroller = element("div", "fm-lanes", { role: "presentation" }, this.spacer);
    this.scroll = new ScrollPosition(this.scroller, () => view.scheduleDraw());
  }

  /** Repaint everything in the current colours. */
  repaint() {
    this.pixel = 0;
    this.view.scheduleDraw();
  }

  /**
   * Draw a part of the time.
   * @param {{from: number, to: number}} shown
   * @param {number} now
   * @param {boolean} live whether the run is still going on
   * @returns {number[]} the rows whose bars have room for their nodes
   */
  draw(shown, now, live) {
    const { pen, lanes, bars, view } = this;
    this.applyTheme();
    this.fit(shown);
    const { viewport, colours } = this;
    this.steps = limitSteps(view.store.header, now);
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    let many = 0;
    for (let lane = viewport.first; lane < viewport.last && many <= EACH; lane += 1) {
      many += lanes.after(lane, (viewport.offset + viewport.width) / viewport.scale) - lanes.at(lane, (viewport.offset - 1) / viewport.scale);
    }
    bars.drawEarlierAttempts(pen, this.earlierAttempts, viewport);
    let wide = [];
    if (many <= EACH) {
      wide = bars.draw(pen, viewport, now);
    } else {
      this.tiles.draw(pen, view.store.rows, viewport);
      bars.drawRunning(pen, viewport, now);
      for (let lane = viewport.first; viewport.gap && lane < viewport.last; lane += 1) {
        pen.clearRect(0, (lane + 1) * viewport.high - viewport.top - viewport.gap, viewport.width, viewport.gap);
      }
    }
    drawLimitBackground(pen, viewport, colours, this.steps, now, live);
    drawAxis(this.axisCanvas.getContext("2d"), {
      width: viewport.width, pixel: viewport.pixel, colours, font: bars.font, shown, now, steps: this.steps, live,
    });
    return wide;
  }

  /** Read the colours and the pixel ratio if they may have changed. */
  applyTheme() {
    const pixel = window.devicePixelRatio || 1;
    if (this.pixel === pixel) return;
    this.pixel = pixel;
    this.colours = this.palette.colours();
    this.bars.applyTheme(this.colours, this.palette.fonts(), pixel);
    this.tiles.applyTheme(this.colours);
  }

  /** Compute the visible lanes, and set the sizes of the elements. */
  fit({ from, to }) {
    const { pixel, scroller, barCanvas, spacer, axisCanvas } = this;
    const lanes = Math.max(this.lanes.lanes.length, Math.min(FEW, this.view.store.header.limit));
    const high = Math.max(Math.round(pixel), Math.min(Math.floor((HEIGHT * pixel) / lanes), Math.round(LANE * pixel)));
    const full = lanes * high;
    const seen = Math.min(full, Math.floor(HEIGHT * pixel));
    scroller.classList.toggle("fm-scrolls", full > seen);
    const width = Math.floor(this.width * pixel);
    resize(barCanvas, width, seen, pixel);
    resize(axisCanvas, width, Math.round(AXIS_HEIGHT * pixel), pixel);
    style(spacer, "height", `${full / pixel}px`);
    style(scroller, "height", `${seen / pixel}px`);
    const top = full > seen ? Math.round(this.scroll.top * pixel) : 0;
    style(barCanvas, "transform", top ? `translateY(${top / pixel}px)` : "");
    const perSecond = width / (to - from);
    this.viewport = {
      offset: Math.round(from * perSecond), scale: perSecond, width, top, high, pixel,
      gap: high >= 3 * pixel ? Math.round(pixel) : 0,
      first: Math.floor(top / high), last: Math.min(this.lanes.lanes.length, Math.ceil((top + seen) / high)),
    };
  }

  /** Put a frame around a bar or an earlier attempt; index -1 hides it. @param {PlacedAttempt | null} [attempt] */
  frame(ring, index, now, attempt = null) {
    const off = index < 0 || !(attempt || this.lanes.lane[index] >= 0);
    const { pixel, top, width: most } = this.viewport;
    const { x, y, width, height } = off ? { x: 0, y: 0, width: 0, height: 0 }
      : attempt ? this.bars.boxOf(attempt.started, attempt.ended, attempt.lane, this.viewport) : this.bars.box(index, this.viewport, now);
    ring.hidden = off || x + width < 0 || x > most;
    if (ring.hidden) return;
    frameAround(ring, { x, y: y + top, width, height }, pixel, RING);
  }

  /** Scroll a lane into view. */
  reveal(lane) {
    const { high, pixel } = this.viewport;
    this.scroll.reveal((lane * high) / pixel, high / pixel, HEIGHT);
  }
}

function style(node, property, text) {
  if (node.style[property] !== text) node.style[property] = text;
}

function resize(canvas, width, height, pixel) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  style(canvas, "width", `${width / pixel}px`);
  style(canvas, "height", `${height / pixel}px`);
}
