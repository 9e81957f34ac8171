// The colours and fonts of the current theme, for drawing on a canvas.

import { STATUSES } from "../store/protocol.js";
import { element } from "./elements.js";

const TONES = [...STATUSES, "done", "paper", "ink", "quiet"];

/** Hidden elements carry the colours, since a canvas has no style sheet, and notice when they change. */
export class Palette {
  /** @param {() => void} changed called when the theme changes */
  constructor(changed) {
    this.swatches = TONES.map((tone) => {
      const swatch = element("i", "fm-swatch");
      swatch.style.color = `var(--fm-cell-${tone})`;
      return { tone, swatch };
    });
    this.mono = element("i", "fm-mono");
    this.root = element("div", "fm-hidden", { "aria-hidden": "true" }, ...this.swatches.map(({ swatch }) => swatch), this.mono);
    // A theme can change through a style sheet, an attribute or the system. Each of these triggers
    // the colours' own very short transition, which is cancelled if the page is hidden meanwhile.
    for (const type of ["transitionend", "transitioncancel"]) this.root.addEventListener(type, () => changed());
  }

  /** @returns {Object<string, string>} a colour for each of `TONES` */
  colours() {
    const paper = getComputedStyle(this.swatches.find(({ tone }) => tone === "paper").swatch).color;
    return Object.fromEntries(this.swatches.map(({ tone, swatch }) => [tone, onPaper(paper, getComputedStyle(swatch).color)]));
  }

  /** @returns {{text: string, code: string}} font families */
  fonts() {
    return { text: getComputedStyle(this.root).fontFamily, code: getComputedStyle(this.mono).fontFamily };
  }
}

/** Blend a colour with the paper: a translucent one would get darker where it is drawn twice. */
function onPaper(paper, colour) {
  const dot = document.createElement("canvas");
  dot.width = dot.height = 1;
  const pen = dot.getContext("2d", { willReadFrequently: true });
  for (const each of [paper, colour]) {
    pen.fillStyle = each;
    pen.fillRect(0, 0, 1, 1);
  }
  const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
  return `rgb(${red}, ${green}, ${blue})`;
}
