// What was edited, to be undone and done again.

const MOST = 200;

export class Steps {
  constructor() {
    /** @type {string[]} */
    this.texts = [];
    this.at = -1;
  }

  /** @param {string} text */
  begin(text) {
    this.texts = [text];
    this.at = 0;
  }

  /** @param {string} text */
  knows(text) {
    return this.texts[this.at] === text;
  }

  /** @param {string} text */
  add(text) {
    if (this.knows(text)) return;
    this.texts = [...this.texts.slice(0, this.at + 1), text].slice(-MOST);
    this.at = this.texts.length - 1;
  }

  get undoable() {
    return this.at > 0;
  }

  get redoable() {
    return this.at < this.texts.length - 1;
  }

  /** @returns {string | null} the text before; null: there is none */
  undo() {
    if (!this.undoable) return null;
    this.at -= 1;
    return this.texts[this.at];
  }

  /** @returns {string | null} */
  redo() {
    if (!this.redoable) return null;
    this.at += 1;
    return this.texts[this.at];
  }
}
