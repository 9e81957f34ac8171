// One view of a panel: its parts, from top to bottom, and when they draw.

import { Charts } from "./charts/charts.js";
import { Controls } from "./header/controls.js";
import { ParamEditor } from "./editor/editor.js";
import { element, keepKeys } from "./ui/elements.js";
import { Graph } from "./graph/graph.js";
import { Head } from "./header/header.js";
import { LimitStrip } from "./header/named_limits.js";
import { Notices } from "./header/notices.js";
import { Opened } from "./detail/detail.js";
import { Overview } from "./overview/overview.js";
import { Table } from "./table/table.js";
import { Tabs } from "./ui/tabs.js";
import { Timeline } from "./timeline/timeline.js";

let made = 0;

export class View {
  constructor(store, el) {
    this.store = store;
    this.el = el;
    this.id = `fm-${(made += 1)}`;
    this.frame = 0;
    /** What had the keyboard when the opened instance was opened. */
    this.opener = null;
    this.head = new Head(this);
    this.charts = new Charts(this);
    this.controls = new Controls(this);
    this.limits = new LimitStrip(this);
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
    ]);
    this.opened = new Opened(this);
    /** @type {{draw(): void, remove?(): void}[]} */
    this.parts = [this.head, this.charts, this.controls, this.limits, this.notices, this.editor,
      this.overview, this.tabs, this.opened];
    this.root = element("div", "fm-panel", { role: "region", "aria-label": "Batch run" },
      element("div", "fm-body", {},
        ...this.head.roots, this.charts.root, ...this.controls.roots, this.limits.root, ...this.notices.roots,
        this.editor.root, this.overview.root, this.tabs.root,
        element("div", "fm-instances", {}, this.table.root, this.timeline.root, this.graph.root, this.opened.root),
        this.notices.live));
    keepKeys(this.root);
    this.listen();
    el.replaceChildren(this.root);
    this.draw();
  }

  listen() {
    // JupyterLab hears keys in the bubble phase: it would stop arrows, and take letters for commands.
    // Notebook hears them in the capture phase: there `keepKeys` helps.
    for (const type of ["keydown", "keyup", "keypress"]) {
      this.root.addEventListener(type, (event) => event.stopPropagation());
    }
    this.changed = (rows) => {
      this.overview.mark(rows);
      this.table.arranged.mark();
      this.timeline.mark(rows);
      this.later();
    };
    this.store.views.add(this.changed);
    this.ticker = setInterval(() => {
      if (this.store.moves) this.later();
    }, 250);
    this.printed = (event) => this.print(event.type === "beforeprint");
    for (const type of ["beforeprint", "afterprint"]) window.addEventListener(type, this.printed);
    // ipywidgets marks the view's element when the kernel behind it has gone.
    this.marked = new MutationObserver(() => this.later());
    this.marked.observe(this.el, { attributes: true, attributeFilter: ["class"] });
  }

  remove() {
    this.store.views.delete(this.changed);
    clearInterval(this.ticker);
    cancelAnimationFrame(this.frame);
    this.marked.disconnect();
    for (const type of ["beforeprint", "afterprint"]) window.removeEventListener(type, this.printed);
    for (const part of this.parts) part.remove?.();
  }

  get gone() {
    return this.store.gone || this.el.classList.contains("jupyter-widgets-disconnected");
  }

  /** Open an instance, or close it if it is the opened one; `by`: what the keyboard goes back to. */
  toggle(index, by) {
    const { store } = this;
    this.opener = by;
    this.overview.show(index);
    this.table.show(index);
    this.timeline.show(index);
    store.open(store.opened === index ? null : index);
  }

  close() {
    if (this.store.opened === null) return;
    this.store.open(null);
    (this.opener ?? this.overview.map).focus();
  }

  /** Have the colours of paper, or those of the screen again; drawn at once, as no frame will come. */
  print(on) {
    this.root.classList.toggle("fm-printing", on);
    this.overview.repaint();
    this.timeline.stage.repaint();
    this.charts.repaint();
    this.draw();
  }

  /** @param {{status?: number[], node?: string | null, text?: string}} wish which rows to show, in the table */
  filter(wish) {
    this.table.filters.set(wish);
    this.store.tab = "table";
    this.later();
  }

  /** Draw in the next frame, once, however many reasons there are. */
  later() {
    if (!this.frame) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
    }
  }

  draw() {
    for (const part of this.parts) part.draw();
    this.root.classList.toggle("fm-opened", this.store.opened !== null);
    this.root.classList.toggle("fm-gone", this.gone);
  }
}
