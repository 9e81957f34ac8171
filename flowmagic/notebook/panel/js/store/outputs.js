// Outputs in full and pictures, as far as this page has requested them.

import { bytesOf } from "./protocol.js";

/** @import { FullOutput, OutputDetail } from "./protocol.js" */

const MAX_ROWS = 400; // rows kept; others are requested again
const PAUSE_MS = 30; // during which requests for pictures are collected
const MEDIA = ["image/png", "image/jpeg"];

/**
 * A picture that has arrived. `url` is empty if it cannot be shown.
 * @typedef {{url: string, image: HTMLImageElement | null}} Picture
 * @typedef {{earlier: number, asked: Set<string>, full: Map<string, OutputDetail | null>, pictures: Map<string, Picture>}} Known
 */

export class Outputs {
  constructor(store) {
    this.store = store;
    this.version = 0; // changes whenever something has arrived
    /** @type {Map<number, Known>} by row */
    this.known = new Map();
    /** @type {Set<number>} rows whose pictures are to be requested */
    this.wanted = new Set();
    this.timer = 0;
  }

  clear() {
    for (const index of [...this.known.keys()]) this.forget(index);
    this.wanted.clear();
  }

  forget(index) {
    for (const { url } of this.known.get(index)?.pictures.values() ?? []) if (url) URL.revokeObjectURL(url);
    this.known.delete(index);
  }

  /** What is known of a row; nothing, if it has been retried since. @returns {Known} */
  of(index) {
    const earlier = this.store.rows.earlier[index];
    const known = this.known.get(index);
    if (known?.earlier === earlier) return known;
    this.forget(index);
    const made = { earlier, asked: new Set(), full: new Map(), pictures: new Map() };
    this.known.set(index, made);
    for (const oldest of this.known.keys()) {
      if (this.known.size <= MAX_ROWS) break;
      this.forget(oldest);
    }
    return made;
  }

  /** Request an output in full, or a large picture, once. */
  request(index, attempt, copy) {
    const { asked } = this.of(index);
    const key = `${attempt} ${copy}`;
    if (asked.has(key)) return;
    asked.add(key);
    this.store.send({ type: "output", index, attempt, copy });
  }

  /** @returns {OutputDetail | null | undefined} undefined until it has arrived */
  full(index, attempt, copy) {
    return this.known.get(index)?.full.get(`${attempt} ${copy}`);
  }

  /** @returns {Picture | undefined} undefined until it has arrived */
  large(index, attempt, copy) {
    return this.known.get(index)?.pictures.get(`${attempt} ${copy}`);
  }

  /** The picture that a row has as its output; undefined until it has arrived. It is requested if it is missing. */
  thumbnail(index) {
    const { asked, pictures } = this.of(index);
    if (!asked.has("thumbnail")) {
      asked.add("thumbnail");
      this.wanted.add(index);
      this.timer ||= setTimeout(() => this.requestWanted(), PAUSE_MS);
    }
    return pictures.get("thumbnail");
  }

  requestWanted() {
    this.timer = 0;
    if (this.wanted.size) this.store.send({ type: "pictures", rows: [...this.wanted] });
    this.wanted.clear();
  }

  /** @param {FullOutput[]} outputs */
  apply(outputs) {
    for (const { client, index, attempt, copy, output } of outputs) {
      if (client !== this.store.client) continue;
      this.of(index).full.set(`${attempt} ${copy}`, output);
      this.version += 1;
    }
  }

  /**
   * Take the pictures among the buffers of a message.
   * @param {Map<string, any>} packed
   */
  applyPictures(packed) {
    for (const [name, buffer] of packed) {
      const [kind, client, index, attempt, copy, size, media] = name.split(" ");
      if (kind !== "picture" || client !== this.store.client) continue;
      const row = Number(index);
      const isShown = MEDIA.includes(media);
      // The type makes the page read the bytes as this kind of picture, whatever they are.
      const url = isShown ? URL.createObjectURL(new Blob([bytesOf(buffer)], { type: media })) : "";
      const isSmall = size === "small";
      this.of(row).pictures.set(isSmall ? "thumbnail" : `${attempt} ${copy}`, { url, image: isSmall && url ? this.imageOf(row, url) : null });
      this.version += 1;
    }
  }

  /** An image for a canvas; the views are notified when it can be drawn. */
  imageOf(index, url) {
    const image = new Image();
    image.addEventListener("load", () => this.store.notify([index]));
    image.src = url;
    return image;
  }
}
