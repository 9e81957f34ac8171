// What of the timeline is drawn: the bars, the limit behind them, the scale above, two frames.

import { Bars } from "./bars.js";
import { element } from "../ui/elements.js";
import { Palette } from "../ui/palette.js";
import { SCALE_HEIGHT, drawBeyond, drawScale } from "./axis.js";
import { limitSteps } from "./time_range.js";
import { Tiles } from "./tiles.js";

const HEIGHT = 240; // CSS pixels of all lanes, at most; what is beyond it scrolls
const LANE = 18; // ditto, of one, at most
const FEW = 4; // lanes that there is room for at once, so that it does not grow by each
const EACH = 1_500; // bars on the screen that are drawn each
const RING = 8; // CSS pixels of the frame around a bar, at least

/** @import { Place } from "./bars.js" */
/** @import { Lanes } from "./lanes.js" */
/** @import { Past, Placed } from "./earlier_attempts.js" */
/** @import { Step } from "./time_range.js" */

export class Stage {
  /** @param {Lanes} lanes @param {Past} past */
  constructor(view, lanes, past) {
    this.view = view;
    this.lanes = lanes;
    this.past = past;
    this.width = 0; // CSS pixels
    this.pixel = 0; // pixels of the screen in one of CSS; 0: the colours are to be taken anew
    this.colours = {};
    /** @type {Place} */
    this.place = { offset: 0, scale: 1, width: 0, first: 0, last: 0, top: 0, high: 1, gap: 0, pixel: 1 };
    /** @type {Step[]} */
    this.steps = [];
    this.bars = new Bars(view, lanes);
    this.tiles = new Tiles(lanes);
    this.palette = new Palette(() => this.repaint());
    this.scale = element("canvas", "fm-scale", { "aria-hidden": "true" });
    this.canvas = element("canvas", "fm-lanes-canvas", { "aria-hidden": "true" });
    this.pen = this.canvas.getContext("2d");
    this.ring = element("div", "fm-ring", { "aria-hidden": "true" });
    this.held = element("div", "fm-ring fm-held", { "aria-hidden": "true" });
    this.spacer = element("div", "fm-lanes-spacer", {}, this.canvas, this.held, this.ring);
    this.scroller = element("div", "fm-lanes", { role: "presentation" }, this.spacer);
    this.scroller.addEventListener("scroll", () => view.later(), { passive: true });
  }

  /** Paint all of it anew, in the colours of now. */
  repaint() {
    this.pixel = 0;
    this.view.later();
  }

  /**
   * Draw a part of time.
   * @param {{from: number, to: number}} shown
   * @param {number} now
   * @param {boolean} live whether time goes on
   * @returns {number[]} rows whose bars have room for their nodes
   */
  draw(shown, now, live) {
    const { pen, lanes, bars, view } = this;
    this.dress();
    this.fit(shown);
    const { place, colours } = this;
    this.steps = limitSteps(view.store.header.retunes, view.store.header.limit, now);
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    let many = 0;
    for (let lane = place.first; lane < place.last && many <= EACH; lane += 1) {
      many += lanes.after(lane, (place.offset + place.width) / place.scale) - lanes.at(lane, (place.offset - 1) / place.scale);
    }
    bars.drawPast(pen, this.past, place);
    let wide = [];
    if (many <= EACH) {
      wide = bars.draw(pen, place, now);
    } else {
      this.tiles.draw(pen, view.store.rows, place);
      bars.drawRunning(pen, place, now);
      for (let lane = place.first; place.gap && lane < place.last; lane += 1) {
        pen.clearRect(0, (lane + 1) * place.high - place.top - place.gap, place.width, place.gap);
      }
    }
    drawBeyond(pen, place, colours, this.steps, now, live);
    drawScale(this.scale.getContext("2d"), {
      width: place.width, pixel: place.pixel, colours, font: bars.font, shown, now, steps: this.steps, live,
    });
    return wide;
  }

  /** Take the colours and the size of pixels, if they are others now. */
  dress() {
    const pixel = window.devicePixelRatio || 1;
    if (this.pixel === pixel) return;
    this.pixel = pixel;
    this.colours = this.palette.colours();
    this.bars.dress(this.colours, this.palette.fonts(), pixel);
    this.tiles.dress(this.colours);
  }

  /** Say which lanes are on the screen, and how large all of it is. */
  fit({ from, to }) {
    const { pixel, scroller, canvas, spacer, scale } = this;
    const lanes = Math.max(this.lanes.lanes.length, Math.min(FEW, this.view.store.header.limit));
    const high = Math.max(Math.round(pixel), Math.min(Math.floor((HEIGHT * pixel) / lanes), Math.round(LANE * pixel)));
    const full = lanes * high;
    const seen = Math.min(full, Math.floor(HEIGHT * pixel));
    scroller.classList.toggle("fm-scrolls", full > seen);
    const width = Math.floor(this.width * pixel);
    resize(canvas, width, seen, pixel);
    resize(scale, width, Math.round(SCALE_HEIGHT * pixel), pixel);
    style(spacer, "height", `${full / pixel}px`);
    style(scroller, "height", `${seen / pixel}px`);
    const top = full > seen ? Math.round(scroller.scrollTop * pixel) : 0;
    style(canvas, "transform", top ? `translateY(${top / pixel}px)` : "");
    const perSecond = width / (to - from);
    this.place = {
      offset: Math.round(from * perSecond), scale: perSecond, width, top, high, pixel,
      gap: high >= 3 * pixel ? Math.round(pixel) : 0,
      first: Math.floor(top / high), last: Math.min(this.lanes.lanes.length, Math.ceil((top + seen) / high)),
    };
  }

  /** Put a frame around a bar, or around an earlier attempt; -1: around none. @param {Placed | null} [past] */
  frame(ring, index, now, past = null) {
    const off = index < 0 || !(past || this.lanes.lane[index] >= 0);
    const { pixel, top, width: most } = this.place;
    const { x, y, width, height } = off ? { x: 0, y: 0, width: 0, height: 0 }
      : past ? this.bars.boxOf(past.started, past.ended, past.lane, this.place) : this.bars.box(index, this.place, now);
    ring.hidden = off || x + width < 0 || x > most;
    if (ring.hidden) return;
    const [wide, high] = [Math.max(RING, width / pixel + 4), Math.max(RING, height / pixel + 4)];
    const [left, down] = [x / pixel + (width / pixel - wide) / 2, (y + top) / pixel + (height / pixel - high) / 2];
    const text = `width:${wide}px;height:${high}px;transform:translate(${left}px,${down}px)`;
    if (ring.dataset.at !== text) {
      ring.dataset.at = text;
      ring.style.cssText = text;
    }
  }

  /** Have a lane on the screen. */
  reveal(lane) {
    const { scroller } = this;
    const { high, pixel } = this.place;
    const [top, bottom] = [(lane * high) / pixel, ((lane + 1) * high) / pixel];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + HEIGHT) scroller.scrollTop = bottom - HEIGHT;
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
