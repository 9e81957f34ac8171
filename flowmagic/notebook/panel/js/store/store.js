import { PENDING, RUNNING, bytesOf } from "./protocol.js";
import { Outputs } from "./outputs.js";
import { Pace } from "./pace.js";
import { Rows } from "./rows.js";
import { Attempts, Segments } from "./segments.js";
import { Texts } from "./texts.js";
import { Waits } from "./waits.js";

/** @import { Columns, Delta, Detail, Editor, Graph, Header, TextCheck } from "./protocol.js" */

const MAX_RESULTS = 4; // search results kept until a view reads them

/** The state of one panel in this page. A view adds a function to `views`, which is called on changes. */
export class Store {
  constructor(model) {
    this.model = model;
    this.client = Math.random().toString(36).slice(2, 12);
    this.sent = 0;
    this.sentAt = 0;
    this.seq = -1;
    this.rows = new Rows();
    /** @type {Header} */
    this.header = {
      flow: "", status: "idle", counts: [0, 0, 0, 0, 0], restored: 0, left: 0, total: null, limit: 5, per_minute: null,
      limit_history: [], adaptive: null, refused: 0, cooling: 0, elapsed: 0, idle: 0, ticking: false, nodes: [""], can: [], compact: false, earlier: "",
      notice: "", reason: "", failures: [], held_back: { text: "", limit: "" }, waits: [], findings: [], dropped: 0, limits: [], limits_omitted: 0, acknowledged: {},
    };
    /** @type {Editor} */
    this.editor = { version: -1, text: "", editable: false, reason: "" };
    this.draft = null;
    /** @type {TextCheck | null} */
    this.check = null;
    this.checkSent = 0;
    this.texts = new Texts(this);
    this.outputs = new Outputs(this);
    this.waits = new Waits();
    /** @type {Columns} */
    this.columns = { names: [], numeric: [], same: "", more: 0 };
    /** @type {Map<number, Uint32Array>} the rows that searches found, by the number of the command */
    this.searchResults = new Map();
    /** Changes whenever a pending answer may refer to other rows, or may never arrive. */
    this.generation = 0;
    this.segments = new Segments();
    this.attempts = new Attempts();
    /** @type {string[]} what tells the rows of a small batch apart */
    this.labels = [];
    /** @type {Detail | null} */
    this.detail = null;
    this.openIndex = null;
    /** @type {Graph} */
    this.graph = { nodes: [], edges: [], omitted: 0, counts: { nodes: [], edges: [], unplaced: 0, uncounted: 0 } };
    /** The chosen tab, shared by all views in this page. */
    this.tab = "table";
    /** Whether the panel is folded to one line, in all views in this page. */
    this.folded = false;
    this.elapsedAt = performance.now();
    /** @type {Map<string, number>} when the cool-down of each named limit ends; the run's own is "" */
    this.coolDownEnds = new Map();
    this.pace = new Pace();
    this.stateRequestedAt = -Infinity;
    this.views = new Set();
    this.gone = false;
    this.readState();
    this.watchKernel();
  }

  /** Set `gone` when the kernel restarts, dies or is shut down: its end of the comm does not come back. */
  watchKernel() {
    // ipywidgets waits for the status "restarting", which newer JupyterLabs no longer emit. Other
    // front ends have no such signal; there, `View.gone` looks at the view's element.
    const kernel = this.model.widget_manager?.kernel;
    const ends = ["starting", "restarting", "autorestarting", "terminating", "dead"];
    const onGone = () => {
      this.gone = true;
      this.header = { ...this.header, elapsed: this.elapsed, ticking: false };
      this.notify();
    };
    const onStatus = (_, status) => { if (ends.includes(status)) onGone(); };
    const signals = [[kernel?.statusChanged, onStatus], [kernel?.disposed, onGone]];
    for (const [signal, act] of signals) signal?.connect?.(act);
    this.dispose = () => { for (const [signal, act] of signals) signal?.disconnect?.(act); };
  }

  /** Notify the views. @param {number[] | "all"} rows the rows whose state has changed */
  notify(rows = []) {
    for (const changed of this.views) changed(rows);
  }

  send(command) {
    this.sent += 1;
    this.sentAt = performance.now();
    try {
      this.model.send({ ...command, client: this.client, n: this.sent });
    } catch {
      this.gone = true; // the kernel's end of the comm is closed, and no event has reported it yet
      this.notify();
    }
    return this.sent;
  }

  /** The number of the last command of this page that reached the kernel. */
  get acknowledged() {
    return this.header.acknowledged?.[this.client] ?? 0;
  }

  get elapsed() {
    const sinceThen = this.header.ticking ? (performance.now() - this.elapsedAt) / 1000 : 0;
    return this.header.elapsed + sinceThen;
  }

  /** Seconds that the run has taken; the time between its end and a retry does not count. */
  get busy() {
    return this.elapsed - this.header.idle;
  }

  /** Seconds for which the run starts nothing because a provider asked it to wait. */
  get cooling() {
    return this.header.ticking ? this.coolingOf("") : 0;
  }

  /** Remaining seconds of a cool-down; zero or less if there is none. */
  coolingOf(name) {
    return ((this.coolDownEnds.get(name) ?? 0) - performance.now()) / 1000;
  }

  setCoolDown(name, seconds) {
    const end = performance.now() + 1000 * seconds;
    // The same end arrives with some jitter: keep the countdown steady.
    if (Math.abs(end - (this.coolDownEnds.get(name) ?? 0)) > 500) this.coolDownEnds.set(name, end);
  }

  /** Whether anything on the screen changes without a message. */
  get animated() {
    const { ticking, limits } = this.header;
    return ticking || this.acknowledged < this.sent || limits.some(({ name }) => this.coolingOf(name) > -1);
  }

  /** Read the traits: the whole state. */
  readState() {
    const snapshot = bytesOf(this.model.get("snapshot"));
    const seq = snapshot.length < 4 ? -1
      : new DataView(snapshot.buffer, snapshot.byteOffset + snapshot.length - 4, 4).getUint32(0, true);
    if (seq < this.seq) return;
    const newRun = this.header.ticking === false && this.model.get("header")?.ticking === true;
    if (this.seq < 0) this.folded = this.model.get("header")?.compact === true;
    this.rows.load(snapshot);
    this.seq = seq;
    if (newRun) {
      this.generation += 1;
      for (const known of [this.texts, this.outputs, this.segments, this.attempts]) known.clear();
    }
    this.attempts.note(this.rows, "all");
    this.applyHeader(this.model.get("header") ?? {});
    const texts = this.model.get("texts");
    if (texts?.texts) {
      // If the first rows or the columns have changed, the other rows may have, too.
      const otherColumns = JSON.stringify(texts.columns) !== JSON.stringify(this.columns);
      if (otherColumns || texts.texts.some((text, i) => this.texts.has(texts.rows[i]) && this.texts.get(texts.rows[i]) !== text)) {
        this.generation += 1;
        this.texts.clear();
      }
      this.columns = texts.columns ?? { names: [], numeric: [], same: "", more: 0 };
      this.texts.apply(texts);
      this.labels = texts.labels ?? [];
    }
    const graph = this.model.get("graph");
    if (graph?.nodes) this.graph = graph;
    const editor = this.model.get("editor");
    if (editor && editor.version !== undefined && editor.version !== this.editor.version) {
      this.editor = editor;
      this.draft = null;
      this.check = null;
    }
    if (this.openIndex !== null && newRun) this.open(this.openIndex < this.rows.count ? this.openIndex : null);
    this.notify("all");
  }

  /** @returns {number[]} the rows of which something else is to be said now */
  applyHeader(changes) {
    if (changes.elapsed !== undefined) this.elapsedAt = performance.now();
    if (changes.cooling !== undefined) this.setCoolDown("", changes.cooling);
    for (const { name, cooling } of changes.limits ?? []) this.setCoolDown(name, cooling);
    if (changes.ticking && !this.header.ticking) this.pace.clear();
    this.header = { ...this.header, ...changes };
    this.pace.note(this.header);
    return changes.waits ? this.waits.apply(changes.waits) : [];
  }

  /** Apply counts of the graph; entries that are absent have not changed. */
  applyCounts(changes) {
    const merged = (known, entries) => [...new Map([...known, ...entries].map((entry) => [entry[0], entry])).values()];
    const { nodes, edges } = this.graph.counts;
    const counts = { ...changes, nodes: merged(nodes, changes.nodes), edges: merged(edges, changes.edges) };
    this.graph = { ...this.graph, counts };
  }

  /** @param {Delta} delta */
  applyDelta(delta, buffers) {
    if (delta?.type !== "delta" || delta.seq <= this.seq) return;
    // Rows and entries are absolute, so this delta is right even if an earlier one is missing.
    if (delta.seq > this.seq + 1) this.requestState();
    this.seq = delta.seq;
    /** @type {Map<string, any>} */
    const packed = new Map((delta.packed ?? []).map((name, i) => [name, buffers[i]]));
    for (const { client, n } of delta.searches ?? []) {
      if (client !== this.client) continue;
      const bytes = bytesOf(packed.get(`search ${client} ${n}`));
      this.searchResults.set(n, new Uint32Array(bytes.slice().buffer));
      // An answer that arrives too late is never read.
      if (this.searchResults.size > MAX_RESULTS) this.searchResults.delete(Math.min(...this.searchResults.keys()));
    }
    const rows = packed.has("changed") ? this.rows.apply(packed.get("changed")) : [];
    this.segments.touch(rows);
    this.attempts.note(this.rows, rows);
    this.attempts.apply(packed.get(`attempts ${this.client}`));
    this.segments.apply(packed.get(`segments ${this.client}`), this.rows);
    const waiting = delta.header ? this.applyHeader(delta.header) : [];
    if (delta.graph) this.applyCounts(delta.graph);
    for (const texts of delta.rows ?? []) this.texts.apply(texts);
    this.outputs.apply(delta.outputs ?? []);
    this.outputs.applyPictures(packed);
    for (const detail of delta.details ?? []) {
      if (detail.index === this.openIndex) this.detail = detail;
    }
    for (const check of delta.checks ?? []) {
      if (check.client === this.client && check.n === this.checkSent) this.check = check;
    }
    this.notify(rows.concat(waiting, ...(delta.rows ?? []).map((texts) => texts.rows)));
  }

  requestState() {
    const now = performance.now();
    if (now - this.stateRequestedAt < 1000) return;
    this.stateRequestedAt = now;
    this.generation += 1;
    this.send({ type: "state" });
  }

  /** Request the texts of rows that are on the screen or near it. @param {Iterable<number>} rows */
  requestRows(rows) {
    this.texts.request(rows);
  }

  open(index) {
    this.openIndex = index;
    if (this.detail?.index !== index) this.detail = null;
    this.send({ type: "open", index });
    this.notify();
  }

  /** The seconds that a row took, or has taken so far; null if it has not started. */
  seconds(i) {
    const status = this.rows.status[i];
    if (status === PENDING || Number.isNaN(this.rows.started[i])) return null;
    const end = this.rows.ended[i];
    if (status === RUNNING) return Math.max(0, this.elapsed - this.rows.started[i]);
    return Number.isNaN(end) ? null : end - this.rows.started[i];
  }

  /** @returns {string} at which named limit a running row waits, and for what; empty if at none */
  waitOf(i) {
    return this.rows.status[i] === RUNNING && this.header.ticking ? this.waits.of(i) : "";
  }

  /** Instances per second over the last few seconds; over the whole run once it has ended. */
  get rate() {
    return this.pace.rate(this.header, this.elapsed);
  }
}
