// The bars of the timeline where they are few enough to be drawn each, with the nodes inside.

import { CANCELLED, FAILED, RUNNING, STATUSES } from "../store/protocol.js";

const PARTED = 24; // CSS pixels from which a bar shows its nodes, as the next ones
const WORDED = 12; // height from which there is room for words
const OUTLINED = 5; // size from which an earlier attempt has an outline
const PALE = 0.3;
const MARKED = 8; // size from which a failure is crossed
// Over the colour of the status: lighter or darker, in turns.
const SHADES = [["paper", 0], ["paper", 0.34], ["ink", 0.2], ["paper", 0.58]];

/** @import { Lanes } from "./lanes.js" */
/** @import { Past } from "./earlier_attempts.js" */

/**
 * Where one draws, in pixels of the screen. `offset`: from the run's beginning to the left edge;
 * `scale`: pixels per second; `first`, `last`: the lanes; `high`: of one lane; `pixel`: per CSS pixel.
 * @typedef {{offset: number, scale: number, width: number, first: number, last: number, top: number,
 *   high: number, gap: number, pixel: number}} Place
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

  /** Have other colours. */
  dress(colours, fonts, pixel) {
    this.colours = colours;
    this.font = `${10.5 * pixel}px ${fonts.words}`;
    this.widths.clear();
  }

  /** @returns {string} the colour of a node in the legend, on that of the status */
  shadeOf(node) {
    const [tone, share] = SHADES[(node + SHADES.length - 1) % SHADES.length];
    return `color-mix(in srgb, var(--fm-cell-${tone}) ${100 * Number(share)}%, var(--fm-cell-succeeded))`;
  }

  /** Draw all bars; @param {Place} place @returns {number[]} those that are wide enough for their nodes */
  draw(pen, place, now) {
    const { lanes, view } = this;
    const { rows } = view.store;
    const { offset, scale, width, first, last, pixel } = place;
    const wide = [];
    pen.font = this.font;
    pen.textBaseline = "middle";
    for (let lane = first; lane < last; lane += 1) {
      const each = lanes.lanes[lane];
      const to = lanes.after(lane, (offset + width) / scale);
      for (let at = lanes.at(lane, (offset - 1) / scale); at < to; at += 1) {
        const row = each[at];
        const box = this.box(row, place, now);
        this.fill(pen, box, rows.status[row]);
        if (box.width >= PARTED * pixel && box.height >= 3 * pixel) {
          wide.push(row);
          this.nodes(pen, box, row, place, now);
        }
        if (rows.status[row] === FAILED) this.cross(pen, box, pixel);
      }
    }
    return wide;
  }

  /** Draw the earlier attempts: as they were, but pale. @param {Past} past @param {Place} place */
  drawPast(pen, past, place) {
    const { offset, scale, width, first, last, pixel } = place;
    for (let lane = first; lane < Math.min(last, past.each.length); lane += 1) {
      const each = past.each[lane];
      let drawn = -Infinity;
      for (let at = past.at(lane, (offset - 1) / scale); at < each.length && each[at].started * scale <= offset + width; at += 1) {
        const box = this.boxOf(each[at].started, each[at].ended, lane, place);
        if (box.x + box.width <= drawn) continue; // many in one pixel
        drawn = box.x + box.width;
        this.fillPast(pen, box, each[at].status, pixel);
      }
    }
  }

  fillPast(pen, box, status, pixel) {
    pen.globalAlpha = PALE;
    this.fill(pen, box, status);
    pen.globalAlpha = 1;
    if (Math.min(box.width, box.height) < OUTLINED * pixel) return;
    pen.strokeStyle = this.colours[STATUSES[status]];
    pen.lineWidth = pixel;
    pen.strokeRect(box.x + pixel / 2, box.y + pixel / 2, box.width - pixel, box.height - pixel);
  }

  /** Draw the bars that are not complete, which no tile has. */
  drawRunning(pen, place, now) {
    const { lanes } = this;
    for (let lane = place.first; lane < place.last; lane += 1) {
      const row = lanes.lanes[lane].at(-1);
      if (row === undefined || lanes.ended[row] < Infinity) continue;
      this.fill(pen, this.box(row, place, now), RUNNING);
    }
  }

  /** @returns {{x: number, y: number, width: number, height: number}} where a bar is, as far as it is on the screen */
  box(row, place, now) {
    const { started, ended, lane } = this.lanes;
    const runs = ended[row] === Infinity;
    return this.boxOf(started[row], runs ? Math.max(now, started[row]) : ended[row], lane[row], place, runs);
  }

  boxOf(start, end, lane, { offset, scale, width, top, high, gap }, runs = false) {
    const from = Math.max(-4, Math.round(start * scale) - offset);
    let to = Math.min(width + 4, Math.max(Math.round(end * scale) - offset, from + 1));
    // So that one sees where one ends and the next begins.
    if (gap && to - from > 4 && !runs) to -= 1;
    return { x: from, y: lane * high - top, width: to - from, height: high - gap };
  }

  fill(pen, { x, y, width, height }, status) {
    pen.fillStyle = this.colours[STATUSES[status]];
    // Half of a bar, as it is half of a cell in the overview.
    const above = status === CANCELLED ? Math.floor(height / 2) : 0;
    pen.fillRect(x, y + above, width, height - above);
  }

  /** A failure is to be known without its colour too, where there is room. */
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

  /** Draw what is known of a row's nodes over its bar. */
  nodes(pen, box, row, { offset, scale, pixel }, now) {
    const { store } = this.view;
    const status = store.rows.status[row];
    const segment = store.segments.of(row);
    const right = box.x + box.width - (status === FAILED ? 12 * pixel : 0);
    if (!segment?.nodes.length) return;
    const end = status === RUNNING ? now : this.lanes.ended[row];
    segment.nodes.forEach((node, i) => {
      const until = Number.isNaN(segment.ended[i]) ? end : segment.ended[i];
      const from = Math.max(box.x, Math.round(segment.started[i] * scale) - offset);
      const to = Math.min(box.x + box.width, Math.round(until * scale) - offset);
      if (to <= from) return;
      const [tone, share] = SHADES[(node + SHADES.length - 1) % SHADES.length];
      // A nested flow is covered by its nodes, each in a shade of its own.
      if (segment.depths[i] > 0) this.fill(pen, { ...box, x: from, width: to - from }, status);
      pen.globalAlpha = Number(share);
      pen.fillStyle = this.colours[tone];
      const half = status === CANCELLED ? Math.floor(box.height / 2) : 0;
      pen.fillRect(from, box.y + half, to - from, box.height - half);
      pen.globalAlpha = 1;
      const parent = segment.depths[i + 1] > segment.depths[i];
      if (box.height >= WORDED * pixel && !parent) this.word(pen, store.header.nodes[node] ?? "", from, Math.min(to, right), box, status, pixel);
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
