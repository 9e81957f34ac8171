// The undo history of the param list.

const MAX_TEXTS = 200; // texts kept

export class UndoHistory {
  constructor() {
    /** @type {string[]} */
    this.texts = [];
    this.at = -1;
  }

  /** @param {string} text */
  reset(text) {
    this.texts = [text];
    this.at = 0;
  }

  /** Whether a text is the current one. @param {string} text */
  isAt(text) {
    return this.texts[this.at] === text;
  }

  /** @param {string} text */
  add(text) {
    if (this.isAt(text)) return;
    this.texts = [...this.texts.slice(0, this.at + 1), text].slice(-MAX_TEXTS);
    this.at = this.texts.length - 1;
  }

  get undoable() {
    return this.at > 0;
  }

  get redoable() {
    return this.at < this.texts.length - 1;
  }

  /** @returns {string | null} the previous text */
  undo() {
    if (!this.undoable) return null;
    this.at -= 1;
    return this.texts[this.at];
  }

  /** @returns {string | null} the next text */
  redo() {
    if (!this.redoable) return null;
    this.at += 1;
    return this.texts[this.at];
  }
}
