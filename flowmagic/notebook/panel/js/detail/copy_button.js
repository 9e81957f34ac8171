// The button that puts an instance on the clipboard, as code.

import { element, keepKeys, write } from "../ui/elements.js";

const SAID_FOR = 2000; // milliseconds

/** Where the page may not write to the clipboard, the text is shown, to be copied by hand. */
export class Copier {
  constructor() {
    this.text = "";
    this.timer = 0;
    this.button = element("button", "fm-button fm-small", {
      type: "button", title: "Copy a cell that runs this instance once more, alone", "data-key": "copy",
    });
    this.live = element("span", "fm-hidden", { "aria-live": "polite" });
    this.shown = element("textarea", "fm-text fm-code", {
      readonly: "", spellcheck: "false", rows: "3", "aria-label": "The cell, to be copied by hand", "data-key": "code",
    });
    this.button.addEventListener("click", () => this.copy());
    this.roots = [this.button, this.live];
    this.reset();
    keepKeys(this.button);
    keepKeys(this.shown);
  }

  remove() {
    clearTimeout(this.timer);
  }

  /** For another instance: nothing of it has been copied. */
  reset() {
    clearTimeout(this.timer);
    this.shown.hidden = true;
    this.say("Copy as code", "");
  }

  /** @param {string} text the empty one: there is nothing to copy */
  take(text) {
    if (text !== this.text && !this.shown.hidden) this.shown.value = text;
    this.text = text;
    this.button.hidden = text === "";
  }

  say(label, aloud) {
    write(this.button, label);
    write(this.live, aloud);
  }

  async copy() {
    const done = await this.write(this.text);
    clearTimeout(this.timer);
    this.shown.hidden = done;
    if (done) {
      this.say("Copied", "Copied: a cell that runs this instance");
    } else {
      this.say("Not copied", "Not copied. The cell is shown, to be copied by hand");
      this.select(this.text);
    }
    this.timer = setTimeout(() => this.say("Copy as code", ""), SAID_FOR);
  }

  select(text) {
    this.shown.value = text;
    this.shown.focus({ preventScroll: true });
    this.shown.select();
  }

  async write(text) {
    try {
      // There is none in a page that came over plain HTTP.
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return this.writeSelected(text);
    }
  }

  writeSelected(text) {
    // Shown for no time; within the panel, so that no key goes to the notebook meanwhile.
    this.shown.hidden = false;
    this.select(text);
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    } finally {
      this.shown.hidden = true;
      this.button.focus({ preventScroll: true });
    }
  }
}
