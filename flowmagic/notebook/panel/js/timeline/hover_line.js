// What the timeline says of one bar, as the overview does of a cell.

import { Told } from "../ui/status_line.js";
import { duration } from "../ui/format.js";

const HINT = "Point at a bar, or go there with the arrow keys; Enter opens it, + and − zoom.";

/** @import { Lanes } from "./lanes.js" */
/** @import { Placed } from "./earlier_attempts.js" */

export class ToldBar extends Told {
  /** @param {HTMLElement} map what has the keyboard @param {Lanes} lanes */
  constructor(view, map, lanes) {
    super(view, map, HINT, "bar");
    this.lanes = lanes;
    /** @type {Placed | null} the earlier attempt to speak of */
    this.past = null;
  }

  statusOf(index) {
    return this.past ? this.past.status : super.statusOf(index);
  }

  /** @returns {string[]} */
  facts(i) {
    const { store } = this.view;
    const { node } = this.words(i);
    const earlier = store.rows.earlier[i];
    if (this.past) {
      const { number, started, ended } = this.past;
      return [`attempt ${number} of ${earlier + 1}`, `from ${started.toFixed(2)} s`, `for ${duration(ended - started)}`, store.texts.get(i) ?? "…"];
    }
    const tries = earlier > 0 ? `attempt ${earlier + 1}` : "";
    const began = this.lanes.lane[i] >= 0 ? `from ${this.lanes.started[i].toFixed(2)} s` : "";
    const took = duration(store.seconds(i));
    return [node, tries, began, took && `for ${took}`, store.texts.get(i) ?? "…"].filter(Boolean);
  }

  /**
   * @param {number} index
   * @param {string} [instead] what there is to say when there is no bar
   * @param {Placed | null} [past]
   */
  draw(index, instead = "", past = null) {
    this.hint = instead || HINT;
    this.past = past;
    super.draw(index);
    this.past = null; // the keyboard is on none
  }
}
