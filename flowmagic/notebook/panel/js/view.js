// One view of a panel: its parts from top to bottom, and when they are drawn.

import { Charts } from "./charts/charts.js";
import { InstanceDetail } from "./detail/detail.js";
import { ParamEditor } from "./editor/editor.js";
import { Graph } from "./graph/graph.js";
import { RunButtons } from "./header/buttons.js";
import { Failures } from "./header/failures.js";
import { PanelHeader } from "./header/header.js";
import { Legend } from "./header/legend.js";
import { LimitControl } from "./header/limit.js";
import { NamedLimits } from "./header/named_limits.js";
import { Notices } from "./header/notices.js";
import { Overview } from "./overview/overview.js";
import { Table } from "./table/table.js";
import { Timeline } from "./timeline/timeline.js";
import { disclosure, element, keepKeys } from "./ui/elements.js";
import { Placement } from "./ui/placement.js";
import { SummaryBelow } from "./ui/summary_below.js";
import { Tabs } from "./ui/tabs.js";

const FEW = 12; // instances, up to which the rows of the table are all that is shown

let viewCount = 0;

export class View {
  constructor(store, el) {
    this.store = store;
    this.el = el;
    this.id = `fm-${(viewCount += 1)}`;
    this.frame = 0;
    this.root = element("div", "fm-panel", { role: "region", "aria-label": "Batch run" });
    this.placement = new Placement(this.root, () => this.scheduleDraw());
    this.summaryBelow = new SummaryBelow(this.root);
    /** The element that had the focus when the instance was opened. */
    this.opener = null;
    /** Whether there are so few instances that the rows say everything; null before the first draw. */
    this.small = null;
    /** Whether the user shows (true) or hides (false) the charts; null: they are shown during the run. */
    this.chartsShown = null;
    this.limitsShown = false;
    this.panelHeader = new PanelHeader(this);
    this.buttons = new RunButtons(this);
    this.legend = new Legend(this);
    this.charts = new Charts(this);
    this.limit = new LimitControl(this);
    this.namedLimits = new NamedLimits(this);
    this.failures = new Failures(this);
    this.notices = new Notices(this);
    this.editor = new ParamEditor(this);
    this.overview = new Overview(this);
    this.table = new Table(this);
    this.timeline = new Timeline(this);
    this.graph = new Graph(this);
    this.tabs = new Tabs(this, [
      { key: "table", label: "Table", page: this.table },
      { key: "timeline", label: "Timeline", page: this.timeline },
      { key: "graph", label: "Graph", page: this.graph },
      { key: "params", label: "Params", page: this.editor },
    ]);
    this.instanceDetail = new InstanceDetail(this);
    this.chartsBox = element("div", "", { id: `${this.id}-charts` }, this.charts.root);
    this.chartsButton = disclosure("Charts", this.chartsBox, (shown) => { this.chartsShown = shown; this.scheduleDraw(); });
    this.legendLine = element("div", "fm-line", {}, this.legend.root, this.chartsButton);
    this.limitsBox = element("div", "", { id: `${this.id}-limits` }, this.namedLimits.root);
    this.limitsButton = disclosure("Named limits", this.limitsBox, (shown) => { this.limitsShown = shown; this.scheduleDraw(); });
    this.limitLine = element("div", "fm-line", {}, this.limit.root, this.limitsButton);
    this.tabsLine = element("div", "fm-line fm-tabs-line");
    this.pages = element("div", "fm-instances", {},
      this.table.root, this.timeline.root, this.graph.root, this.editor.root, this.instanceDetail.root);
    /** Everything that folding hides. */
    this.inside = element("div", "fm-inside", { id: `${this.id}-inside` });
    this.panelHeader.line.append(this.buttons.root);
    /** @type {{draw(): void, remove?(): void}[]} */
    this.parts = [this.legend, this.failures, this.limit, this.namedLimits, this.tabs, this.instanceDetail];
    this.root.append(element("div", "fm-body", {}, this.panelHeader.line, this.panelHeader.bar, this.inside, this.notices.live));
    this.arrange();
    keepKeys(this.root);
    this.listen();
    el.replaceChildren(this.root);
    this.draw();
  }

  listen() {
    // JupyterLab handles keys in the bubble phase: it would swallow arrows and treat letters as
    // commands. Notebook handles them in the capture phase, which `keepKeys` prevents.
    for (const type of ["keydown", "keyup", "keypress"]) {
      this.root.addEventListener(type, (event) => event.stopPropagation());
    }
    this.onChange = (rows) => {
      this.overview.mark(rows);
      this.table.rowOrder.markRowsChanged();
      this.timeline.mark(rows);
      this.scheduleDraw();
      if (!this.store.header.ticking) this.notices.speak(); // also off screen, where nothing is drawn
    };
    this.store.views.add(this.onChange);
    this.ticker = setInterval(() => {
      if (this.store.animated) this.scheduleDraw();
    }, 250);
    this.onPrint = (event) => this.print(event.type === "beforeprint");
    for (const type of ["beforeprint", "afterprint"]) window.addEventListener(type, this.onPrint);
    // ipywidgets adds a class to the view's element when its kernel is gone.
    this.classObserver = new MutationObserver(() => this.scheduleDraw());
    this.classObserver.observe(this.el, { attributes: true, attributeFilter: ["class"] });
  }

  /** Put the parts in the order for few or for many instances, if that has changed. */
  arrange() {
    const { total } = this.store.header;
    const small = total !== null && total <= FEW;
    if (small === this.small) return;
    this.small = small;
    const limits = [this.limitLine, this.limit.error, this.limitsBox];
    (small ? this.limitLine : this.tabsLine).append(this.tabs.root);
    this.tabsLine.append(this.table.filters.root);
    this.inside.replaceChildren(...(small
      ? [this.failures.root, ...this.notices.roots, this.tabsLine, this.pages, ...limits]
      : [this.legendLine, this.chartsBox, this.failures.root, ...this.notices.roots, ...limits, this.overview.root, this.tabsLine, this.pages]));
    this.root.classList.toggle("fm-few", small);
  }

  remove() {
    this.store.views.delete(this.onChange);
    clearInterval(this.ticker);
    cancelAnimationFrame(this.frame);
    this.placement.remove();
    this.classObserver.disconnect();
    for (const type of ["beforeprint", "afterprint"]) window.removeEventListener(type, this.onPrint);
    for (const part of [...this.parts, this.charts, this.overview, this.notices, this.summaryBelow]) part.remove?.();
  }

  get gone() {
    return this.store.gone || this.el.classList.contains("jupyter-widgets-disconnected");
  }

  /** Open an instance, or close it if it is open. `opener` gets the focus back when it is closed. */
  toggle(index, opener) {
    const { store } = this;
    this.opener = opener;
    this.overview.show(index);
    this.table.show(index);
    this.timeline.show(index);
    store.open(store.openIndex === index ? null : index);
  }

  close() {
    if (this.store.openIndex === null) return;
    this.store.open(null);
    (this.opener ?? this.table.grid).focus();
  }

  /**
   * Open or close an instance if a key says so.
   * @param {KeyboardEvent} event
   * @param {number | null} index the instance that has the cursor
   * @param {HTMLElement} opener
   * @returns {boolean} whether the key was handled
   */
  openByKey({ key }, index, opener) {
    if (key === "Escape") this.close();
    else if (key !== "Enter" && key !== " ") return false;
    else if (index !== null) this.toggle(index, opener);
    return true;
  }

  /** Switch to the colours for paper or back. Draws at once: no frame comes before printing. */
  print(on) {
    this.root.classList.toggle("fm-printing", on);
    this.placement.print(on);
    this.overview.repaint();
    this.timeline.canvas.repaint();
    this.charts.repaint();
    this.draw();
  }

  /** @param {{status?: number[], node?: string | null, group?: number | null, text?: string}} criteria which rows the table shows; omitted criteria stay */
  filter(criteria) {
    this.table.filters.set(criteria);
    this.store.tab = "table";
    this.scheduleDraw();
  }

  /** Show the named limits, and put the cursor into one. @param {string} name */
  showLimit(name) {
    this.limitsShown = true;
    this.draw();
    this.namedLimits.focus(name);
  }

  /** Schedule one draw in the next frame, however often this is called; off screen, when the panel is back. */
  scheduleDraw() {
    if (!this.frame && this.placement.visible) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
    }
  }

  draw() {
    const { store } = this;
    this.editor.invite();
    this.arrange();
    this.panelHeader.draw();
    this.buttons.draw();
    this.notices.draw();
    this.summaryBelow.draw();
    this.inside.hidden = store.folded;
    if (!store.folded) this.drawInside();
    this.root.classList.toggle("fm-opened", store.openIndex !== null);
    this.root.classList.toggle("fm-gone", this.gone);
  }

  drawInside() {
    const { header, rows } = this.store;
    const idle = header.status === "idle";
    this.legendLine.hidden = idle;
    this.chartsButton.hidden = this.charts.isEmpty;
    this.chartsBox.hidden = this.chartsButton.hidden || !(this.chartsShown ?? header.ticking);
    this.chartsButton.draw();
    this.limitsBox.hidden = !this.limitsShown;
    this.limitsButton.hidden = header.limits.length === 0;
    this.limitsButton.draw();
    if (!this.small) this.overview.draw();
    if (!this.small && !this.chartsBox.hidden) this.charts.draw();
    for (const part of this.parts) part.draw();
    const { filters } = this.table;
    filters.root.hidden = rows.count === 0 || this.store.tab !== "table" || (this.small && !filters.active);
    this.tabsLine.hidden = this.small && filters.root.hidden;
  }
}
