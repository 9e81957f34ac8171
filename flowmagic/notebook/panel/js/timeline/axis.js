// Draws the axis above the bars, with the times and the limit in force, and the limit behind the bars.

import { number } from "../ui/format.js";
import { ticks } from "./time_range.js";

// Lengths are CSS pixels.
const TICKS = 18; // height of the line with the times
const LINE = 26; // height of the line with the limit
const APART = 84; // least distance between two times

export const AXIS_HEIGHT = TICKS + LINE;

/** @import { Viewport } from "./bars.js" */
/** @import { LimitStep } from "../store/limit_history.js" */

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
