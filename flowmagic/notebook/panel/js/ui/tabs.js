// The tabs: table, timeline and graph, of which one is shown.

import { element, write } from "./elements.js";

/** @typedef {{root: HTMLElement, draw(): void, remove?(): void, show?(index: number): void}} Page */

export class Tabs {
  /** @param {{key: string, label: string, page: Page}[]} pages the first one is shown initially */
  constructor(view, pages) {
    this.view = view;
    this.tabs = pages.map(({ key, label, page }, i) => {
      const tab = element("button", "fm-tab", { type: "button", role: "tab", id: `${view.id}-tab-${key}`, "aria-controls": `${view.id}-page-${key}` });
      write(tab, label);
      tab.addEventListener("click", () => this.choose(i));
      page.root.id = `${view.id}-page-${key}`;
      page.root.setAttribute("role", "tabpanel");
      page.root.setAttribute("aria-labelledby", tab.id);
      return { key, tab, page };
    });
    this.root = element("div", "fm-tabs", { role: "tablist", "aria-label": "Views of the instances" },
      ...this.tabs.map(({ tab }) => tab));
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  get chosen() {
    return Math.max(0, this.tabs.findIndex(({ key }) => key === this.view.store.tab));
  }

  /** The page that is shown. */
  get page() {
    return this.tabs[this.chosen].page;
  }

  choose(i) {
    this.view.store.tab = this.tabs[i].key;
    this.view.scheduleDraw();
  }

  key(event) {
    const last = this.tabs.length - 1;
    const at = this.chosen;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.choose(to);
    this.draw();
    this.tabs[to].tab.focus();
  }

  remove() {
    for (const { page } of this.tabs) page.remove?.();
  }

  draw() {
    const { chosen } = this;
    const { rows, graph } = this.view.store;
    this.root.hidden = rows.count === 0 && graph.nodes.length === 0;
    this.tabs.forEach(({ tab, page }, i) => {
      tab.setAttribute("aria-selected", String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      page.root.hidden = i !== chosen;
    });
    this.page.draw();
  }
}
