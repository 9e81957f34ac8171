// Draws very many bars as tiles: cached images of stretches of time.

import { CANCELLED, FAILED, SUCCEEDED } from "../store/protocol.js";

const WIDE = 256; // width of a tile, in device pixels
const MAX_TILES = 24; // tiles kept
// If several bars share a pixel, the one with the highest rank is visible.
const RANKS = [];
RANKS[SUCCEEDED] = 1;
RANKS[CANCELLED] = 2;
RANKS[FAILED] = 3;

/** @import { Viewport } from "./bars.js" */
/** @import { Lanes } from "./lanes.js" */
/** @import { Rows } from "../store/rows.js" */

/** @typedef {{ranks: Uint8Array, canvas: any, dirty: boolean}} Tile */

export class Tiles {
  /** @param {Lanes} lanes */
  constructor(lanes) {
    this.lanes = lanes;
    this.scale = 0;
    this.room = 0;
    /** @type {Map<number, Tile>} */
    this.tiles = new Map();
    this.colours = {};
    this.tones = new Uint32Array(4);
  }

  clear() {
    this.tiles.clear();
  }

  /** Set the colours. */
  applyTheme(colours) {
    this.colours = colours;
    const dot = new OffscreenCanvas(3, 1).getContext("2d", { willReadFrequently: true });
    ["succeeded", "cancelled", "failed"].forEach((tone, i) => {
      dot.fillStyle = colours[tone];
      dot.fillRect(i, 0, 1, 1);
    });
    this.tones.set(new Uint32Array(dot.getImageData(0, 0, 3, 1).data.buffer), 1);
    for (const tile of this.tiles.values()) tile.dirty = true;
  }

  /** Add bars that are complete now to the existing tiles. */
  add(rows, ended) {
    if (!this.tiles.size) return;
    const { lanes, scale } = this;
    for (const i of ended) {
      const first = Math.floor((lanes.started[i] * scale) / WIDE);
      const last = Math.floor((lanes.ended[i] * scale) / WIDE);
      for (let k = first; k <= last; k += 1) {
        const tile = this.tiles.get(k);
        if (!tile) continue;
        this.put(tile, k, i, rows);
        tile.dirty = true;
      }
    }
  }

  put(tile, k, i, rows) {
    const { lanes, scale } = this;
    const rank = RANKS[rows.status[i]] ?? 0;
    const left = Math.max(0, Math.floor(lanes.started[i] * scale) - k * WIDE);
    const right = Math.min(WIDE, Math.max(Math.floor(lanes.started[i] * scale) + 1, Math.floor(lanes.ended[i] * scale)) - k * WIDE);
    const line = lanes.lane[i] * WIDE;
    for (let x = line + left; x < line + right; x += 1) {
      if (tile.ranks[x] < rank) tile.ranks[x] = rank;
    }
  }

  /** @returns {Tile} */
  build(k, rows) {
    const { lanes, scale, room } = this;
    const canvas = document.createElement("canvas");
    canvas.width = WIDE;
    canvas.height = room;
    const tile = { ranks: new Uint8Array(WIDE * room), canvas, dirty: true };
    for (let lane = 0; lane < lanes.lanes.length; lane += 1) {
      const each = lanes.lanes[lane];
      const to = lanes.after(lane, ((k + 1) * WIDE) / scale);
      for (let at = lanes.at(lane, (k * WIDE) / scale - 1 / scale); at < to; at += 1) {
        if (lanes.ended[each[at]] < Infinity) this.put(tile, k, each[at], rows);
      }
    }
    return tile;
  }

  paint(tile) {
    const { room, tones } = this;
    const pen = tile.canvas.getContext("2d");
    const image = pen.createImageData(WIDE, room);
    const pixels = new Uint32Array(image.data.buffer);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = tones[tile.ranks[at]];
    pen.putImageData(image, 0, 0);
    tile.dirty = false;
  }

  /**
   * Draw the bars of all rows that have ended.
   * @param {CanvasRenderingContext2D} pen
   * @param {Rows} rows
   * @param {Viewport} viewport
   */
  draw(pen, rows, viewport) {
    const { offset, scale, width, first, last, top, high } = viewport;
    if (scale !== this.scale || this.lanes.room !== this.room) {
      this.scale = scale;
      this.room = this.lanes.room;
      this.clear();
    }
    pen.imageSmoothingEnabled = false;
    for (let k = Math.floor(offset / WIDE); k * WIDE < offset + width; k += 1) {
      const tile = this.tiles.get(k) ?? this.build(k, rows);
      this.tiles.delete(k);
      this.tiles.set(k, tile); // keeps the latest one last
      if (tile.dirty) this.paint(tile);
      pen.drawImage(tile.canvas, 0, first, WIDE, last - first, k * WIDE - offset, first * high - top, WIDE, (last - first) * high);
    }
    for (const k of this.tiles.keys()) {
      if (this.tiles.size <= MAX_TILES) break;
      this.tiles.delete(k);
    }
  }
}
