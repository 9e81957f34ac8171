// The limits that were in force during a run, and when.

/** @import { Header } from "./protocol.js" */

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

/** @param {LimitStep[]} steps @returns {number} the limit in force at a time */
export function limitAt(steps, seconds) {
  return (steps.findLast(({ from }) => from <= seconds) ?? steps[0]).limit;
}
