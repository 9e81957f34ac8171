// Formats numbers, durations and rates.

export const number = new Intl.NumberFormat("en-US");
export const plural = (n, word) => `${number.format(n)} ${word}${n === 1 ? "" : "s"}`;

export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds >= 100) return clock(seconds);
  return `${seconds.toFixed(seconds >= 10 ? 1 : 2)} s`;
}

/** @param {number} whole */
export const wholeSeconds = (whole) => (whole < 100 ? `${whole} s` : clock(whole));

/** @returns {string} a duration as one says it */
export function brief(seconds) {
  if (seconds >= 9.95) return wholeSeconds(Math.round(seconds));
  return `${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s`;
}

/** Describe a cool-down, in whole seconds. */
export const waitText = (seconds) => `waiting ${wholeSeconds(Math.ceil(seconds))}, as the provider asked`;

/** @param {number[] | null} bounds */
export const adaptingText = (bounds) => (bounds ? `adaptive, ${bounds.map((n) => number.format(n)).join(" to ")}` : "");

/** @returns {string} empty if there is no rate yet */
export function rateText(rate) {
  if (!(rate > 0)) return "";
  return `${rate >= 100 ? number.format(Math.round(rate)) : rate.toFixed(rate >= 1 ? 1 : 2)} a second`;
}

/** A duration that may be short. */
export const took = (seconds) => (seconds < 0.1 ? `${Number((1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0))} ms` : duration(seconds));

/** @param {number} part @param {number} whole not 0 */
export const share = (part, whole) => `${Number(((100 * part) / whole).toFixed(part / whole < 0.1 ? 1 : 0))}%`;
