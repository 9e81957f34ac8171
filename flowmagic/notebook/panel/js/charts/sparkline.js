// A sparkline: a name, a value as text, and a small chart over the time of the run.

import { element, write } from "../ui/elements.js";

/** @import { LimitStep, Series, Stretch } from "../store/series.js" */

const HEIGHT = 28; // CSS pixels, as in panel.css
const HEADROOM = 0.08; // share of the height above the greatest value
const WIDEST = 8; // CSS pixels; greatest width of a bar

/**
 * The data of a chart.
 * @typedef {{series: Series, limits: LimitStep[], colours: Object<string, string>}} ChartData
 */

export class Sparkline {
  /**
   * @param {string} name
   * @param {string} meaning a sentence about what is measured
   * @param {(plot: Plot, data: ChartData) => void} paint
   */
  constructor(name, meaning, paint) {
    this.name = name;
    this.paint = paint;
    this.width = 0;
    this.label = element("span", "fm-gauge-name fm-num", { title: meaning });
    this.value = element("span", "fm-gauge-value fm-num");
    this.canvas = element("canvas", "fm-spark");
    this.plot = element("div", "fm-plot", {}, this.canvas);
    this.root = element("div", "fm-gauge", {},
      element("div", "fm-gauge-head", {}, this.label, this.value),
      this.plot);
    this.pen = this.canvas.getContext("2d");
  }

  /** @param {string} when the time of the value, which replaces the name for lack of room */
  write(value, when) {
    write(this.value, value);
    write(this.label, when || this.name);
  }

  /**
   * @param {ChartData} data
   * @param {number} cursor the second at which a vertical line is drawn; NaN for none
   */
  draw(data, cursor, scale) {
    const { canvas, pen } = this;
    const [width, height] = [Math.floor(this.width * scale), Math.round(HEIGHT * scale)];
    if (!width) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.width = `${width / scale}px`;
    }
    pen.clearRect(0, 0, width, height);
    const plot = new Plot(pen, data.series, width, height, scale);
    pen.fillStyle = data.colours.pending;
    pen.fillRect(0, height - plot.hair, width, plot.hair);
    this.paint(plot, data);
    if (Number.isNaN(cursor)) return;
    pen.fillStyle = data.colours.ink;
    pen.fillRect(Math.min(width - plot.hair, Math.round(plot.x(cursor))), 0, plot.hair, height);
  }
}

/** Draws on a canvas, with the time of a run from left to right. */
export class Plot {
  constructor(pen, series, width, height, scale) {
    this.pen = pen;
    this.series = series;
    this.width = width;
    this.height = height;
    this.scale = scale;
    this.hair = Math.max(1, Math.round(scale));
    this.most = 1;
  }

  x(seconds) {
    return (seconds / this.series.span) * this.width;
  }

  y(value) {
    const room = this.height - 2 * this.hair;
    return this.height - this.hair - (value / this.most) * room * (1 - HEADROOM);
  }

  /** Scale the plot so that the greatest of some values nearly reaches the top. */
  fit(values) {
    this.most = values.reduce((most, value) => (value > most ? value : most), 0) || 1;
  }

  /** @returns {{x: number, y: number}[][]} the points of each bin, split where there is no value */
  pieces(valueOf) {
    const { series } = this;
    const pieces = [[]];
    series.bins.forEach((bin, i) => {
      const value = valueOf(bin);
      const piece = pieces[pieces.length - 1];
      if (Number.isNaN(value)) {
        if (piece.length) pieces.push([]);
        return;
      }
      const y = this.y(value);
      // The first and the last bin extend to the edges.
      if (i === 0) piece.push({ x: 0, y });
      piece.push({ x: (this.x(series.begin(i)) + this.x(series.begin(i + 1))) / 2, y });
      if (i === series.count - 1) piece.push({ x: this.width, y });
    });
    return pieces.filter((piece) => piece.length);
  }

  /** @param {(bin: Stretch) => number} valueOf NaN if a bin has no value */
  line(valueOf, colour, dash = []) {
    const { pen, scale } = this;
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 1.5 * scale;
    pen.lineJoin = "round";
    pen.setLineDash(dash.map((length) => length * scale));
    for (const piece of this.pieces(valueOf)) {
      if (piece.length === 1) {
        const [{ x, y }] = piece;
        pen.fillRect(x - scale, y - scale, 2 * scale, 2 * scale);
        continue;
      }
      pen.beginPath();
      for (const { x, y } of piece) pen.lineTo(x, y);
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  /**
   * Fill the area between a line and the bottom, or another line.
   * @param {(bin: Stretch) => number} valueOf
   * @param {(bin: Stretch) => number} floorOf
   */
  area(valueOf, colour, floorOf = (_) => 0) {
    const { pen } = this;
    pen.fillStyle = colour;
    pen.globalAlpha = 0.22;
    const floors = this.pieces((bin) => (Number.isNaN(valueOf(bin)) ? NaN : floorOf(bin)));
    this.pieces(valueOf).forEach((piece, i) => {
      pen.beginPath();
      for (const { x, y } of [...piece, ...floors[i].reverse()]) pen.lineTo(x, y);
      pen.fill();
    });
    pen.globalAlpha = 1;
  }

  /** Draw a bar for each bin with a value above zero; even the smallest one is visible. */
  bars(valueOf, colour) {
    const { pen, series, hair } = this;
    pen.fillStyle = colour;
    series.bins.forEach((bin, i) => {
      const value = valueOf(bin);
      if (!(value > 0)) return;
      const [from, to] = [this.x(series.begin(i)), this.x(series.begin(i + 1))];
      const room = to - from > 3 * hair ? to - from - hair : to - from;
      const width = Math.round(Math.max(2 * hair, Math.min(WIDEST * this.scale, room)));
      const top = Math.round(Math.min(this.y(value), this.height - 4 * hair));
      pen.fillRect(Math.round((from + to - width) / 2), top, width, this.height - top);
    });
  }

  /** Draw a stepped line, with a dot where the user changed the limit. @param {LimitStep[]} limits */
  steps(limits, colour) {
    const { pen, scale } = this;
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = this.hair;
    pen.setLineDash([3 * scale, 2 * scale]);
    pen.beginPath();
    const yOf = (limit) => Math.round(this.y(limit)) + this.hair / 2;
    limits.forEach(({ from, limit }, i) => {
      if (i) pen.lineTo(this.x(from), yOf(limits[i - 1].limit));
      pen.lineTo(this.x(from), yOf(limit));
    });
    pen.lineTo(this.width, yOf(limits[limits.length - 1].limit));
    pen.stroke();
    pen.setLineDash([]);
    for (const { from, limit, byUser } of limits) {
      if (!byUser) continue;
      pen.beginPath();
      pen.arc(this.x(from), yOf(limit), 2 * scale, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}
