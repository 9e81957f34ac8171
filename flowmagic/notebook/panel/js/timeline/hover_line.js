// The line below the timeline that describes one bar.

import { duration } from "../ui/format.js";
import { StatusLine } from "../ui/status_line.js";

/** @import { Lanes } from "./lanes.js" */
/** @import { PlacedAttempt } from "./earlier_attempts.js" */

export class HoverLine extends StatusLine {
  /** @param {HTMLElement} map the element that has the focus @param {Lanes} lanes */
  constructor(view, map, lanes) {
    super(view, map, "bar");
    this.lanes = lanes;
    /** @type {PlacedAttempt | null} the earlier attempt to describe */
    this.attempt = null;
  }

  statusOf(index) {
    return this.attempt ? this.attempt.status : super.statusOf(index);
  }

  /** @returns {string[]} */
  facts(i) {
    const { store } = this.view;
    const { node } = this.caption(i);
    const earlier = store.rows.earlier[i];
    if (this.attempt) {
      const { number, started, ended } = this.attempt;
      return [`attempt ${number} of ${earlier + 1}`, `from ${started.toFixed(2)} s`, `for ${duration(ended - started)}`, store.texts.get(i) ?? "…"];
    }
    const attempt = earlier > 0 ? `attempt ${earlier + 1}` : "";
    const began = this.lanes.lane[i] >= 0 ? `from ${this.lanes.started[i].toFixed(2)} s` : "";
    const took = duration(store.seconds(i));
    return [node, store.waitOf(i), attempt, began, took && `for ${took}`, this.error(i), store.texts.get(i) ?? "…"].filter(Boolean);
  }

  /**
   * @param {number} index
   * @param {string} [hint] the text shown without a bar
   * @param {PlacedAttempt | null} [attempt]
   */
  draw(index, hint = "", attempt = null) {
    this.hint = hint;
    this.attempt = attempt;
    super.draw(index);
    this.attempt = null; // the keyboard's cursor is never on an earlier attempt
  }
}
