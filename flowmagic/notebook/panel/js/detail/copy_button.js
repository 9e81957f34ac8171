// A button that copies a text to the clipboard.

import { element, keepKeys, write } from "../ui/elements.js";

const FEEDBACK_MS = 2000; // how long the button shows the outcome

/** If the page may not write to the clipboard, the text is shown so that the user can copy it. */
export class CopyButton {
  /**
   * @param {string} label of the button
   * @param {string} what it copies, in words
   * @param {string} key of the button, by which it gets the focus back
   */
  constructor(label, what, key) {
    this.label = label;
    this.what = what;
    this.text = "";
    this.timer = 0;
    this.button = element("button", "fm-button fm-small", { type: "button", title: `Copy ${what}`, "data-key": key });
    this.live = element("span", "fm-hidden", { "aria-live": "polite" });
    this.shown = element("textarea", "fm-text fm-code", {
      readonly: "", spellcheck: "false", rows: "3", "aria-label": `Copy by hand: ${what}`, "data-key": `${key}-text`,
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

  /** Prepare for another instance. */
  reset() {
    clearTimeout(this.timer);
    this.shown.hidden = true;
    this.say(this.label, "");
  }

  /** @param {string} text what to copy; empty if there is nothing */
  setText(text) {
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
      this.say("Copied", `Copied ${this.what}`);
    } else {
      this.say("Not copied", "Not copied. Copy the text below by hand");
      this.select(this.text);
    }
    this.timer = setTimeout(() => this.say(this.label, ""), FEEDBACK_MS);
  }

  select(text) {
    this.shown.value = text;
    this.shown.focus({ preventScroll: true });
    this.shown.select();
  }

  async write(text) {
    try {
      // Undefined in a page that was loaded over plain HTTP.
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return this.writeSelected(text);
    }
  }

  writeSelected(text) {
    // The text area is visible only for a moment. It is inside the panel, so that no key reaches the notebook.
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
