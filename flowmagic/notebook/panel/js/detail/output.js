// The output of a node copy: as text, as a small table, or as a picture; in full when it is asked for.

import { element, smallButton } from "../ui/elements.js";
import { CopyButton } from "./copy_button.js";

/** @import { OutputDetail } from "../store/protocol.js" */

/** The outputs of the opened instance. */
export class OutputParts {
  constructor(view) {
    this.view = view;
    /** @type {Map<string, CopyButton>} they keep what they say when everything is rebuilt */
    this.copyButtons = new Map();
  }

  /** Prepare for another instance. */
  reset() {
    for (const button of this.copyButtons.values()) button.remove();
    this.copyButtons.clear();
  }

  /**
   * @param {OutputDetail} short
   * @param {number} index
   * @param {number} attempt the number of an earlier attempt; 0 for the last one
   * @param {number} copy the position of the node copy; -1 for the output of the row
   */
  part(short, index, attempt, copy) {
    const { outputs } = this.view.store;
    const key = `output-${attempt}-${copy}`;
    const output = outputs.full(index, attempt, copy) ?? short;
    const made = element("div", "fm-output", { role: "group", "aria-label": "Output" });
    if (output.picture) made.append(this.picture(output, index, attempt, copy));
    else if (output.rows.length) made.append(table(output));
    if (output.text && !output.rows.length && !output.picture) made.append(element("pre", "fm-output-text", { tabindex: "0", "data-key": `${key}-read` }, output.text));
    if (!output.picture) made.append(...this.buttons(output, () => outputs.request(index, attempt, copy), key));
    return made;
  }

  picture({ text }, index, attempt, copy) {
    const { outputs } = this.view.store;
    const picture = outputs.large(index, attempt, copy);
    // Of earlier attempts, which are folded, only what the user asks for is rendered.
    if (!picture && attempt > 0) return smallButton(`Show ${text}`, "Show this picture", () => outputs.request(index, attempt, copy));
    if (!picture) outputs.request(index, attempt, copy);
    if (!picture?.url) return element("span", "fm-quiet", {}, picture ? `${text}, which cannot be shown` : `${text} …`);
    return element("img", "fm-picture", { src: picture.url, alt: text, title: text });
  }

  buttons(output, request, key) {
    if (output.more) {
      const more = smallButton("Show all", "Show this output in full", () => {
        request();
        more.textContent = "Loading…";
      });
      more.dataset.key = `${key}-more`;
      return [more];
    }
    let copy = this.copyButtons.get(key);
    if (!copy) this.copyButtons.set(key, copy = new CopyButton("Copy", "this output", `${key}-copy`));
    copy.setText(textOf(output));
    return [...copy.roots, copy.shown];
  }
}

/** A table as text that a spreadsheet takes. @param {OutputDetail} output */
function textOf({ text, head, rows }) {
  if (!rows.length) return text;
  return [...(head.length ? [head] : []), ...rows].map((cells) => cells.join("\t")).join("\n");
}

/** @param {OutputDetail} output */
function table({ text, head, rows }) {
  const line = (tag, cells) => element("tr", "", {}, ...cells.map((cell, at) => element(head.length || at ? tag : "th", "", {}, cell)));
  const made = element("table", "fm-output-table", {}, element("tbody", "", {}, ...rows.map((cells) => line("td", cells))));
  if (head.length) made.prepend(element("thead", "", {}, line("th", head)));
  if (text) made.prepend(element("caption", "fm-quiet", {}, text));
  return element("div", "fm-output-scroller", { tabindex: "0" }, made);
}
