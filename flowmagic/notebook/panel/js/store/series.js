// How a run went over its time: its rows, counted and measured in bins of equal length.
//
// All of it follows from the columns, so that a page that comes later draws what another one draws.
// Of a row that was taken up again only the last attempt is in the columns, and so in here.

/** @import { Rows } from "./rows.js" */

import { CANCELLED, FAILED, PENDING, RUNNING } from "./protocol.js";

const MOST_BINS = 100;
const FEWEST_BINS = 10;
const PER_BIN = 5; // instances that end in a bin on average, at least: of fewer, all is noise
const SAMPLE = 128; // durations of a bin that its percentiles are taken from, at most
const SAMPLE_OF_ALL = 2048;

/** A bounded sample of numbers, each of those that were offered as likely in it as any other. */
class Sample {
  constructor(groups, size) {
    this.size = size;
    this.kept = new Float32Array(groups * size);
    this.offered = new Uint32Array(groups);
  }

  /** @param {number} chance an integer that is as good as random, but the same each time */
  offer(group, value, chance) {
    const offered = (this.offered[group] += 1);
    const at = offered <= this.size ? offered - 1 : chance % offered;
    if (at < this.size) this.kept[group * this.size + at] = value;
  }

  /** @returns {Float32Array} what is kept of some groups, from `first` up to `last`, in order */
  sorted(first, last = first) {
    const parts = [];
    for (let group = first; group <= last; group += 1) {
      const from = group * this.size;
      parts.push(...this.kept.subarray(from, from + Math.min(this.size, this.offered[group])));
    }
    return Float32Array.from(parts).sort();
  }
}

/** The value below which a share of sorted ones lies; NaN of none. */
const percentile = (sorted, share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : NaN);

/** Mix the bits of a row's index: rows beside each other are often alike. */
function mixed(i) {
  let bits = Math.imul(i ^ (i >>> 16), 0x45d9f3b);
  bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** @returns {number} seconds of a bin: 1, 2 or 5 of some power of ten, so that bins seldom change */
export function stepOf(span, ended) {
  const most = Math.min(MOST_BINS, Math.max(FEWEST_BINS, ended / PER_BIN));
  const least = span / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/**
 * What a stretch of a run was like: a bin, some of the last ones, all of it.
 * @typedef {{seconds: number, ended: number, rate: number, running: number, failed: number,
 *   p50: number, p95: number}} Stretch `running` on average; percentiles in seconds, NaN if none ended
 */

export class Series {
  /**
   * @param {Rows} rows
   * @param {number} span seconds from the begin of the run until now, or its end
   */
  constructor(rows, span) {
    this.span = Math.max(span, 1e-3);
    let ended = 0;
    for (let i = 0; i < rows.count; i += 1) if (rows.ended[i] >= 0) ended += 1;
    this.step = stepOf(this.span, ended);
    // The last bin goes on to the end: a much shorter one of its own would be noise.
    this.count = Math.max(1, Math.round(this.span / this.step));
    this.ended = new Uint32Array(this.count);
    this.failed = new Uint32Array(this.count);
    this.sample = new Sample(this.count, SAMPLE);
    this.sampleOfAll = new Sample(1, SAMPLE_OF_ALL);
    /** Seconds that instances ran in each bin, all together. */
    this.busy = new Float64Array(this.count);
    this.take(rows);
    this.bins = Array.from(this.ended, (_, bin) => this.stretch(bin, bin));
    this.all = this.stretch(0, this.count - 1, this.sampleOfAll.sorted(0));
    /** What the run is like just now. */
    this.now = this.stretch(Math.max(0, this.count - 2), this.count - 1);
  }

  /** The bin of a time. */
  at(seconds) {
    return Math.min(this.count - 1, Math.max(0, Math.floor(seconds / this.step)));
  }

  /** Seconds at which a bin begins; of the number behind the last one, the span. */
  begin(bin) {
    return bin >= this.count ? this.span : bin * this.step;
  }

  take(rows) {
    const { span, step, count, busy } = this;
    const { started, ended, status } = rows;
    const whole = new Int32Array(count + 1); // where bins in which a row ran all the time begin and end
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
      if (code === RUNNING || code === CANCELLED) continue; // how long it took is nobody's doing
      this.ended[last] += 1;
      if (code === FAILED) this.failed[last] += 1;
      const chance = mixed(i);
      this.sample.offer(last, until - from, chance);
      this.sampleOfAll.offer(0, until - from, chance);
    }
    for (let bin = 0, level = 0; bin < count; bin += 1) {
      level += whole[bin];
      busy[bin] += level * (this.begin(bin + 1) - this.begin(bin));
    }
  }

  /** @returns {Stretch} of the bins from `first` up to and with `last` */
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

/**
 * The limit in force over a run, as the level that begins at each of some times.
 * @param {{retunes: number[][], limit: number}} header
 * @returns {{seconds: number, limit: number, byUser: boolean}[]} in order of time, the first at 0
 */
export function limitsOf({ retunes, limit }, span) {
  const levels = retunes.filter(([seconds]) => seconds <= span)
    .map(([seconds, level, byUser]) => ({ seconds, limit: level, byUser: Boolean(byUser) }));
  return levels.length ? levels : [{ seconds: 0, limit, byUser: false }];
}

/** The limit that was in force at a time. */
export function limitAt(levels, seconds) {
  return (levels.findLast((each) => each.seconds <= seconds) ?? levels[0]).limit;
}
