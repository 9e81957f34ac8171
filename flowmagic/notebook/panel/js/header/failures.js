// What failed, grouped by error: each group can be shown in the table and retried.

/** @import { FailureGroup } from "../store/protocol.js" */

import { FAILED } from "../store/protocol.js";
import { element, keepKeys, link, write, writeAttribute } from "../ui/elements.js";
import { number, plural } from "../ui/format.js";

export class Failures {
  constructor(view) {
    this.view = view;
    /** @type {any[]} */
    this.lines = [];
    this.more = element("div", "fm-quiet");
    this.root = element("div", "fm-failures", { role: "group", "aria-label": "What failed" }, this.more);
  }

  line() {
    const line = {
      id: -1, root: element("div", "fm-failure"), count: element("strong", "fm-bad fm-num"), text: element("span", "fm-failure-text"),
      where: element("span", "fm-quiet"),
      show: link("show", () => this.show(line.id)),
      retry: link("retry", () => this.view.store.send({ type: "retry", group: line.id })),
    };
    line.root.append(line.count, line.text, line.where, element("span", "fm-links", {}, line.show, line.retry));
    keepKeys(line.root);
    this.more.before(line.root);
    return line;
  }

  /** Show only the rows of a group, or all again. */
  show(group) {
    const { view } = this;
    view.filter({ group: view.table.filters.group === group ? null : group, status: [], node: null, text: "" });
  }

  draw() {
    const { header } = this.view.store;
    const { failures, counts } = header;
    const { filters } = this.view.table;
    if (filters.group !== null && !failures.some(({ id }) => id === filters.group)) filters.set({ group: null });
    this.root.hidden = failures.length === 0;
    while (this.lines.length < failures.length) this.lines.push(this.line());
    this.lines.forEach((line, i) => {
      line.root.hidden = i >= failures.length;
      if (i < failures.length) this.drawLine(line, failures[i]);
    });
    const others = counts[FAILED] - failures.reduce((sum, { count }) => sum + count, 0);
    this.more.hidden = others <= 0;
    write(this.more, `and ${plural(others, "other failure")}`);
  }

  drawLine(line, { id, count, text, node, row }) {
    const { store, table, gone } = this.view;
    line.id = id;
    const shown = table.filters.group === id;
    write(line.count, `${number.format(count)} ×`);
    write(line.text, text);
    line.text.title = text;
    write(line.where, [count === 1 ? `row ${number.format(row)}` : "", node && `in ${node}`].filter(Boolean).join(" · "));
    write(line.show, shown ? "show all" : "show");
    writeAttribute(line.show, "aria-label", shown ? "Show all rows" : `Show the rows that failed with ${text}`);
    write(line.retry, count === 1 ? "retry" : "retry these");
    writeAttribute(line.retry, "aria-label", `Retry ${count === 1 ? "" : "these: "}${text}`);
    line.retry.hidden = gone || !store.header.can.includes("retry");
  }
}
