// What the timeline says of one bar, as the overview does of a cell.

import { Told } from "./told.js";
import { duration } from "./words.js";

const HINT = "Point at a bar, or go there with the arrow keys; Enter opens it, + and − zoom.";

/** @import { Lanes } from "./lanes.js" */

export class ToldBar extends Told {
  /** @param {HTMLElement} map what has the keyboard @param {Lanes} lanes */
  constructor(view, map, lanes) {
    super(view, map, HINT, "bar");
    this.lanes = lanes;
  }

  /** @returns {string[]} */
  facts(i) {
    const { store } = this.view;
    const { node } = this.words(i);
    const tries = store.rows.earlier[i] > 0 ? `attempt ${store.rows.earlier[i] + 1}` : "";
    const began = this.lanes.lane[i] >= 0 ? `from ${this.lanes.started[i].toFixed(2)} s` : "";
    const took = duration(store.seconds(i));
    return [node, tries, began, took && `for ${took}`, store.texts.get(i) ?? "…"].filter(Boolean);
  }

  /** @param {number} index @param {string} [instead] what there is to say when there is no bar */
  draw(index, instead = "") {
    this.hint = instead || HINT;
    super.draw(index);
  }
}
