// How many instances have each status; a click filters the table.

/** @import { Header } from "../store/protocol.js" */

import { CANCELLED, FAILED, PENDING, RUNNING, STATUSES, SUCCEEDED } from "../store/protocol.js";
import { element, icon, write, writeAttribute } from "../ui/elements.js";
import { number } from "../ui/format.js";

export const ORDER = [SUCCEEDED, FAILED, CANCELLED, RUNNING, PENDING];

/** @param {Header} header @returns {string} a status and how many instances have it */
export function countText({ counts, restored }, code) {
  const kept = code === SUCCEEDED && restored ? ` (${number.format(restored)} restored)` : "";
  return `${number.format(counts[code])} ${STATUSES[code]}${kept}`;
}

export class Legend {
  constructor(view) {
    this.view = view;
    this.items = ORDER.map((code) => {
      const text = element("span");
      const item = element("button", "fm-legend-item", { type: "button", title: `Show only these; click again to show all`, "data-status": STATUSES[code] },
        icon(STATUSES[code]), text);
      item.addEventListener("click", () => {
        const { status } = view.table.filters;
        const others = [...status].filter((each) => each !== code);
        view.filter({ status: status.has(code) ? others : [...others, code] });
      });
      return { code, item, text };
    });
    this.root = element("div", "fm-legend", { role: "group", "aria-label": "Show instances by status" }, ...this.items.map(({ item }) => item));
  }

  draw() {
    const { header } = this.view.store;
    const { status } = this.view.table.filters;
    for (const { code, item, text } of this.items) {
      item.hidden = !header.counts[code] && !status.has(code);
      writeAttribute(item, "aria-pressed", String(status.has(code)));
      write(text, countText(header, code));
    }
  }
}
