// What the panel says in sentences: on the screen at once, to a screen reader now and then.

import { element, write } from "../ui/elements.js";
import { CANCELLED, FAILED, SUCCEEDED } from "../store/protocol.js";
import { plural } from "../ui/format.js";

const PATIENCE = 1000; // milliseconds without an answer, after which the kernel is called busy
const QUIET = 5000; // milliseconds between two sentences to a screen reader

const BUSY = "Waiting for the kernel: a cell keeps it busy. This acts when the cell lets go.";

export class Notices {
  constructor(view) {
    this.view = view;
    this.reason = element("div", "fm-notice", { role: "status" });
    this.notice = element("div", "fm-notice", { role: "status" });
    this.findings = element("ul", "fm-findings");
    this.found = element("span");
    this.list = element("details", "fm-notice fm-found", {}, element("summary", "", {}, this.found), this.findings);
    this.told = "";
    this.live = element("div", "fm-hidden", { "aria-live": "polite" });
    this.roots = [this.reason, this.notice, this.list];
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
    const ending = header.status === "stopping" ? "It is stopping" : "It stopped";
    write(this.reason, header.reason ? `${ending} by itself: ${header.reason}.` : "");
    const waiting = store.heard < store.sent && performance.now() - store.sentAt > PATIENCE;
    write(this.notice, gone
      ? "The kernel of this panel is gone: this is the last it sent. Run the cell again for a new panel."
      : waiting ? BUSY : header.notice);
    this.notice.classList.toggle("fm-waiting", waiting && !gone);
    this.drawFindings(header.findings);
    this.speak();
  }

  /** What is likely to go wrong, before it is run. @param {string[]} findings */
  drawFindings(findings) {
    this.list.hidden = findings.length === 0;
    const told = findings.join("\n");
    if (told === this.told) return;
    this.told = told;
    write(this.found, `${plural(findings.length, "thing")} to look at before it runs`);
    this.findings.replaceChildren(...findings.map((text) => element("li", "", {}, text)));
  }

  /** Tell a screen reader how far it is, once in a while. */
  speak() {
    const { store } = this.view;
    const { counts, total, status } = store.header;
    if (status === "idle") return;
    const done = counts[SUCCEEDED] + counts[FAILED] + counts[CANCELLED];
    const failed = counts[FAILED] ? `, ${counts[FAILED]} failed` : "";
    const waits = store.cooling > 0 ? ", waiting as the provider asked" : "";
    const text = `${status}: ${done}${total === null ? "" : ` of ${total}`} done${failed}${waits}`;
    if (text === this.spoken || this.timer) return;
    const wait = this.spokenAt + QUIET - performance.now();
    if (wait > 0) {
      this.timer = setTimeout(() => { this.timer = 0; this.view.later(); }, wait);
      return;
    }
    this.spokenAt = performance.now();
    this.spoken = text;
    write(this.live, text);
  }
}
