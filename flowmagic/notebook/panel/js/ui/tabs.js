// The tabs: table, timeline, graph and params, of which one is shown.

import { element, write } from "./elements.js";

/** @typedef {{root: HTMLElement, label?: string, draw(): void, remove?(): void}} Page `label` replaces the tab's own */

export class Tabs {
  /** @param {{key: string, label: string, page: Page}[]} pages the first one is shown initially */
  constructor(view, pages) {
    this.view = view;
    this.tabs = pages.map(({ key, label, page }, i) => {
      const tab = element("button", "fm-tab", { type: "button", role: "tab", id: `${view.id}-tab-${key}`, "aria-controls": `${view.id}-page-${key}` });
      tab.addEventListener("click", () => this.choose(i));
      page.root.id = `${view.id}-page-${key}`;
      page.root.setAttribute("role", "tabpanel");
      page.root.setAttribute("aria-labelledby", tab.id);
      return { key, label, tab, page };
    });
    this.root = element("div", "fm-tabs", { role: "tablist", "aria-label": "Views of the instances" },
      ...this.tabs.map(({ tab }) => tab));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("focusout", () => view.scheduleDraw());
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
    const shown = this.tabs.filter(({ tab }) => !tab.hidden);
    const at = shown.findIndex(({ tab }) => tab === event.target);
    const to = { ArrowRight: (at + 1) % shown.length, ArrowLeft: (at || shown.length) - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    shown[to].tab.focus();
    this.choose(this.tabs.indexOf(shown[to]));
    this.draw();
  }

  remove() {
    for (const { page } of this.tabs) page.remove?.();
  }

  draw() {
    const { chosen, page: shownPage } = this;
    const { small, store } = this.view;
    this.tabs.forEach(({ key, label, tab, page }, i) => {
      const empty = key === "graph" ? store.graph.nodes.length === 0 : key !== "params" && store.rows.count === 0;
      // Beside few instances, whose rows are there anyway, the tabs are links to what else there is.
      const implied = small && key === "table" && document.activeElement !== tab;
      tab.hidden = i === chosen ? implied : empty;
      write(tab, page.label || label);
      tab.setAttribute("aria-selected", String(i === chosen));
      page.root.hidden = i !== chosen;
    });
    const reached = this.tabs[chosen].tab.hidden ? this.tabs.find(({ tab }) => !tab.hidden) : this.tabs[chosen];
    for (const each of this.tabs) each.tab.tabIndex = each === reached ? 0 : -1;
    shownPage.draw();
  }
}
