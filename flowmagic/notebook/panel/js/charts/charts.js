// The charts of a run: throughput, running instances and limit, latency, failures.

import { FAILED, RUNNING, SUCCEEDED } from "../store/protocol.js";
import { Series, highestLimit, limitSteps } from "../store/series.js";
import { element, writeAttribute } from "../ui/elements.js";
import { duration, number, share, took } from "../ui/format.js";
import { Palette } from "../ui/palette.js";
import { Sparkline } from "./sparkline.js";

/** @import { Stretch } from "../store/series.js" */
/** @import { ChartData, Plot } from "./sparkline.js" */

const UPDATE_MS = 1000; // between two updates of the series of a live run
const SHORT = 1; // seconds; a shorter run with few instances has no charts
const FEW = 20; // instances

const counted = (n) => (n >= 100 ? number.format(Math.round(n)) : String(Number(n.toFixed(n >= 10 ? 1 : 2))));

/**
 * The context of a stretch. `rate`, `running`: current values that are more precise than the rows';
 * `single`: the stretch is a single bin; `mean`: it is the whole run; `lately`: it is the last few
 * seconds; `none`: no instance of the run has failed.
 * @typedef {{rate?: number, running?: number, single?: boolean, mean?: boolean, lately?: boolean, none: boolean}} Context
 */

/**
 * @type {{name: string, meaning: string,
 *   describe: (stretch: Stretch, limit: number, context: Context) => string,
 *   paint: (plot: Plot, data: ChartData) => void}[]}
 */
const CHARTS = [
  {
    name: "Throughput", meaning: "Instances finished per second",
    describe: ({ rate }, _, context) => `${context.mean ? "avg " : ""}${counted(context.rate ?? rate)}/s`,
    paint: (plot, { series, colours }) => {
      plot.fit(series.bins.map(({ rate }) => rate));
      plot.area(({ rate }) => rate, colours.done);
      plot.line(({ rate }) => rate, colours.done);
    },
  },
  {
    name: "Running", meaning: "Instances running at once. Dashed line: the limit. Dot: changed by hand",
    describe: ({ running }, limit, context) => {
      const shown = Number((context.running ?? running).toFixed(1));
      if (context.mean) return `avg ${shown}`; // the limit of the end says nothing about it
      // A limit that was lowered lets running instances finish.
      return `${shown}${shown > limit ? ", limit" : " of"} ${number.format(limit)}`;
    },
    paint: (plot, { series, limits, colours }) => {
      plot.fit([...series.bins.map(({ running }) => running), ...limits.map(({ limit }) => limit)]);
      plot.area(({ running }) => running, colours.running);
      plot.line(({ running }) => running, colours.running);
      plot.steps(limits, colours.ink);
    },
  },
  {
    name: "Latency", meaning: "50% of the instances took p50 or less, and 95% took p95 (dotted) or less",
    describe: ({ p50, p95 }) => (Number.isNaN(p50) ? "–" : `p50 ${took(p50)}  p95 ${took(p95)}`),
    paint: (plot, { series, colours }) => {
      plot.fit(series.bins.map(({ p95 }) => p95));
      plot.area(({ p95 }) => p95, colours.ink, ({ p50 }) => p50);
      plot.line(({ p95 }) => p95, colours.quiet, [1.5, 2]);
      plot.line(({ p50 }) => p50, colours.ink);
    },
  },
  {
    name: "Failures", meaning: "Failed instances, and their share of those that finished recently",
    describe: ({ failed, ended }, _, context) => {
      if (context.none) return "None failed";
      if (context.single) return `${number.format(failed)} of ${number.format(ended)}`;
      return ended ? share(failed, ended) + (context.lately ? " lately" : "") : "–";
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
    this.limits = [];
    this.updatedAt = -Infinity;
    this.source = {};
    this.drawn = {};
    /** The times of the pointer and of the keyboard's cursor, in seconds; NaN for the present. */
    this.pointerTime = NaN;
    this.keyboardTime = NaN;
    this.over = -1;
    this.sparklines = CHARTS.map(({ name, meaning, paint }) => new Sparkline(name, meaning, paint));
    this.colours = null;
    this.palette = new Palette(() => this.repaint());
    this.root = element("div", "fm-charts", { role: "slider", tabindex: "0", "aria-label": "Time shown in the charts" },
      ...this.sparklines.map(({ root }) => root), this.palette.root);
    this.listen();
  }

  listen() {
    const { root, view, sparklines } = this;
    sparklines.forEach(({ canvas }, i) => {
      for (const type of ["pointermove", "pointerdown"]) {
        canvas.addEventListener(type, (event) => this.point(i, event.offsetX));
      }
      canvas.addEventListener("pointerleave", () => this.point(-1, NaN));
    });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("focus", () => { this.speak(); view.scheduleDraw(); });
    root.addEventListener("blur", () => view.scheduleDraw());
    this.resized = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        const sparkline = sparklines.find(({ plot }) => plot === target);
        if (sparkline) sparkline.width = contentRect.width;
      }
      // Draw in this frame, which would otherwise be painted with stretched canvases.
      this.drawn = {};
      if (!this.isEmpty) this.draw();
    });
    for (const { plot } of sparklines) this.resized.observe(plot);
  }

  /** Repaint everything in the current colours. */
  repaint() {
    this.colours = null;
    this.view.scheduleDraw();
  }

  remove() {
    this.resized.disconnect();
  }

  point(i, x) {
    this.over = i;
    this.pointerTime = i < 0 || !this.series ? NaN : (x / this.sparklines[i].width) * this.series.span;
    this.view.scheduleDraw();
  }

  key(event) {
    const { series } = this;
    if (!series) return;
    const last = series.count - 1;
    const at = Number.isNaN(this.keyboardTime) ? last + 1 : series.at(this.keyboardTime);
    const to = {
      ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
      PageDown: at - 10, PageUp: at + 10, Home: 0, End: last + 1, Escape: last + 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const bin = Math.max(0, to);
    // After the last bin comes the present.
    this.keyboardTime = bin > last ? NaN : (series.begin(bin) + series.begin(bin + 1)) / 2;
    this.pointerTime = NaN;
    this.over = -1;
    this.speak();
    this.view.scheduleDraw();
  }

  /** The time, in seconds, that the charts show; NaN for the present. */
  get cursor() {
    if (!Number.isNaN(this.pointerTime)) return this.pointerTime;
    return document.activeElement === this.root ? this.keyboardTime : NaN;
  }

  /** Whether there is nothing to draw: no run, or one that was over at once. */
  get isEmpty() {
    const { header, rows } = this.view.store;
    const { counts, ticking, status, elapsed } = header;
    const few = counts[SUCCEEDED] + counts[FAILED] < FEW;
    return status === "idle" || !rows.count || (!ticking && few && elapsed < SHORT);
  }

  // Drawing

  draw() {
    this.update();
    const { cursor } = this;
    this.paint(cursor);
    const values = this.values(cursor);
    const first = this.over < 0 ? 0 : this.over;
    const when = Number.isNaN(cursor) ? "" : `at ${duration(cursor)}`;
    this.sparklines.forEach((sparkline, i) => sparkline.write(values[i], i === first ? when : ""));
    // With the focus, only keys update the spoken values: the present keeps changing.
    if (document.activeElement !== this.root) this.speak();
  }

  /** Redraw the sparklines if anything they depend on has changed. */
  paint(cursor) {
    const { series, limits, sparklines, drawn } = this;
    if (!sparklines[0].width) return; // not in the page yet, so there are no colours
    this.colours ??= this.palette.colours();
    const { colours } = this;
    const scale = window.devicePixelRatio || 1;
    const next = { series, cursor, scale, colours };
    if (Object.entries(next).every(([name, value]) => Object.is(drawn[name], value))) return;
    this.drawn = next;
    for (const sparkline of sparklines) sparkline.draw({ series, limits, colours }, cursor, scale);
  }

  /** Rebuild the series if the rows may have changed and the last update is not too recent. */
  update() {
    const { store, gone } = this.view;
    const { header, rows, seq } = store;
    const { source } = this;
    const now = performance.now();
    const same = source.status === rows.status && source.ticking === header.ticking;
    const soon = gone || (header.ticking ? now - this.updatedAt < UPDATE_MS : source.seq === seq);
    if (this.series && same && soon) return;
    this.source = { status: rows.status, ticking: header.ticking, seq };
    this.updatedAt = now;
    this.series = new Series(rows, store.elapsed);
    this.limits = limitSteps(header, this.series.span);
  }

  /** @returns {string[]} each chart's value at a time; NaN for the present or, after the end, the whole run */
  values(cursor) {
    const { series, limits } = this;
    const { header, rate } = this.view.store;
    const { counts, ticking, limit } = header;
    const none = !counts[FAILED] && series.all.failed === 0;
    if (!Number.isNaN(cursor)) {
      const stretch = series.bins[series.at(cursor)];
      const bin = series.at(cursor);
      const highest = highestLimit(limits, series.begin(bin), series.begin(bin + 1));
      return CHARTS.map(({ describe }) => describe(stretch, highest, { single: true, none }));
    }
    if (!ticking) return CHARTS.map(({ describe }) => describe(series.all, limit, { mean: true, none }));
    const lately = series.now.ended > 0;
    const stretch = lately ? series.now : series.all;
    return CHARTS.map(({ describe }) => describe(stretch, limit, { rate, running: counts[RUNNING], lately, none }));
  }

  /** Update the values for screen readers. This is no live region, which would never be quiet. */
  speak() {
    const { root, series, keyboardTime } = this;
    if (!series) return;
    const live = this.view.store.header.ticking;
    const when = Number.isNaN(keyboardTime) ? (live ? "now" : "overall") : `at ${duration(keyboardTime)}`;
    const values = this.values(keyboardTime);
    writeAttribute(root, "aria-valuemin", "0");
    writeAttribute(root, "aria-valuemax", String(series.count));
    writeAttribute(root, "aria-valuenow", String(Number.isNaN(keyboardTime) ? series.count : series.at(keyboardTime)));
    writeAttribute(root, "aria-valuetext", `${when}: ${CHARTS.map(({ name }, i) => `${name} ${values[i]}`.toLowerCase()).join(", ")}`);
  }
}
