// Paints the cells of a few instances as cards, which have room for text.

import { PENDING, STATUSES, SUCCEEDED } from "../store/protocol.js";
import { ICONS } from "../ui/elements.js";
import { number } from "../ui/format.js";
import { cornerOf } from "./layout.js";

/** @import { Layout } from "./layout.js" */

export class Cards {
  /**
   * @param {Layout} layout
   * @param {Object<string, string>} colours
   * @param {{text: string, code: string}} fonts
   * @param {(index: number) => {label: string, node: string}} caption the texts on a card
   */
  constructor(layout, colours, fonts, caption) {
    this.layout = layout;
    this.colours = colours;
    this.caption = caption;
    const font = (weight, size, family) => `${weight} ${size * layout.scale}px ${family}`;
    this.fonts = { index: font(600, 12, fonts.text), node: font(400, 12, fonts.text), label: font(400, 11, fonts.code) };
    this.icons = [...STATUSES, "restored"].map((name) => new Path2D(ICONS[name]));
    /** @type {Map<string, string>} */
    this.fitted = new Map();
  }

  paint(pen, rows, top) {
    pen.fillStyle = this.colours.paper;
    pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
    this.touch(pen, rows, top, Array.from({ length: this.layout.n }, (_, i) => i));
  }

  touch(pen, rows, top, changed) {
    for (const i of changed) this.card(pen, rows, i, top);
    return true;
  }

  card(pen, rows, i, top) {
    const { dx, dy, gap, scale } = this.layout;
    const { colours } = this;
    const { x, y: line } = cornerOf(this.layout, i);
    const y = line - top;
    const [width, height] = [dx - gap, dy - gap];
    const status = rows.status[i];
    const tone = status === SUCCEEDED ? colours.done : colours[STATUSES[status]] ?? colours.pending;
    pen.fillStyle = colours.paper;
    pen.fillRect(x, y, dx, dy);
    pen.save();
    pen.beginPath();
    pen.roundRect(x, y, width, height, 4 * scale);
    pen.clip();
    const kept = rows.restored(i);
    pen.globalAlpha = status === PENDING ? 0.35 : kept ? 0.08 : 0.2;
    pen.fillStyle = tone;
    pen.fillRect(x, y, width, height);
    pen.globalAlpha = 1;
    // A restored instance did not run: its edge is dashed.
    if (kept) for (let at = 0; at < height; at += 6 * scale) pen.fillRect(x, y + at, 3 * scale, 3 * scale);
    else pen.fillRect(x, y, 3 * scale, height);
    this.icon(pen, rows.kind(i), tone, x + 8 * scale, y + 5 * scale);
    const { label, node } = this.caption(i);
    const [left, right] = [x + 8 * scale, x + width - 6 * scale];
    pen.textBaseline = "alphabetic";
    pen.fillStyle = colours.ink;
    pen.font = this.fonts.index;
    const index = number.format(i);
    const after = left + 17 * scale;
    pen.fillText(index, after, y + 15 * scale);
    const used = after + pen.measureText(index).width + 8 * scale;
    pen.font = this.fonts.node;
    pen.fillStyle = status === PENDING ? colours.quiet : colours.ink;
    pen.fillText(this.fit(pen, node, right - used), used, y + 15 * scale);
    pen.font = this.fonts.label;
    pen.globalAlpha = 0.78;
    pen.fillStyle = colours.ink;
    pen.fillText(this.fit(pen, label, right - left), left, y + 28.5 * scale);
    pen.restore();
  }

  icon(pen, kind, tone, x, y) {
    const { scale } = this.layout;
    pen.save();
    pen.translate(x, y);
    pen.scale(scale, scale);
    pen.strokeStyle = kind === PENDING ? this.colours.quiet : tone;
    pen.lineWidth = 1.7;
    pen.lineCap = pen.lineJoin = "round";
    pen.stroke(this.icons[kind]);
    pen.restore();
  }

  /** Truncate a text to the available width. */
  fit(pen, text, room) {
    const key = `${pen.font}|${Math.round(room)}|${text}`;
    let fitted = this.fitted.get(key);
    if (fitted === undefined) {
      fitted = truncate(text, (part) => pen.measureText(part).width <= room);
      if (this.fitted.size > 1000) this.fitted.clear();
      this.fitted.set(key, fitted);
    }
    return fitted;
  }
}

/** @param {string} text @param {(part: string) => boolean} fits @returns {string} */
export function truncate(text, fits) {
  if (fits(text)) return text;
  const letters = [...text];
  let [kept, lost] = [0, letters.length];
  while (lost - kept > 1) {
    const middle = (kept + lost) >> 1;
    if (fits(`${letters.slice(0, middle).join("")}…`)) kept = middle;
    else lost = middle;
  }
  return kept ? `${letters.slice(0, kept).join("").trimEnd()}…` : "";
}
