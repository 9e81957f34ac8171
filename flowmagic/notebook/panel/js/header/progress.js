// How far a run is, in words.

import { FAILED, SUCCEEDED } from "../store/protocol.js";
import { brief, number, plural, rateText, wholeSeconds } from "../ui/format.js";

const FEW = 10; // with fewer instances, a percentile says nothing

/**
 * @param {{header: import("../store/protocol.js").Header, busy: number, rate: number, cooling: number, folded: boolean}} store
 * @param {number} p95 the percentile of the durations of all instances; NaN while it is not known
 * @returns {string}
 */
export function progressText({ header, busy, rate, cooling, folded }, p95) {
  const { counts, total, status, ticking } = header;
  if (status === "idle") return total === null ? "" : plural(total, "instance");
  const done = counts[SUCCEEDED] + counts[FAILED];
  const all = done === total && status === "finished";
  const progress = total === null ? `${number.format(done)} done` : `${number.format(done)} of ${number.format(total)} done`;
  if (!ticking) {
    const slow = done >= FEW && p95 >= 0 ? `p95 ${brief(p95)}` : "";
    if (folded) return [total === null ? "" : `of ${number.format(total)}`, `${status} after ${brief(busy)}`, slow].filter(Boolean).join(" · ");
    const failed = counts[FAILED] ? `${number.format(counts[FAILED])} failed` : all && done ? "none failed" : "";
    const took = all ? `${number.format(done)} in ${brief(busy)}` : `${progress} · ${status} after ${brief(busy)}`;
    return [took, slow, failed].filter(Boolean).join(" · ");
  }
  const left = total === null || status !== "running" || cooling > 0 || !(rate > 0) ? 0 : Math.ceil((total - done) / rate);
  const time = wholeSeconds(Math.floor(busy)) + (left > 0 ? `, about ${wholeSeconds(left)} left` : "");
  return [status === "running" ? "" : status, progress, time, status === "running" ? rateText(rate) : ""].filter(Boolean).join(" · ");
}
