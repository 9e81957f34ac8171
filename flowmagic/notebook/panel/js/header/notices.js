// Messages in full sentences: shown at once, and announced to screen readers now and then.

import { FAILED, SUCCEEDED } from "../store/protocol.js";
import { element, link, write } from "../ui/elements.js";
import { plural, waitText } from "../ui/format.js";

const BUSY_AFTER_MS = 1000; // without an answer, after which the kernel counts as busy
const QUIET_MS = 5000; // between two announcements to a screen reader

const BUSY = "The kernel is busy with a cell. This takes effect when the cell yields or ends.";

export class Notices {
  constructor(view) {
    this.view = view;
    this.held = element("span");
    this.heldBy = "";
    this.change = link("change", () => view.showLimit(this.heldBy));
    this.heldBack = element("div", "fm-held-back", {}, this.held, this.change);
    this.earlier = element("span");
    this.cancelEarlier = link("Cancel the earlier run", () => view.store.send({ type: "cancel_earlier" }));
    this.earlierRun = element("div", "fm-held-back fm-earlier-run", {}, this.earlier, this.cancelEarlier);
    this.reason = element("div", "fm-notice", { role: "status" });
    this.notice = element("div", "fm-notice", { role: "status" });
    this.findings = element("ul", "fm-findings");
    this.summary = element("span");
    this.list = element("details", "fm-notice fm-found", {}, element("summary", "", {}, this.summary), this.findings);
    this.shownFindings = "";
    this.live = element("div", "fm-hidden", { "aria-live": "polite" });
    this.roots = [this.reason, this.notice, this.list, this.earlierRun, this.heldBack];
    this.spokenAt = -Infinity;
    this.spoken = "";
    this.timer = 0;
  }

  remove() {
    clearTimeout(this.timer);
  }

  draw() {
    const { store, gone } = this.view;
    const { header } = store;
    const ending = header.status === "stopping" ? "The run is stopping" : "The run stopped";
    write(this.reason, header.reason ? `${ending} on its own: ${header.reason}.` : "");
    const waiting = store.acknowledged < store.sent && performance.now() - store.sentAt > BUSY_AFTER_MS;
    write(this.notice, gone
      ? "The kernel of this panel is gone. This is the last state that it sent. Run the cell again for a new panel."
      : waiting ? BUSY : header.notice);
    this.notice.classList.toggle("fm-waiting", waiting && !gone);
    this.drawFindings(header.findings);
    write(this.earlier, header.earlier);
    this.earlierRun.hidden = gone || header.earlier === "";
    this.drawHeldBack();
    this.speak();
  }

  /** Say what keeps the run from being faster. */
  drawHeldBack() {
    const { store, gone } = this.view;
    const { text, limit } = store.header.held_back;
    const wait = store.cooling > 0 ? `${waitText(store.cooling)}.`.replace("w", "W") : "";
    this.heldBack.hidden = gone || !store.header.ticking || !(wait || text);
    write(this.held, wait || text);
    this.heldBy = limit;
    this.change.hidden = wait !== "" || limit === "";
  }

  /** List what is likely to go wrong, before a run starts. @param {string[]} findings */
  drawFindings(findings) {
    this.list.hidden = findings.length === 0;
    const text = findings.join("\n");
    if (text === this.shownFindings) return;
    this.shownFindings = text;
    write(this.summary, `${plural(findings.length, "thing")} to check before the run`);
    this.findings.replaceChildren(...findings.map((finding) => element("li", "", {}, finding)));
  }

  /** Announce the progress to a screen reader, once in a while. */
  speak() {
    const { store } = this.view;
    const { counts, total, status } = store.header;
    if (status === "idle") return;
    const done = counts[SUCCEEDED] + counts[FAILED];
    const failed = counts[FAILED] ? `, ${counts[FAILED]} failed` : "";
    const waits = store.cooling > 0 ? ", waiting as the provider asked" : "";
    const text = `${status}: ${done}${total === null ? "" : ` of ${total}`} done${failed}${waits}`;
    if (text === this.spoken || this.timer) return;
    const wait = this.spokenAt + QUIET_MS - performance.now();
    if (wait > 0) {
      this.timer = setTimeout(() => { this.timer = 0; this.speak(); }, wait);
      return;
    }
    this.spokenAt = performance.now();
    this.spoken = text;
    write(this.live, text);
  }
}
