// The colours of the overview, as the theme has them at this moment.

import { element } from "./elements.js";
import { STATUSES } from "../store/protocol.js";

const TONES = [...STATUSES, "done", "paper", "ink", "quiet"];

/** A canvas has no style sheet: elements that nobody sees hold its colours, and tell of new ones. */
export class Palette {
  /** @param {() => void} changed called when the theme has changed */
  constructor(changed) {
    this.swatches = TONES.map((tone) => {
      const swatch = element("i", "fm-swatch");
      swatch.style.color = `var(--fm-cell-${tone})`;
      return { tone, swatch };
    });
    this.mono = element("i", "fm-mono");
    this.root = element("div", "fm-hidden", { "aria-hidden": "true" }, ...this.swatches.map(({ swatch }) => swatch), this.mono);
    // Themes change in many ways: by a style sheet, an attribute, the system. The colours' own
    // transition, which takes next to no time, tells of each of them.
    // Where the page is hidden meanwhile, it is cancelled.
    for (const type of ["transitionend", "transitioncancel"]) this.root.addEventListener(type, () => changed());
  }

  /** @returns {Object<string, string>} a colour for each status, and those of `TONES` beside them */
  colours() {
    const paper = getComputedStyle(this.swatches.find(({ tone }) => tone === "paper").swatch).color;
    return Object.fromEntries(this.swatches.map(({ tone, swatch }) => [tone, onPaper(paper, getComputedStyle(swatch).color)]));
  }

  /** @returns {{words: string, code: string}} families of type */
  fonts() {
    return { words: getComputedStyle(this.root).fontFamily, code: getComputedStyle(this.mono).fontFamily };
  }
}

/** A theme's ink may be half transparent: what is drawn twice would come out darker. */
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
