// Draws the bars of the timeline one by one, with the nodes inside.

import { CANCELLED, FAILED, RUNNING, STATUSES, SUCCEEDED } from "../store/protocol.js";

// Lengths are CSS pixels.
const PARTED = 24; // least width of a bar that shows its nodes
const WORDED = 12; // least height of a bar that shows names
const OUTLINED = 5; // least size of an earlier attempt with an outline
const PALE = 0.3; // opacity of an earlier attempt
const MARKED = 8; // least size of a failure that is crossed
const CROSS = 12; // width of the cross, and least width of the node that failed
// Drawn over the colour of the status: alternately lighter and darker.
const SHADES = [["paper", 0], ["paper", 0.34], ["ink", 0.2], ["paper", 0.58]];
// In a failed bar only the node that raised has the full colour.
const INNOCENT = [["paper", 0.55], ["paper", 0.7]];

/** @import { Lanes } from "./lanes.js" */
/** @import { EarlierAttempts } from "./earlier_attempts.js" */

/**
 * The visible part of the timeline, in device pixels. `offset`: from the run's start to the left edge;
 * `scale`: pixels per second; `first`, `last`: the visible lanes; `high`: the height of a lane; `gap`:
 * between lanes; `pixel`: device pixels per CSS pixel.
 * @typedef {{offset: number, scale: number, width: number, first: number, last: number, top: number,
 *   high: number, gap: number, pixel: number}} Viewport
 */

export class Bars {
  /** @param {Lanes} lanes */
  constructor(view, lanes) {
    this.view = view;
    this.lanes = lanes;
    this.colours = {};
    this.font = "";
    /** @type {Map<string, number>} */
    this.widths = new Map();
  }

  /** Set the colours and fonts. */
  applyTheme(colours, fonts, pixel) {
    this.colours = colours;
    this.font = `${10.5 * pixel}px ${fonts.text}`;
    this.widths.clear();
  }

  /** @returns {string} the colour of a node in the legend */
  shadeOf(node) {
    const [tone, share] = SHADES[(node + SHADES.length - 1) % SHADES.length];
    return `color-mix(in srgb, var(--fm-cell-${tone}) ${100 * Number(share)}%, var(--fm-cell-succeeded))`;
  }

  /** Draw all visible bars. @param {Viewport} viewport @returns {number[]} the rows whose bars have room for their nodes */
  draw(pen, viewport, now) {
    const { lanes, view } = this;
    const { rows } = view.store;
    const { offset, scale, width, first, last, pixel } = viewport;
    const wide = [];
    pen.font = this.font;
    pen.textBaseline = "middle";
    for (let lane = first; lane < last; lane += 1) {
      const each = lanes.lanes[lane];
      const to = lanes.after(lane, (offset + width) / scale);
      for (let at = lanes.at(lane, (offset - 1) / scale); at < to; at += 1) {
        const row = each[at];
        const box = this.box(row, viewport, now);
        this.fill(pen, box, rows.status[row]);
        if (box.width >= PARTED * pixel && box.height >= 3 * pixel) {
          wide.push(row);
          this.nodes(pen, box, row, viewport, now);
        }
        if (rows.status[row] === FAILED) this.cross(pen, box, pixel);
      }
    }
    return wide;
  }

  /** Draw the earlier attempts, translucently. @param {EarlierAttempts} earlierAttempts @param {Viewport} viewport */
  drawEarlierAttempts(pen, earlierAttempts, viewport) {
    const { offset, scale, width, first, last, pixel } = viewport;
    for (let lane = first; lane < Math.min(last, earlierAttempts.lanes.length); lane += 1) {
      const each = earlierAttempts.lanes[lane];
      let drawn = -Infinity;
      for (let at = earlierAttempts.at(lane, (offset - 1) / scale); at < each.length && each[at].started * scale <= offset + width; at += 1) {
        const box = this.boxOf(each[at].started, each[at].ended, lane, viewport);
        if (box.x + box.width <= drawn) continue; // hidden: many share a pixel
        drawn = box.x + box.width;
        this.fillEarlierAttempt(pen, box, each[at].status, pixel);
      }
    }
  }

  fillEarlierAttempt(pen, box, status, pixel) {
    pen.globalAlpha = PALE;
    this.fill(pen, box, status);
    pen.globalAlpha = 1;
    if (Math.min(box.width, box.height) < OUTLINED * pixel) return;
    pen.strokeStyle = this.colours[STATUSES[status]];
    pen.lineWidth = pixel;
    pen.strokeRect(box.x + pixel / 2, box.y + pixel / 2, box.width - pixel, box.height - pixel);
  }

  /** Draw the bars of running instances, which are not part of any tile. */
  drawRunning(pen, viewport, now) {
    const { lanes } = this;
    for (let lane = viewport.first; lane < viewport.last; lane += 1) {
      const row = lanes.lanes[lane].at(-1);
      if (row === undefined || lanes.ended[row] < Infinity) continue;
      this.fill(pen, this.box(row, viewport, now), RUNNING);
    }
  }

  /** @returns {{x: number, y: number, width: number, height: number}} a bar's position, clipped to the screen */
  box(row, viewport, now) {
    const { started, ended, lane } = this.lanes;
    const runs = ended[row] === Infinity;
    return this.boxOf(started[row], runs ? Math.max(now, started[row]) : ended[row], lane[row], viewport, runs);
  }

  boxOf(start, end, lane, { offset, scale, width, top, high, gap }, runs = false) {
    const from = Math.max(-4, Math.round(start * scale) - offset);
    let to = Math.min(width + 4, Math.max(Math.round(end * scale) - offset, from + 1));
    // Leave a gap, so that adjacent bars are distinct.
    if (gap && to - from > 4 && !runs) to -= 1;
    return { x: from, y: lane * high - top, width: to - from, height: high - gap };
  }

  fill(pen, { x, y, width, height }, status) {
    pen.fillStyle = this.colours[STATUSES[status]];
    // A cancelled bar has half the height, as it is half a cell in the overview.
    const above = status === CANCELLED ? Math.floor(height / 2) : 0;
    pen.fillRect(x, y + above, width, height - above);
  }

  /** Cross a failure, if there is room, so that it is recognizable without its colour. */
  cross(pen, { x, y, width, height }, pixel) {
    if (Math.min(width, height) < MARKED * pixel) return;
    const arm = Math.min(height / 2 - 2 * pixel, 3.5 * pixel);
    const [middle, line] = [x + width - arm - 3 * pixel, y + height / 2];
    pen.strokeStyle = this.colours.paper;
    pen.lineWidth = 1.6 * pixel;
    pen.beginPath();
    pen.moveTo(middle - arm, line - arm);
    pen.lineTo(middle + arm, line + arm);
    pen.moveTo(middle + arm, line - arm);
    pen.lineTo(middle - arm, line + arm);
    pen.stroke();
  }

  /** Draw the known nodes of a row over its bar. */
  nodes(pen, box, row, { offset, scale, pixel }, now) {
    const { store } = this.view;
    const status = store.rows.status[row];
    const segment = store.segments.of(row);
    const right = box.x + box.width - (status === FAILED ? CROSS * pixel : 0);
    if (!segment?.nodes.length) return;
    const end = status === RUNNING ? now : this.lanes.ended[row];
    segment.nodes.forEach((node, i) => {
      const until = Number.isNaN(segment.ended[i]) ? end : segment.ended[i];
      const parent = segment.depths[i + 1] > segment.depths[i];
      const innocent = status === FAILED && (parent || !segment.raised[i]);
      const to = Math.min(box.x + box.width, Math.round(until * scale) - offset);
      const least = status === FAILED && !innocent ? CROSS * pixel : 0;
      const from = Math.max(box.x, Math.min(Math.round(segment.started[i] * scale) - offset, to - least));
      if (to <= from) return;
      const shades = innocent ? INNOCENT : status === FAILED ? SHADES.slice(0, 1) : SHADES;
      const [tone, share] = shades[(node + SHADES.length - 1) % shades.length];
      // The nodes of a nested flow cover its own shade, and a node that failed at once some of the one before it.
      if (segment.depths[i] > 0 || least) this.fill(pen, { ...box, x: from, width: to - from }, status);
      pen.globalAlpha = Number(share);
      pen.fillStyle = this.colours[tone];
      const half = status === CANCELLED ? Math.floor(box.height / 2) : 0;
      pen.fillRect(from, box.y + half, to - from, box.height - half);
      pen.globalAlpha = 1;
      if (box.height >= WORDED * pixel && !parent) this.word(pen, store.header.nodes[node] ?? "", from, Math.min(to, right), box, innocent ? SUCCEEDED : status, pixel);
    });
  }

  word(pen, text, from, to, { y, height }, status, pixel) {
    let wide = this.widths.get(text);
    if (wide === undefined) this.widths.set(text, wide = pen.measureText(text).width);
    const left = Math.max(from, 0) + 4 * pixel;
    if (!text || left + wide + 3 * pixel > to) return;
    pen.fillStyle = status === FAILED || status === RUNNING ? this.colours.paper : this.colours.ink;
    pen.fillText(text, left, y + height / 2 + 0.5 * pixel);
  }
}
