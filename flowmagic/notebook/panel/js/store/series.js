// A run as a time series: its rows, counted and measured in bins of equal length.
//
// Everything is derived from the columns, so that two pages draw the same, whenever they were opened.
// The columns hold only the last attempt of a retried row, and so does the series.

import { CANCELLED, FAILED, PENDING, RUNNING } from "./protocol.js";

/** @import { Header } from "./protocol.js" */
/** @import { Rows } from "./rows.js" */

const MAX_BINS = 100;
const MIN_BINS = 10;
const PER_BIN = 5; // least average of instances per bin; with fewer, a bin is mostly noise
const SAMPLE = 128; // most durations of a bin from which its percentiles are computed
const SAMPLE_OF_ALL = 2048;

/** A bounded, uniform sample of numbers (reservoir sampling), one per group. */
class Sample {
  constructor(groups, size) {
    this.size = size;
    this.kept = new Float32Array(groups * size);
    this.offered = new Uint32Array(groups);
  }

  /** @param {number} chance a pseudo-random integer that is the same for every page */
  offer(group, value, chance) {
    const offered = (this.offered[group] += 1);
    const at = offered <= this.size ? offered - 1 : chance % offered;
    if (at < this.size) this.kept[group * this.size + at] = value;
  }

  /** @returns {Float32Array} the samples of the groups `first` to `last`, sorted */
  sorted(first, last = first) {
    const parts = [];
    for (let group = first; group <= last; group += 1) {
      const from = group * this.size;
      parts.push(...this.kept.subarray(from, from + Math.min(this.size, this.offered[group])));
    }
    return Float32Array.from(parts).sort();
  }
}

/** The value below which a share of the sorted values lies; NaN if there are none. */
const percentile = (sorted, share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : NaN);

/** Hash a row's index, since neighbouring rows are often alike. */
function hash(i) {
  let bits = Math.imul(i ^ (i >>> 16), 0x45d9f3b);
  bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** @returns {number} the length of a bin in seconds: 1, 2 or 5 times a power of ten, so that it seldom changes */
export function stepOf(span, ended) {
  const most = Math.min(MAX_BINS, Math.max(MIN_BINS, ended / PER_BIN));
  const least = span / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/**
 * Statistics of a stretch of a run: one bin, the last bins, or the whole run.
 * @typedef {{seconds: number, ended: number, rate: number, running: number, failed: number,
 *   p50: number, p95: number}} Stretch `running` is an average; the percentiles are seconds, NaN if nothing ended
 */

export class Series {
  /**
   * @param {Rows} rows
   * @param {number} span seconds from the start of the run until now or until its end
   */
  constructor(rows, span) {
    this.span = Math.max(span, 1e-3);
    let ended = 0;
    for (let i = 0; i < rows.count; i += 1) if (rows.ended[i] >= 0) ended += 1;
    this.step = stepOf(this.span, ended);
    // The last bin extends to the end: a much shorter bin of its own would be noise.
    this.count = Math.max(1, Math.round(this.span / this.step));
    this.ended = new Uint32Array(this.count);
    this.failed = new Uint32Array(this.count);
    this.sample = new Sample(this.count, SAMPLE);
    this.sampleOfAll = new Sample(1, SAMPLE_OF_ALL);
    /** The total running time of all instances in each bin, in seconds. */
    this.busy = new Float64Array(this.count);
    this.collect(rows);
    this.bins = Array.from(this.ended, (_, bin) => this.stretch(bin, bin));
    this.all = this.stretch(0, this.count - 1, this.sampleOfAll.sorted(0));
    /** The last bins, which stand for the present. */
    this.now = this.stretch(Math.max(0, this.count - 2), this.count - 1);
  }

  /** The bin that contains a time. */
  at(seconds) {
    return Math.min(this.count - 1, Math.max(0, Math.floor(seconds / this.step)));
  }

  /** The second at which a bin starts; for the number after the last one, the span. */
  begin(bin) {
    return bin >= this.count ? this.span : bin * this.step;
  }

  collect(rows) {
    const { span, step, count, busy } = this;
    const { started, ended, status } = rows;
    const whole = new Int32Array(count + 1); // +1 and -1 where the bins that a row fills completely start and end
    for (let i = 0; i < rows.count; i += 1) {
      const code = status[i];
      if (code === PENDING || !(started[i] <= span)) continue;
      const from = Math.max(0, started[i]);
      const first = Math.min(count - 1, Math.floor(from / step));
      const until = code === RUNNING || !(ended[i] <= span) ? span : ended[i];
      const last = Math.min(count - 1, Math.floor(until / step));
      if (first === last) {
        busy[first] += Math.max(0, until - from);
      } else {
        busy[first] += (first + 1) * step - from;
        busy[last] += until - last * step;
        whole[first + 1] += 1;
        whole[last] -= 1;
      }
      if (code === RUNNING || code === CANCELLED) continue; // its duration says nothing about the flow
      this.ended[last] += 1;
      if (code === FAILED) this.failed[last] += 1;
      const chance = hash(i);
      this.sample.offer(last, until - from, chance);
      this.sampleOfAll.offer(0, until - from, chance);
    }
    for (let bin = 0, level = 0; bin < count; bin += 1) {
      level += whole[bin];
      busy[bin] += level * (this.begin(bin + 1) - this.begin(bin));
    }
  }

  /** @returns {Stretch} the bins from `first` to `last`, inclusive */
  stretch(first, last, durations = this.sample.sorted(first, last)) {
    let [ended, failed, busy] = [0, 0, 0];
    for (let bin = first; bin <= last; bin += 1) {
      ended += this.ended[bin];
      failed += this.failed[bin];
      busy += this.busy[bin];
    }
    const seconds = this.begin(last + 1) - this.begin(first);
    return {
      seconds, ended, failed, rate: ended / seconds, running: busy / seconds,
      p50: percentile(durations, 0.5), p95: percentile(durations, 0.95),
    };
  }
}

/** @typedef {{from: number, to: number, limit: number, byUser: boolean, first: boolean}} LimitStep times in seconds */

/**
 * @param {Pick<Header, "limit_history" | "limit">} header
 * @param {number} now seconds since the start of the run
 * @returns {LimitStep[]} in chronological order, without gaps, at least one
 */
export function limitSteps({ limit_history, limit }, now) {
  const applied = limit_history.filter(([seconds]) => seconds <= now);
  return (applied.length ? applied : [[0, limit, 0]]).map(([from, level, byUser], i) => ({
    from, to: applied[i + 1]?.[0] ?? now, limit: level, byUser: byUser === 1, first: i === 0,
  }));
}

/** @param {LimitStep[]} steps @returns {number} the highest limit in force between two times */
export function highestLimit(steps, from, to) {
  const before = steps.findLast((step) => step.from <= from) ?? steps[0];
  return Math.max(before.limit, ...steps.filter((step) => step.from > from && step.from < to).map(({ limit }) => limit));
}
