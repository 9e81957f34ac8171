// The header of the panel: the flow, its progress, and a bar with a segment per status.

import { CANCELLED, FAILED, PENDING, RUNNING, STATUSES, SUCCEEDED } from "../store/protocol.js";
import { coolChip, element, icon, setCooling, setStatus, write, writeAttribute } from "../ui/elements.js";
import { duration, number, plural, rateText, wholeSeconds } from "../ui/format.js";

const ORDER = [SUCCEEDED, FAILED, CANCELLED, RUNNING, PENDING];

export class PanelHeader {
  constructor(view) {
    this.view = view;
    this.flow = element("span", "fm-flow");
    this.chipIcon = icon();
    this.chipWord = element("span");
    this.chip = element("span", "fm-chip", {}, this.chipIcon, this.chipWord);
    this.cool = coolChip();
    this.done = element("span", "fm-num fm-done");
    this.time = element("span", "fm-num");
    this.rate = element("span", "fm-num");
    this.failures = element("span", "fm-num fm-failures");
    const line = element("div", "fm-head", {},
      element("span", "fm-title", {}, this.flow, this.chip, this.cool.chip),
      element("span", "fm-stats", {}, this.done, this.time, this.rate, this.failures));
    this.bar = element("div", "fm-bar", { role: "img" });
    this.segments = ORDER.map((code) => {
      const segment = element("span", "fm-segment", { "data-status": STATUSES[code] });
      this.bar.append(segment);
      return { code, segment };
    });
    const legend = element("div", "fm-legend", { "aria-hidden": "true" });
    this.legendItems = ORDER.map((code) => {
      const text = element("span");
      const item = element("span", "fm-legend-item", { "data-status": STATUSES[code] }, icon(STATUSES[code]), text);
      legend.append(item);
      return { code, item, text };
    });
    this.roots = [line, this.bar, legend];
  }

  draw() {
    const { store, gone } = this.view;
    const { header } = store;
    const { counts } = header;
    write(this.flow, header.flow);
    const failed = header.status === "finished" && counts[FAILED] > 0;
    setStatus(this.chip, this.chipIcon, this.chipWord, failed ? "failed" : header.status);
    write(this.chipWord, failed ? "finished with failures" : header.status);
    setCooling(this.cool, gone ? 0 : store.cooling);
    this.drawStats();
    this.drawBar();
  }

  drawStats() {
    const { header, rate, elapsed } = this.view.store;
    const { counts, total } = header;
    const idle = header.status === "idle";
    const done = counts[SUCCEEDED] + counts[FAILED] + counts[CANCELLED];
    const of = total === null ? "/?" : `/${number.format(total)}`;
    const percent = total ? `  ${Math.floor((100 * done) / total)}%` : "";
    const waiting = total === null ? "" : plural(total, "instance");
    write(this.done, idle ? waiting : `${number.format(done)}${of}${percent}`);
    const left = total !== null && rate > 0 ? `, about ${wholeSeconds(Math.ceil((total - done) / rate))} left` : "";
    write(this.time, idle ? "" : header.ticking ? `${wholeSeconds(Math.floor(elapsed))}${left}` : duration(elapsed));
    write(this.rate, idle ? "" : rateText(rate));
    write(this.failures, counts[FAILED] ? `${number.format(counts[FAILED])} failed` : "");
  }

  /** @returns {string} a status and how many instances have it */
  countText(code) {
    const { counts, restored } = this.view.store.header;
    const kept = code === SUCCEEDED && restored ? ` (${number.format(restored)} restored)` : "";
    return `${number.format(counts[code])} ${STATUSES[code]}${kept}`;
  }

  drawBar() {
    const { counts, total } = this.view.store.header;
    const known = total ?? counts.reduce((sum, n) => sum + n, 0);
    for (const { code, segment } of this.segments) {
      const share = known ? (100 * counts[code]) / known : code === PENDING ? 100 : 0;
      const grow = counts[code] && share < 0.6 ? 0.6 : share; // even a single failure must be visible
      if (segment.style.flexGrow !== String(grow)) segment.style.flexGrow = String(grow);
    }
    for (const { code, item, text } of this.legendItems) {
      item.hidden = !counts[code];
      write(text, this.countText(code));
    }
    const words = STATUSES.map((_, code) => code).filter((code) => counts[code]).map((code) => this.countText(code)).join(", ");
    writeAttribute(this.bar, "aria-label", words ? `Instances: ${words}` : "No instances");
  }
}
