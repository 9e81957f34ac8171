// How fast a run is: instances per second, over the last few seconds or over all of it.

/** @import { Header } from "./protocol.js" */

import { FAILED, SUCCEEDED } from "./protocol.js";

const WINDOW = 8; // seconds
const STEP = 0.25; // least seconds between two samples

export class Pace {
  constructor() {
    /** @type {number[][]} `[elapsed, completed]`, the oldest first */
    this.samples = [];
  }

  clear() {
    this.samples = [];
  }

  /** Take a sample. @param {Header} header */
  note(header) {
    const { elapsed, ticking } = header;
    const last = this.samples[this.samples.length - 1];
    if (!ticking || (last && elapsed - last[0] <= STEP)) return;
    this.samples.push([elapsed, completed(header)]);
    while (this.samples.length > 2 && elapsed - this.samples[0][0] > WINDOW) this.samples.shift();
  }

  /** @param {Header} header @param {number} now seconds since the start of the run @returns {number} */
  rate(header, now) {
    const { elapsed, idle, ticking } = header;
    const done = completed(header);
    const first = this.samples[0];
    if (ticking && first && now - first[0] > 1) return (done - first[1]) / (now - first[0]);
    return elapsed > idle ? done / Math.max(elapsed - idle, 1e-3) : 0;
  }
}

/** How many instances this run has completed, without restored and cancelled ones. */
const completed = ({ counts, restored }) => counts[SUCCEEDED] + counts[FAILED] - restored;
