// The graph of the flow: its nodes and actions, with the number of instances at each.

import { FAILED, RUNNING } from "../store/protocol.js";
import { element, icon, keepKeys, write, writeAttribute } from "../ui/elements.js";
import { number, plural, share, took } from "../ui/format.js";
import { MAX_LABELS, pathOf } from "./edges.js";
import { graphLayout } from "./layout.js";

const NARROW = 560; // CSS pixels; a narrower graph goes from top to bottom
const SIZE = { width: 190, height: 76 }; // of a box with three lines of counts
const SMALL = { width: 136, height: 94 }; // of a box with four lines, in a narrow graph
const COUNT_MS = 200; // least time between two counts of all rows
const THIN = 1.25; // width of a line
const THICKER = 3.5; // what is added for the busiest line
const FEW_UNCOUNTED = 1_000; // rows; with fewer uncounted ones, the counts are good enough
const SPACE = "http://www.w3.org/2000/svg";

export class Graph {
  constructor(view) {
    this.view = view;
    this.width = 0;
    /** What is drawn: the nodes, the structure as text, and the direction. */
    this.of = null;
    this.structure = "";
    this.vertical = false;
    this.next = 0;
    this.timer = 0;
    this.nodes = [];
    this.lines = [];
    this.field = element("div", "fm-graph-field", { role: "group", "aria-label": "Graph of the flow" });
    this.scroller = element("div", "fm-graph-scroller", {}, this.field);
    this.note = element("div", "fm-graph-note");
    this.root = element("div", "fm-graph", {}, this.scroller, this.note);
    this.resized = new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width;
      view.scheduleDraw();
    });
    this.resized.observe(this.root);
  }

  remove() {
    this.resized.disconnect();
    clearTimeout(this.timer);
  }

  draw() {
    const { graph } = this.view.store;
    if (!this.width) return;
    const vertical = this.width < NARROW;
    const now = performance.now();
    if (this.isOther(graph, vertical)) {
      this.build(graph, vertical);
    } else if (now < this.next) {
      // Make sure that the last change is drawn, too.
      this.timer ||= setTimeout(() => { this.timer = 0; this.view.scheduleDraw(); }, this.next - now);
      return;
    }
    this.next = now + COUNT_MS;
    this.count(graph);
  }

  // The structure, which is drawn once

  isOther(graph, vertical) {
    if (graph.nodes === this.of && vertical === this.vertical) return false;
    const structure = JSON.stringify([vertical, graph.nodes, graph.edges]);
    const other = structure !== this.structure;
    [this.of, this.structure, this.vertical] = [graph.nodes, structure, vertical];
    return other;
  }

  build({ nodes, edges }, vertical) {
    const made = graphLayout(nodes, edges, vertical ? SMALL : SIZE, vertical);
    /** The number of nodes with the same name: a row knows only the name of its node. */
    this.alike = new Map();
    for (const { name } of nodes) this.alike.set(name, (this.alike.get(name) ?? 0) + 1);
    const svg = document.createElementNS(SPACE, "svg");
    svg.setAttribute("class", "fm-graph-lines");
    svg.setAttribute("aria-hidden", "true");
    this.lines = made.lines.map((line) => this.line(line, svg, nodes, edges, vertical));
    this.nodes = nodes.map((node, i) => this.box(node, made.boxes[i]));
    this.field.style.cssText = `width:${Math.ceil(made.width)}px;height:${Math.ceil(made.height)}px`;
    // Frames lie below the lines that cross them, boxes above.
    const frames = this.nodes.filter(({ frame }) => frame);
    const boxes = this.nodes.filter(({ frame }) => !frame);
    this.field.replaceChildren(...frames.map(({ root }) => root), svg, ...this.lines.map(({ label }) => label), ...boxes.map(({ root }) => root));
    keepKeys(this.root);
    this.field.classList.toggle("fm-tall", vertical);
    // If the graph is larger than the view, show its start.
    const first = made.boxes[0];
    if (first) this.scroller.scrollLeft = vertical ? first.x + first.width / 2 - this.width / 2 : 0;
    this.scroller.scrollTop = 0;
  }

  box({ name, kind }, { x, y, width, height, frame }) {
    const button = element("button", "fm-graph-name", { type: "button" }, name);
    button.addEventListener("click", () => this.show(name, []));
    const running = this.counter("running", () => this.show(name, [RUNNING]));
    const failed = this.counter("failed", () => this.show(name, [FAILED]));
    const done = element("span", "fm-num", { "data-status": "succeeded" }, icon("succeeded"), element("span"));
    const reused = element("span", "fm-num", { title: "Outputs of earlier runs, taken in place of an exec" });
    const ended = element("span", "fm-num");
    const time = element("span", "fm-num", { title: "Median time of a node copy, and its share of the time in all nodes" });
    const what = element("span", "", {}, kind);
    const counts = element("div", "fm-graph-counts", {}, running.root, done, reused, failed.root, ended, time, what);
    const root = element("div", `fm-graph-node${frame ? " fm-frame" : ""}`, {}, button, counts);
    root.style.cssText = `left:${x}px;top:${y}px;width:${width}px;height:${height}px`;
    return { frame, root, button, running, failed, done, reused, ended, time, what };
  }

  counter(status, show) {
    const word = element("span");
    const root = element("button", "fm-graph-count fm-num", { type: "button", "data-status": status }, icon(status), word);
    root.addEventListener("click", show);
    return { root, word };
  }

  line(line, svg, nodes, edges, vertical) {
    const path = document.createElementNS(SPACE, "path");
    const arrow = document.createElementNS(SPACE, "path");
    path.setAttribute("d", pathOf(line, vertical));
    arrow.setAttribute("class", "fm-arrow");
    const [x, y] = line.points[line.points.length - 1];
    arrow.setAttribute("d", vertical ? `M${x} ${y}l-4.5 -8h9z` : `M${x} ${y}l-8 -4.5v9z`);
    svg.append(path, arrow);
    const alone = edges.filter(([start]) => start === line.start).length === 1;
    const shown = line.edges.slice(0, MAX_LABELS).map((edge) => {
      const [, , action] = edges[edge];
      const times = element("span", "fm-graph-times");
      const name = alone && action === "default" ? "" : action;
      const part = element("span", "", {}, ...(name ? [element("span", "fm-graph-action", {}, name)] : []), times);
      return { edge, part, times, name };
    });
    const more = line.edges.length - shown.length;
    const inner = nodes[line.start].level >= 0 ? " fm-inner" : "";
    const label = element("div", `fm-graph-label${inner}`, { "aria-hidden": "true" }, ...shown.map(({ part }) => part),
      ...(more > 0 ? [element("span", "fm-quiet", {}, `and ${number.format(more)} more`)] : []));
    label.style.cssText = `left:${line.label[0]}px;top:${line.label[1]}px`;
    return { ...line, path, label, shown };
  }

  /** Show the instances at a node in the table. */
  show(name, status) {
    const { view } = this;
    view.filter({ node: name, status, text: "" });
    view.draw();
    // The element that had the focus is hidden now.
    view.tabs.tabs[view.tabs.chosen].tab.focus({ preventScroll: true });
  }

  // The counts

  count(graph) {
    const { header } = this.view.store;
    const { counts, nodes } = graph;
    const started = header.status !== "idle";
    const known = new Map(counts.nodes.map((entry) => [entry[0], entry]));
    const taken = new Map(counts.edges.map(([edge, n]) => [edge, n]));
    const failures = new Map(counts.edges.map(([edge, , n]) => [edge, n]));
    const spent = counts.nodes.reduce((all, [i, , , , , , , seconds]) => all + (this.nodes[i]?.frame ? 0 : seconds), 0);
    /** The nodes at which instances have failed, and those that contain them. @type {Set<number>} */
    const failing = new Set();
    const complete = started && !header.ticking && !counts.uncounted && !counts.unplaced;
    const times = (edge) => (!started ? "" : taken.get(edge) ? number.format(taken.get(edge)) : complete ? "never" : "0");
    const here = this.rowsAt();
    this.nodes.forEach((box, i) => {
      const failed = this.countNode(box, i, graph, known.get(i), here, started, times);
      for (let at = failed ? i : -1; at >= 0; at = nodes[at].level) failing.add(at);
      const [, , , , , , median, seconds] = known.get(i) ?? [];
      box.time.hidden = !started || median === null || median === undefined;
      if (!box.time.hidden) write(box.time, took(median) + (box.frame || !spent ? "" : ` · ${share(seconds, spent)}`));
    });
    const most = Math.max(1, ...this.lines.map(({ edges }) => sum(edges, taken)));
    for (const line of this.lines) {
      const failed = failing.has(line.end) && sum(line.edges, failures) > 0;
      this.countLine(line, sum(line.edges, taken), most, started, times, graph, failed);
    }
    const notes = [
      graph.omitted ? `${plural(graph.omitted, "more node")} not drawn.` : "",
      counts.uncounted > FEW_UNCOUNTED ? `Counting: ${number.format(counts.uncounted)} instances to go.` : "",
      counts.unplaced ? `${counts.unplaced === 1 ? "1 node copy" : `${number.format(counts.unplaced)} node copies`} that ran ${counts.unplaced === 1 ? "is" : "are"} not in this graph.` : "",
      nodes.length ? "" : "The graph appears here once the run has started.",
    ];
    write(this.note, notes.filter(Boolean).join(" "));
  }

  /** The number of instances that run, or failed, at the nodes of each name. */
  rowsAt() {
    const { rows, header } = this.view.store;
    const running = new Uint32Array(header.nodes.length);
    const failed = new Uint32Array(header.nodes.length);
    const { status, node, count } = rows;
    for (let i = 0; i < count; i += 1) {
      if (status[i] === RUNNING) running[node[i]] += 1;
      else if (status[i] === FAILED) failed[node[i]] += 1;
    }
    const here = new Map();
    header.nodes.forEach((name, k) => {
      const at = here.get(name) ?? { running: 0, failed: 0 };
      here.set(name, { running: at.running + running[k], failed: at.failed + failed[k] });
    });
    return here;
  }

  /** @returns {number} how many instances have failed at the node */
  countNode(box, i, graph, entry, here, started, times) {
    const { name, kind, where } = graph.nodes[i];
    const [, returned, raised, ended, ends, exactly, , , reused] = entry ?? [i, 0, 0, 0, "", null, null, 0, 0];
    const alike = this.alike.get(name);
    const at = here.get(name) ?? { running: 0, failed: 0 };
    const failed = alike > 1 ? raised : at.failed;
    const known = alike > 1 && exactly !== null;
    const running = known ? exactly : box.frame ? at.running + this.within(i, graph, here) : at.running;
    const among = alike > 1 && !known && running ? ` at ${alike} nodes` : "";
    writeCount(box.running, running && started ? `${number.format(running)} running${among}` : "", name);
    writeCount(box.failed, failed && started ? `${number.format(failed)} failed` : "", name);
    write(box.done.lastChild, `${number.format(returned)} done`);
    box.done.hidden = !started;
    write(box.reused, reused ? `${number.format(reused)} reused` : "");
    box.reused.hidden = !reused;
    write(box.ended, ended ? `${number.format(ended)} ended here` : "");
    box.ended.hidden = !ended;
    box.what.hidden = started;
    box.root.classList.toggle("fm-busy", running > 0 && started && !among);
    const ways = graph.edges.map(([start, , action], edge) => ({ start, action, edge })).filter(({ start }) => start === i);
    const label = [
      started ? `${number.format(running)} running${among}, ${number.format(returned)} done, ${number.format(failed)} failed` : kind,
      reused ? `${number.format(reused)} reused` : "",
      ended ? `${number.format(ended)} ended here` : "",
      ...ways.map(({ action, edge }) => `${action} ${started ? times(edge) : ""}`.trim()),
    ];
    writeAttribute(box.button, "aria-label", `${name}: ${label.filter(Boolean).join("; ")}`);
    writeAttribute(box.root, "title", [
      `${name}, ${kind}`, where,
      started && ended ? `Ended here although it has successors: ${ends}` : "",
      started && raised && raised !== failed ? `Raised ${plural(raised, "time")} in all attempts.` : "",
      started && alike > 1 ? `${alike} nodes are called ${name}. Failures here are those of all attempts.` : "",
    ].filter(Boolean).join("\n"));
    return failed;
  }

  /** The number of instances that run within a frame, counting only names that do not occur outside it. */
  within(frame, graph, here) {
    const { nodes } = graph;
    const inside = (i) => i >= 0 && (nodes[i].level === frame || inside(nodes[i].level));
    const names = new Map();
    nodes.forEach(({ name }, i) => { if (inside(i)) names.set(name, (names.get(name) ?? 0) + 1); });
    return [...names].reduce((all, [name, n]) => all + (this.alike.get(name) === n ? here.get(name)?.running ?? 0 : 0), 0);
  }

  countLine(line, all, most, started, times, graph, failed) {
    const width = THIN + (started ? THICKER * Math.sqrt(all / most) : 0);
    writeAttribute(line.path, "stroke-width", width.toFixed(2));
    writeAttribute(line.path, "class", !started ? "" : failed ? "fm-failing" : all ? "fm-taken" : "fm-never");
    for (const { edge, part, times: count, name } of line.shown) {
      const text = times(edge);
      write(count, text);
      count.classList.toggle("fm-quiet", text === "never" || text === "0");
      part.hidden = !name && !text;
    }
    line.label.hidden = line.shown.every(({ part }) => part.hidden);
    writeAttribute(line.label, "title", line.edges.map((edge) => `${graph.edges[edge][2]} ${times(edge)}`.trim()).join("\n"));
  }
}

/** Write a count that links to its instances; an empty text hides it. */
function writeCount({ root, word }, text, name) {
  root.hidden = !text;
  write(word, text);
  writeAttribute(root, "aria-label", text ? `${text} at ${name}: show` : "");
}

function sum(edges, taken) {
  return edges.reduce((all, edge) => all + (taken.get(edge) ?? 0), 0);
}
