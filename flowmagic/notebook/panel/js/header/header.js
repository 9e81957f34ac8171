// The head of the panel: one line that says how far the run is and has its buttons, and a bar.

import { FAILED, STATUSES, SUCCEEDED } from "../store/protocol.js";
import { Series } from "../store/series.js";
import { ORDER, countText } from "./legend.js";
import { progressText } from "./progress.js";
import { element, icon, setStatus, write, writeAttribute } from "../ui/elements.js";

export class PanelHeader {
  constructor(view) {
    this.view = view;
    this.measured = { seq: -1, p95: NaN };
    this.flow = element("span", "fm-flow");
    this.fold = element("button", "fm-fold", { type: "button", "aria-controls": `${view.id}-inside` }, icon("fold"), this.flow);
    this.fold.addEventListener("click", () => {
      view.store.folded = !view.store.folded;
      view.store.notify("all");
    });
    this.statusIcon = icon();
    this.statusWord = element("span", "fm-hidden");
    this.status = element("span", "fm-run-status", {}, this.statusIcon, this.statusWord);
    this.counts = [SUCCEEDED, FAILED].map((code) => {
      const text = element("span", "fm-num");
      return { code, text, root: element("span", "fm-count", { "data-status": STATUSES[code] }, icon(STATUSES[code]), text) };
    });
    this.progress = element("span", "fm-say fm-num");
    this.line = element("div", "fm-head", {}, this.fold, this.status, ...this.counts.map(({ root }) => root), this.progress);
    this.bar = element("div", "fm-bar", { role: "img" });
    this.segments = ORDER.map((code) => {
      const segment = element("span", "fm-segment", { "data-status": STATUSES[code] });
      this.bar.append(segment);
      return { code, segment };
    });
  }

  draw() {
    const { store } = this.view;
    const { header, folded } = store;
    write(this.flow, header.flow);
    writeAttribute(this.fold, "aria-expanded", String(!folded));
    const failed = header.status === "finished" && header.counts[FAILED] > 0;
    setStatus(this.status, this.statusIcon, this.statusWord, failed ? "failed" : header.status);
    write(this.statusWord, failed ? "finished with failures" : header.status);
    for (const { code, text, root } of this.counts) {
      root.hidden = !folded || header.ticking || !header.counts[code];
      write(text, String(header.counts[code]));
      root.title = countText(header, code);
    }
    write(this.progress, progressText(store, this.p95));
    this.drawBar();
  }

  /** The percentile of the durations of all instances; NaN while the run goes on. */
  get p95() {
    const { header, rows, seq, elapsed } = this.view.store;
    if (header.ticking) return NaN;
    if (this.measured.seq !== seq) this.measured = { seq, p95: new Series(rows, elapsed).all.p95 };
    return this.measured.p95;
  }

  drawBar() {
    const { header } = this.view.store;
    const { counts, total } = header;
    this.bar.hidden = this.view.store.folded;
    const known = total ?? counts.reduce((sum, n) => sum + n, 0);
    for (const { code, segment } of this.segments) {
      const share = known ? (100 * counts[code]) / known : code === 0 ? 100 : 0;
      const grow = counts[code] && share < 0.6 ? 0.6 : share; // even a single failure must be visible
      if (segment.style.flexGrow !== String(grow)) segment.style.flexGrow = String(grow);
    }
    const words = STATUSES.map((_, code) => code).filter((code) => counts[code]).map((code) => countText(header, code)).join(", ");
    writeAttribute(this.bar, "aria-label", words ? `Instances: ${words}` : "No instances");
  }
}
