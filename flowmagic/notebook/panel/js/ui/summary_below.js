// The summary below a panel. A saved notebook shows it unfolded; a live panel says the same, and folds it.

const FOLDED = "fm-folded"; // a summary that has been folded, and that the user may have unfolded

export class SummaryBelow {
  /** @param {HTMLElement} root of the panel */
  constructor(root) {
    this.root = root;
    /** @type {Element | null} the output that has the summary, now or later */
    this.output = null;
    // A callback of an observer runs before the next paint, so that one never sees the summary unfolded.
    this.observer = new MutationObserver(() => this.draw());
  }

  remove() {
    this.observer.disconnect();
  }

  /** Fold the summary. When the run has ended, the kernel renews it, or the page its whole output. */
  draw() {
    const own = this.root.closest(".jp-OutputArea-child");
    const output = own?.nextElementSibling ?? null;
    if (output !== this.output) {
      this.output = output;
      this.observer.disconnect();
      if (own?.parentElement) this.observer.observe(own.parentElement, { childList: true });
      if (output) this.observer.observe(output, { childList: true, subtree: true });
    }
    const summary = /** @type {HTMLDetailsElement | null | undefined} */ (output?.querySelector(`details.fm-summary:not(.${FOLDED})`));
    if (!summary) return;
    summary.open = false;
    summary.classList.add(FOLDED);
  }
}
