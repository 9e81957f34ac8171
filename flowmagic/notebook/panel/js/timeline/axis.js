// The visible part of a run's time, and the axis above the bars, with the times and the limit in force.

import { clock, number } from "../ui/format.js";

/** @import { LimitStep } from "../store/series.js" */
/** @import { Viewport } from "./bars.js" */

// Lengths are CSS pixels.
const TICKS = 18; // height of the line with the times
const LINE = 26; // height of the line with the limit
const APART = 84; // least distance between two times

export const AXIS_HEIGHT = TICKS + LINE;

/**
 * @param {LimitStep[]} steps
 * @param {{from: number, to: number}} shown
 * @returns {{text: string, share: number}[]} the visible changes of the limit: a description, and the position from 0 to 1
 */
export function changesOf(steps, { from, to }) {
  return steps.flatMap((step, i) => (step.first || step.from < from || step.from > to ? [] : [{
    text: `Limit ${number.format(steps[i - 1].limit)} → ${number.format(step.limit)} at ${step.from.toFixed(1)} s, ${step.byUser ? "by hand" : "automatically"}`,
    share: (step.from - from) / (to - from),
  }]));
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {{width: number, pixel: number, colours: Object<string, string>, font: string, live: boolean,
 *   shown: {from: number, to: number}, now: number, steps: LimitStep[]}} options
 */
export function drawAxis(pen, options) {
  const { width, pixel, colours, font, shown: { from, to }, now, steps, live } = options;
  const x = (at) => Math.round(((at - from) / (to - from)) * width);
  pen.clearRect(0, 0, width, AXIS_HEIGHT * pixel);
  pen.font = font;
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  pen.fillStyle = colours.quiet;
  const middle = (TICKS / 2) * pixel;
  for (const { at, text } of ticks(from, to, width / pixel / APART)) {
    const half = pen.measureText(text).width / 2;
    pen.fillText(text, Math.min(Math.max(x(at), half + pixel), width - half - pixel), middle);
    pen.fillRect(x(at), (TICKS - 3) * pixel, pixel, 3 * pixel);
  }
  pen.textAlign = "left";
  const highest = Math.max(1, ...steps.map(({ limit }) => limit));
  const base = AXIS_HEIGHT * pixel - pixel;
  const room = (LINE - 12) * pixel;
  const y = (limit) => base - Math.max(2 * pixel, Math.round((limit / highest) * room));
  let before = -Infinity; // right edge of the previous label
  steps.forEach((step, i) => {
    const [left, right] = [Math.max(0, x(step.from)), Math.min(width, x(step.to))];
    if (right < 0 || left > width) return;
    pen.fillStyle = colours.quiet;
    pen.globalAlpha = 0.16;
    pen.fillRect(left, y(step.limit), right - left, base - y(step.limit));
    pen.globalAlpha = 1;
    pen.fillRect(left, y(step.limit), right - left, pixel);
    const text = step.first || left === 0 ? `limit ${number.format(step.limit)}` : number.format(step.limit);
    const wide = pen.measureText(text).width;
    if (left > before && left + wide < width) {
      pen.fillStyle = colours.ink;
      pen.fillText(text, left + 3 * pixel, y(step.limit) - 6 * pixel);
      before = left + wide + 8 * pixel;
    }
    if (step.first || x(step.from) < 0) return;
    const was = steps[i - 1].limit;
    pen.fillStyle = pen.strokeStyle = step.byUser ? colours.running : colours.quiet;
    pen.fillRect(left, Math.min(y(was), y(step.limit)), pixel, Math.abs(y(was) - y(step.limit)) + pixel);
    // Filled if the user changed the limit, hollow if it adapted.
    pen.lineWidth = pixel;
    pen.beginPath();
    pen.arc(left, y(step.limit), 2.5 * pixel, 0, 2 * Math.PI);
    if (step.byUser) pen.fill();
    else pen.stroke();
  });
  pen.fillStyle = colours.quiet;
  pen.fillRect(0, base, width, pixel);
  if (live && now >= from && now <= to) {
    pen.fillStyle = colours.running;
    pen.fillRect(Math.min(width - pixel, x(now)), TICKS * pixel, pixel, LINE * pixel);
  }
}

/**
 * Draw behind the bars: the lanes beyond the limit, the times at which it changed, and the present.
 * @param {CanvasRenderingContext2D} pen
 * @param {Viewport} viewport
 * @param {Object<string, string>} colours
 * @param {LimitStep[]} steps
 */
export function drawLimitBackground(pen, viewport, colours, steps, now, live) {
  const { offset, scale, width, top, high, pixel } = viewport;
  const { height } = pen.canvas;
  pen.globalCompositeOperation = "destination-over";
  for (const step of steps) {
    const left = Math.max(0, Math.round(step.from * scale) - offset);
    const right = Math.min(width, Math.round(step.to * scale) - offset);
    const edge = Math.max(0, step.limit * high - top);
    pen.globalAlpha = 0.1;
    pen.fillStyle = colours.quiet;
    if (right > left && edge < height) pen.fillRect(left, edge, right - left, height - edge);
    if (step.first || left <= 0 || left >= width) continue;
    pen.globalAlpha = 0.5;
    pen.fillStyle = step.byUser ? colours.running : colours.quiet;
    for (let y = 0; y < height; y += 6 * pixel) pen.fillRect(left, y, pixel, 3 * pixel);
  }
  pen.globalAlpha = 1;
  if (live) {
    pen.fillStyle = colours.running;
    pen.fillRect(Math.min(width - pixel, Math.round(now * scale) - offset), 0, pixel, height);
  }
  pen.globalCompositeOperation = "source-over";
}

const SHORTEST = 1e-3; // seconds; the shortest range
const STEP = 1.25; // a live run is shown in a range that grows by this factor, so that the scale seldom changes
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200];
const DAY = 86_400;

export class TimeRange {
  constructor() {
    this.fit();
  }

  /** Show the whole run, even as it gets longer. */
  fit() {
    /** @type {number | null} the length of the range; null for the whole run */
    this.seconds = null;
    this.start = 0;
    this.follows = true; // whether the range ends at the present
  }

  /**
   * @param {number} now seconds since the run started
   * @param {boolean} live whether the run is still going on
   * @returns {{from: number, to: number}}
   */
  at(now, live) {
    if (this.seconds === null) return { from: 0, to: wholeOf(now, live) };
    const from = this.follows ? Math.max(0, now - this.seconds) : this.start;
    return { from, to: from + this.seconds };
  }

  /**
   * Zoom in or out.
   * @param {number} factor above 1 to zoom out
   * @param {number} share the position that stays in place, from 0 to 1
   */
  zoom(factor, share, now, live) {
    const { from, to } = this.at(now, live);
    const seconds = Math.max(SHORTEST, (to - from) * factor);
    if (seconds >= wholeOf(now, live) * (1 - 1e-6)) {
      this.fit();
      return;
    }
    this.seconds = seconds;
    // While following, the end stays at the present.
    if (!(this.follows && live)) this.go(from + share * (to - from - seconds), now, live);
  }

  /** Move by some seconds, negative for earlier. */
  pan(seconds, now, live) {
    if (this.seconds !== null) this.go(this.at(now, live).from + seconds, now, live);
  }

  /** Show the range between two times. */
  select(one, other, now, live) {
    this.seconds = Math.max(SHORTEST, Math.abs(other - one));
    this.go(Math.min(one, other), now, live);
  }

  /** Move so that at least a part of the range between two times is visible. */
  reveal(start, end, now, live) {
    const { from, to } = this.at(now, live);
    if (this.seconds !== null && (end < from || start > to)) this.go(start - this.seconds / 4, now, live);
  }

  go(from, now, live) {
    this.follows = false;
    this.start = Math.max(0, Math.min(from, wholeOf(now, live) - (this.seconds ?? 0)));
  }

  /** Start or stop following the present. */
  follow(on, now, live) {
    const { from, to } = this.at(now, live);
    this.follows = on;
    if (on) return;
    this.seconds = to - from;
    this.start = from;
  }
}

function wholeOf(now, live) {
  const least = Math.max(now, 0.01) * 1.01;
  return live ? STEP ** Math.ceil(Math.log(least) / Math.log(STEP)) : least;
}

/**
 * @param {number} most the greatest number of ticks
 * @returns {{at: number, text: string}[]} round times between two times
 */
export function ticks(from, to, most) {
  const least = (to - from) / Math.max(1, most);
  const step = least < 1 ? decimal(least) : STEPS.find((each) => each >= least) ?? DAY * Math.ceil(least / DAY);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const made = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to; k += 1) {
    const at = k * step;
    made.push({ at, text: to >= 100 && digits === 0 ? clock(at) : `${at.toFixed(digits)} s` });
  }
  return made;
}

function decimal(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10);
}
