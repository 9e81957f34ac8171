// How the run goes, as small charts: throughput, running against limit, latency, failures.

import { element, writeAttribute } from "../ui/elements.js";
import { Palette } from "../ui/palette.js";
import { Series, limitAt, limitsOf } from "../store/series.js";
import { Spark } from "./sparkline.js";
import { FAILED, RUNNING, SUCCEEDED } from "../store/protocol.js";
import { duration, number } from "../ui/format.js";

/** @import { Stretch } from "../store/series.js" */
/** @import { Plot, Shown } from "./sparkline.js" */

const EVERY = 1000; // milliseconds between two looks at all rows of a run that goes on
const SHORT = 1; // seconds; a run that has ended sooner, with few instances, has no course to draw
const FEW = 20;

const counted = (n) => (n >= 100 ? number.format(Math.round(n)) : String(Number(n.toFixed(n >= 10 ? 1 : 2))));
const took = (seconds) => (seconds < 0.1 ? `${Number((1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0))} ms` : duration(seconds));
const share = (part, whole) => `${Number(((100 * part) / whole).toFixed(part / whole < 0.1 ? 1 : 0))}%`;

/**
 * What is said beside a stretch: the rate and the number running of this moment, where they are known
 * better than from the rows; whether the stretch is a bin of the past, or the mean of it all; and
 * whether no instance of the run has failed.
 * @typedef {{rate?: number, running?: number, past?: boolean, mean?: boolean, none: boolean}} Told
 */

/**
 * @type {{name: string, meaning: string,
 *   says: (stretch: Stretch, limit: number, told: Told) => string,
 *   paint: (plot: Plot, shown: Shown) => void}[]}
 */
const CHARTS = [
  {
    name: "Throughput", meaning: "Instances that ended, per second",
    says: ({ rate }, _, told) => `${told.mean ? "avg " : ""}${counted(told.rate ?? rate)}/s`,
    paint: (plot, { series, colours }) => {
      plot.fit(series.bins.map(({ rate }) => rate));
      plot.area(({ rate }) => rate, colours.done);
      plot.line(({ rate }) => rate, colours.done);
    },
  },
  {
    name: "Running", meaning: "Instances that ran at once; dashed: the limit; a dot: set by hand",
    says: ({ running }, limit, told) =>
      `${told.mean ? "avg " : ""}${Number((told.running ?? running).toFixed(1))} of ${number.format(limit)}`,
    paint: (plot, { series, levels, colours }) => {
      plot.fit([...series.bins.map(({ running }) => running), ...levels.map(({ limit }) => limit)]);
      plot.area(({ running }) => running, colours.running);
      plot.line(({ running }) => running, colours.running);
      plot.steps(levels, colours.ink);
    },
  },
  {
    name: "Latency", meaning: "Seconds that half of the instances kept below (p50), and 95 of 100 (p95, dotted)",
    says: ({ p50, p95 }) => (Number.isNaN(p50) ? "–" : `p50 ${took(p50)}  p95 ${took(p95)}`),
    paint: (plot, { series, colours }) => {
      plot.fit(series.bins.map(({ p95 }) => p95));
      plot.area(({ p95 }) => p95, colours.ink, ({ p50 }) => p50);
      plot.line(({ p95 }) => p95, colours.quiet, [1.5, 2]);
      plot.line(({ p50 }) => p50, colours.ink);
    },
  },
  {
    name: "Failures", meaning: "Instances that failed, and their share of those that ended lately",
    says: ({ failed, ended }, _, told) => {
      if (told.none) return "none";
      if (told.past) return `${number.format(failed)} of ${number.format(ended)}`;
      return ended ? share(failed, ended) : "–";
    },
    paint: (plot, { series, colours }) => {
      const rateOf = ({ failed, seconds }) => failed / seconds;
      plot.fit(series.bins.map(rateOf));
      plot.bars(rateOf, colours.failed);
    },
  },
];

export class Charts {
  constructor(view) {
    this.view = view;
    /** @type {Series | null} */
    this.series = null;
    this.levels = [];
    this.seenAt = -Infinity;
    this.seen = {};
    this.drawn = {};
    /** Seconds at which the pointer is, and the keyboard; NaN: nowhere, so it is spoken of now. */
    this.pointed = NaN;
    this.kept = NaN;
    this.over = -1;
    this.sparks = CHARTS.map(({ name, meaning, paint }) => new Spark(name, meaning, paint));
    this.colours = null;
    this.palette = new Palette(() => this.repaint());
    this.root = element("div", "fm-charts", { role: "slider", tabindex: "0", "aria-label": "Charts, at a time of the run" },
      ...this.sparks.map(({ root }) => root), this.palette.root);
    this.listen();
  }

  listen() {
    const { root, view, sparks } = this;
    sparks.forEach(({ canvas }, i) => {
      for (const type of ["pointermove", "pointerdown"]) {
        canvas.addEventListener(type, (event) => this.point(i, event.offsetX));
      }
      canvas.addEventListener("pointerleave", () => this.point(-1, NaN));
    });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("focus", () => { this.speak(); view.later(); });
    root.addEventListener("blur", () => view.later());
    this.resized = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        const spark = sparks.find(({ plot }) => plot === target);
        if (spark) spark.width = contentRect.width;
      }
      // Not in the next frame: this one would be painted with the canvas stretched.
      this.drawn = {};
      this.draw();
    });
    for (const { plot } of sparks) this.resized.observe(plot);
  }

  /** Paint all of it anew, in the colours of now. */
  repaint() {
    this.colours = null;
    this.view.later();
  }

  remove() {
    this.resized.disconnect();
  }

  point(i, x) {
    this.over = i;
    this.pointed = i < 0 || !this.series ? NaN : (x / this.sparks[i].width) * this.series.span;
    this.view.later();
  }

  key(event) {
    const { series } = this;
    if (!series) return;
    const last = series.count - 1;
    const at = Number.isNaN(this.kept) ? last + 1 : series.at(this.kept);
    const to = {
      ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
      PageDown: at - 10, PageUp: at + 10, Home: 0, End: last + 1, Escape: last + 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const bin = Math.max(0, to);
    // Behind the last bin is the present, whatever that will be.
    this.kept = bin > last ? NaN : (series.begin(bin) + series.begin(bin + 1)) / 2;
    this.pointed = NaN;
    this.over = -1;
    this.speak();
    this.view.later();
  }

  /** Seconds of which the charts speak; NaN: of now. */
  get cursor() {
    if (!Number.isNaN(this.pointed)) return this.pointed;
    return document.activeElement === this.root ? this.kept : NaN;
  }

  // What one sees

  draw() {
    const { header, rows } = this.view.store;
    const { counts, ticking, status } = header;
    const few = counts[SUCCEEDED] + counts[FAILED] < FEW;
    this.root.hidden = status === "idle" || !rows.count || (!ticking && few && header.elapsed < SHORT);
    if (this.root.hidden) return;
    this.look();
    const { cursor } = this;
    this.paint(cursor);
    const words = this.words(cursor);
    const first = this.over < 0 ? 0 : this.over;
    const when = Number.isNaN(cursor) ? "" : `at ${duration(cursor)}`;
    this.sparks.forEach((spark, i) => spark.say(words[i], i === first ? when : ""));
    // Who hears them is told by the keys: while one listens, the present goes on changing.
    if (document.activeElement !== this.root) this.speak();
  }

  /** Draw the lines, if they or the colours are other ones. */
  paint(cursor) {
    const { series, levels, sparks, drawn } = this;
    if (!sparks[0].width) return; // not in the page yet, which has the colours
    this.colours ??= this.palette.colours();
    const { colours } = this;
    const scale = window.devicePixelRatio || 1;
    const next = { series, cursor, scale, colours };
    if (Object.entries(next).every(([name, value]) => Object.is(drawn[name], value))) return;
    this.drawn = next;
    for (const spark of sparks) spark.draw({ series, levels, colours }, cursor, scale);
  }

  /** Look at the rows again, if they may be other ones and that is not too soon. */
  look() {
    const { store, gone } = this.view;
    const { header, rows, seq } = store;
    const { seen } = this;
    const now = performance.now();
    const same = seen.status === rows.status && seen.ticking === header.ticking;
    const soon = gone || (header.ticking ? now - this.seenAt < EVERY : seen.seq === seq);
    if (this.series && same && soon) return;
    this.seen = { status: rows.status, ticking: header.ticking, seq };
    this.seenAt = now;
    this.series = new Series(rows, store.elapsed);
    this.levels = limitsOf(header, this.series.span);
  }

  /** @returns {string[]} what each chart says of a time; NaN: of now, or once it is over of it all */
  words(cursor) {
    const { series, levels } = this;
    const { header, rate } = this.view.store;
    const { counts, ticking, limit } = header;
    const none = !counts[FAILED] && series.all.failed === 0;
    if (!Number.isNaN(cursor)) {
      const stretch = series.bins[series.at(cursor)];
      return CHARTS.map(({ says }) => says(stretch, limitAt(levels, cursor), { past: true, none }));
    }
    if (!ticking) return CHARTS.map(({ says }) => says(series.all, limit, { mean: true, none }));
    const stretch = series.now.ended ? series.now : series.all;
    return CHARTS.map(({ says }) => says(stretch, limit, { rate, running: counts[RUNNING], none }));
  }

  /** Say to a screen reader what the charts say; it is no live region, which would never be quiet. */
  speak() {
    const { root, series, kept } = this;
    if (!series) return;
    const live = this.view.store.header.ticking;
    const when = Number.isNaN(kept) ? (live ? "now" : "over all") : `at ${duration(kept)}`;
    const words = this.words(kept);
    writeAttribute(root, "aria-valuemin", "0");
    writeAttribute(root, "aria-valuemax", String(series.count));
    writeAttribute(root, "aria-valuenow", String(Number.isNaN(kept) ? series.count : series.at(kept)));
    writeAttribute(root, "aria-valuetext", `${when}: ${CHARTS.map(({ name }, i) => `${name.toLowerCase()} ${words[i]}`).join(", ")}`);
  }
}
