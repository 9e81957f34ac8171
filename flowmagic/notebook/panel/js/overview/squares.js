// Paints the cells of the overview: squares, or cards, which have room for text.

import { CANCELLED, FAILED, PENDING, RUNNING, STATUSES, SUCCEEDED } from "../store/protocol.js";
import { RESTORED } from "../store/rows.js";
import { ICONS } from "../ui/elements.js";
import { number } from "../ui/format.js";
import { cornerOf } from "./layout.js";

/** @import { Layout } from "./layout.js" */

const KINDS = [...STATUSES.keys(), RESTORED];

const MARK = 3; // CSS pixels; failures are drawn at this size where cells are smaller
const RARE = 500; // most cells per marked failure; more marks would cover successes

export class Squares {
  /**
   * @param {Layout} layout
   * @param {Object<string, string>} colours
   */
  constructor(layout, colours) {
    this.layout = layout;
    this.colours = colours;
    const { dx: side } = layout;
    this.sheet = document.createElement("canvas");
    this.sheet.width = side * KINDS.length;
    this.sheet.height = side;
    const pen = this.sheet.getContext("2d", { willReadFrequently: true });
    KINDS.forEach((kind) => this.shape(pen, kind, kind * side));
    this.sprites = KINDS.map((code) => new Uint32Array(pen.getImageData(code * side, 0, side, side).data.buffer));
    /** @type {Set<number>} failures that are drawn larger than their cell */
    this.marks = new Set();
  }

  /** Draw the shape for a kind of row in the square whose left edge is `x`. */
  shape(pen, code, x) {
    const { dx, gap } = this.layout;
    const { paper } = this.colours;
    const side = dx - gap;
    pen.fillStyle = paper;
    pen.fillRect(x, 0, dx, dx);
    pen.fillStyle = pen.strokeStyle = this.colours[STATUSES[code === RESTORED ? SUCCEEDED : code]];
    if (!gap) {
      if (code === RESTORED) pen.globalAlpha = 0.5;
      pen.fillRect(x, 0, dx, dx);
      pen.globalAlpha = 1;
      return;
    }
    const third = Math.max(1, Math.round(side / 3));
    if (code === PENDING) {
      const inset = Math.floor(side / 4);
      pen.fillRect(x + inset, inset, side - 2 * inset, side - 2 * inset);
    } else if (code === RUNNING) {
      pen.fillRect(x, 0, side, side);
      pen.fillStyle = paper;
      const wall = Math.max(1, Math.round(side / 5));
      pen.fillRect(x + wall, wall, side - 2 * wall, side - 2 * wall);
    } else if (code === RESTORED) {
      pen.fillRect(x, 0, side, side);
      pen.fillStyle = paper;
      const wall = Math.max(1, Math.round(side / 8));
      pen.fillRect(x + wall, wall, side - 2 * wall, side - 2 * wall);
      const inset = wall + Math.max(1, Math.round(side / 6));
      pen.fillStyle = pen.strokeStyle;
      if (side > 2 * inset) pen.fillRect(x + inset, inset, side - 2 * inset, side - 2 * inset);
    } else if (code === CANCELLED) {
      pen.beginPath();
      pen.moveTo(x, 0);
      pen.lineTo(x + side, side);
      pen.lineTo(x, side);
      pen.fill();
    } else if (code === FAILED) {
      // Covers the gap, too, so that failures stand out.
      pen.fillRect(x, 0, dx, dx);
      if (side >= 2.5 * third && side >= 6) this.cross(pen, x, dx);
    } else if (code === SUCCEEDED) {
      pen.fillRect(x, 0, side, side);
    }
  }

  cross(pen, x, side) {
    const from = Math.round(side * 0.27);
    pen.strokeStyle = this.colours.paper;
    pen.lineWidth = Math.max(1.2, side / 8);
    pen.beginPath();
    pen.moveTo(x + from, from);
    pen.lineTo(x + side - from, side - from);
    pen.moveTo(x + side - from, from);
    pen.lineTo(x + from, side - from);
    pen.stroke();
  }

  /** Draw all cells from the line at `top` to the end of the canvas. */
  paint(pen, rows, top) {
    const { columns, dx, n } = this.layout;
    const { width, height } = pen.canvas;
    const image = pen.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const first = Math.floor(top / dx) * columns;
    const last = Math.min(n, first + Math.ceil(height / dx) * columns);
    for (let i = first; i < last; i += 1) {
      const sprite = this.sprites[rows.kind(i)];
      let at = Math.floor((i - first) / columns) * dx * width + (i % columns) * dx;
      for (let from = 0; from < sprite.length; from += dx) {
        for (let x = 0; x < dx; x += 1) pixels[at + x] = sprite[from + x];
        at += width;
      }
    }
    pen.putImageData(image, 0, 0);
    this.marks = this.failures(rows, first, last);
    this.drawMarks(pen, top);
  }

  /** The failures to mark: only if cells are too small to notice, and only if there are few. */
  failures(rows, first, last) {
    const marks = new Set();
    const { dx, scale } = this.layout;
    if (dx >= MARK * scale) return marks;
    const most = (last - first) / RARE + 1;
    for (let i = first; i < last; i += 1) {
      if (rows.status[i] !== FAILED) continue;
      if (marks.size >= most) return new Set();
      marks.add(i);
    }
    return marks;
  }

  drawMarks(pen, top) {
    const { dx, scale } = this.layout;
    const side = Math.round(MARK * scale);
    pen.fillStyle = this.colours.failed;
    for (const i of this.marks) {
      const { x, y } = cornerOf(this.layout, i);
      const off = Math.floor((side - dx) / 2);
      pen.fillRect(x - off, y - top - off, side, side);
    }
  }

  /** Draw the cells of some instances; returns false if everything has to be painted. */
  touch(pen, rows, top, changed) {
    const { dx, scale } = this.layout;
    const marking = dx < MARK * scale;
    for (const i of changed) {
      const { x, y } = cornerOf(this.layout, i);
      if (y < top || y >= top + pen.canvas.height) continue;
      const status = rows.status[i];
      if (marking && (status === FAILED) !== this.marks.has(i)) {
        if (status !== FAILED) return false; // the cells below the mark have to be painted
        if (this.marks.size <= rows.count / RARE) this.marks.add(i);
      }
      pen.drawImage(this.sheet, rows.kind(i) * dx, 0, dx, dx, x, y - top, dx, dx);
    }
    if (marking) this.drawMarks(pen, top);
    return true;
  }
}

export class Cards {
  /**
   * @param {Layout} layout
   * @param {Object<string, string>} colours
   * @param {{text: string, code: string}} fonts
   * @param {(index: number) => {label: string, node: string, chain: string, picture: HTMLImageElement | null}} caption the texts on a card
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
    const { label, node, chain, picture } = this.caption(i);
    const left = x + 8 * scale;
    let right = x + width - 6 * scale;
    if (picture?.naturalWidth) {
      const high = height - 4 * scale;
      const wide = Math.min((high * picture.naturalWidth) / picture.naturalHeight, 0.4 * width);
      right -= wide;
      pen.drawImage(picture, right + 4 * scale, y + 2 * scale, wide, high);
    }
    pen.textBaseline = "alphabetic";
    pen.fillStyle = colours.ink;
    pen.font = this.fonts.index;
    const index = number.format(i);
    const after = left + 17 * scale;
    pen.fillText(index, after, y + 15 * scale);
    const used = after + pen.measureText(index).width + 8 * scale;
    pen.font = this.fonts.node;
    pen.fillStyle = status === PENDING ? colours.quiet : colours.ink;
    const all = chain && pen.measureText(chain).width <= right - used;
    pen.fillText(this.fit(pen, all ? chain : node, right - used), used, y + 15 * scale);
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
