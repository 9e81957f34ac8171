/** @import { Check, Columns, Command, Delta, Detail, Editor, Graph, Header } from "./protocol.js" */

import { Attempts } from "./attempts.js";
import { Rows } from "./rows.js";
import { Segments } from "./segments.js";
import { FAILED, PENDING, RUNNING, SUCCEEDED, bytesOf } from "./protocol.js";

const MOST_FOUND = 4; // answers that are kept until a view takes them
const AGAIN = 2000; // milliseconds after which rows are asked for again
const PAUSE = 60; // ditto, between two questions for rows
const REFRESH = 1000; // ditto, if all that is wanted is news of rows whose words are there

/** What is known of one panel in this page. Views register a function to be told of changes. */
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
      flow: "", status: "idle", counts: [0, 0, 0, 0, 0], restored: 0, total: null, limit: 5, per_minute: null,
      retunes: [], adaptive: null, refused: 0, cooling: 0, elapsed: 0, ticking: false, nodes: [""], can: [],
      notice: "", reason: "", findings: [], dropped: 0, limits: [], limits_left: 0, heard: {},
    };
    /** @type {Editor} */
    this.editor = { version: -1, text: "", editable: false, reason: "" };
    this.draft = null;
    /** @type {Check | null} */
    this.check = null;
    this.checkSent = 0;
    /** @type {Map<number, string>} the params of rows, in one line each */
    this.texts = new Map();
    /** @type {Map<number, {cells: string[], outcome: string}>} what the table says of them */
    this.words = new Map();
    /** @type {Columns} */
    this.columns = { names: [], numeric: [], same: "", more: 0 };
    /** @type {Set<number>} rows that have ended since their words came */
    this.stale = new Set();
    /** @type {Map<number, Uint32Array>} what was found, by the number of the command that asked */
    this.found = new Map();
    /** Counts what makes an answer one about other rows, or one that may never come. */
    this.batch = 0;
    this.segments = new Segments();
    this.attempts = new Attempts();
    /** @type {string[]} of a small batch: what tells its rows apart */
    this.labels = [];
    /** @type {Map<number, number>} when rows were asked for whose words have not come */
    this.asked = new Map();
    this.wantedAt = -Infinity;
    this.wanting = 0;
    /** @type {Detail | null} */
    this.detail = null;
    this.opened = null;
    /** @type {Graph} */
    this.graph = { nodes: [], edges: [], left: 0, counts: { nodes: [], edges: [], unplaced: 0, behind: 0 } };
    /** Which way to look at the instances was chosen; each view of this page shows it. */
    this.tab = "table";
    this.elapsedAt = performance.now();
    /** @type {Map<string, number>} when the cool-down of each named limit ends, and ("") the run's */
    this.ends = new Map();
    this.samples = [];
    this.askedState = -Infinity;
    this.views = new Set();
    this.gone = false;
    this.read();
    this.watchKernel();
  }

  /** Notice that the kernel has restarted or died: its end of the comm is gone for good. */
  watchKernel() {
    // ipywidgets waits for a status "restarting" that newer JupyterLabs no longer give; other front
    // ends have no such signal, and mark the view's element instead (see `View.gone`).
    const signal = this.model.widget_manager?.kernel?.statusChanged;
    const ends = ["starting", "restarting", "autorestarting", "terminating", "dead"];
    const noted = (_, status) => {
      if (!ends.includes(status)) return;
      this.gone = true;
      this.header = { ...this.header, elapsed: this.elapsed, ticking: false };
      this.tell();
    };
    signal?.connect?.(noted);
    this.dispose = () => signal?.disconnect?.(noted);
  }

  /** @param {number[] | "all"} rows those whose state is another one now */
  tell(rows = []) {
    for (const changed of this.views) changed(rows);
  }

  send(command) {
    this.sent += 1;
    this.sentAt = performance.now();
    try {
      this.model.send({ ...command, client: this.client, n: this.sent });
    } catch {
      this.gone = true; // the kernel's end of the comm, of which nobody has told yet
      this.tell();
    }
    return this.sent;
  }

  /** Number of the last command of this page that has reached the kernel. */
  get heard() {
    return this.header.heard?.[this.client] ?? 0;
  }

  get elapsed() {
    const past = this.header.ticking ? (performance.now() - this.elapsedAt) / 1000 : 0;
    return this.header.elapsed + past;
  }

  /** Seconds for which the run starts nothing, because a provider asked to wait. */
  get cooling() {
    return this.header.ticking ? this.coolingOf("") : 0;
  }

  /** Seconds left of a cool-down; not above zero when there is none. */
  coolingOf(name) {
    return ((this.ends.get(name) ?? 0) - performance.now()) / 1000;
  }

  takeCooling(name, seconds) {
    const end = performance.now() + 1000 * seconds;
    // Told anew of the same end, a little later or sooner by the way here, it goes on counting.
    if (Math.abs(end - (this.ends.get(name) ?? 0)) > 500) this.ends.set(name, end);
  }

  /** Whether something on the screen changes by itself. */
  get moves() {
    const { ticking, limits } = this.header;
    return ticking || this.heard < this.sent || limits.some(({ name }) => this.coolingOf(name) > -1);
  }

  /** Take the traits: the whole state. */
  read() {
    const snapshot = bytesOf(this.model.get("snapshot"));
    const seq = snapshot.length < 4 ? -1
      : new DataView(snapshot.buffer, snapshot.byteOffset + snapshot.length - 4, 4).getUint32(0, true);
    if (seq < this.seq) return;
    const newRun = this.header.ticking === false && this.model.get("header")?.ticking === true;
    this.rows.load(snapshot);
    this.seq = seq;
    if (newRun) this.batch += 1;
    if (newRun) this.asked.clear();
    if (newRun) this.segments.clear();
    if (newRun) this.attempts.clear();
    this.attempts.note(this.rows, "all");
    this.takeHeader(this.model.get("header") ?? {});
    const texts = this.model.get("texts");
    if (texts?.texts) {
      // The first rows' params or columns have changed: so may have those of the others.
      const others = JSON.stringify(texts.columns) !== JSON.stringify(this.columns);
      if (others || texts.texts.some((text, i) => this.texts.has(texts.rows[i]) && this.texts.get(texts.rows[i]) !== text)) {
        this.batch += 1;
        this.texts.clear();
        this.words.clear();
        this.asked.clear();
      }
      this.columns = texts.columns ?? { names: [], numeric: [], same: "", more: 0 };
      this.takeTexts(texts);
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
    if (this.opened !== null && newRun) this.open(this.opened < this.rows.count ? this.opened : null);
    this.tell("all");
  }

  takeHeader(news) {
    if (news.elapsed !== undefined) this.elapsedAt = performance.now();
    if (news.cooling !== undefined) this.takeCooling("", news.cooling);
    for (const { name, cooling } of news.limits ?? []) this.takeCooling(name, cooling);
    if (news.ticking && !this.header.ticking) this.samples = [];
    this.header = { ...this.header, ...news };
    const last = this.samples[this.samples.length - 1];
    if (this.header.ticking && (!last || this.header.elapsed - last[0] > 0.25)) {
      this.samples.push([this.header.elapsed, this.worked]);
      while (this.samples.length > 2 && this.header.elapsed - this.samples[0][0] > 8) this.samples.shift();
    }
  }

  takeTexts({ rows, texts, cells, outcomes }) {
    rows.forEach((index, i) => {
      this.texts.set(index, texts[i]);
      this.words.set(index, { cells: cells[i], outcome: outcomes[i] });
      this.asked.delete(index);
      this.stale.delete(index);
    });
  }

  /** Take the counts in the graph, of which those that are not told of are as they were. */
  takeCounts(news) {
    const merged = (known, entries) => [...new Map([...known, ...entries].map((entry) => [entry[0], entry])).values()];
    const { nodes, edges } = this.graph.counts;
    const counts = { ...news, nodes: merged(nodes, news.nodes), edges: merged(edges, news.edges) };
    this.graph = { ...this.graph, counts };
  }

  /** @param {Delta} delta */
  take(delta, buffers) {
    if (delta?.type !== "delta" || delta.seq <= this.seq) return;
    // Rows and entries are absolute, so what came is right even if something before it is missing.
    if (delta.seq > this.seq + 1) this.askState();
    this.seq = delta.seq;
    /** @type {Map<string, any>} */
    const packed = new Map((delta.packed ?? []).map((name, i) => [name, buffers[i]]));
    for (const { client, n } of delta.found ?? []) {
      if (client !== this.client) continue;
      const bytes = bytesOf(packed.get(`found ${client} ${n}`));
      this.found.set(n, new Uint32Array(bytes.slice().buffer));
      // An answer that came too late is asked for by nobody.
      if (this.found.size > MOST_FOUND) this.found.delete(Math.min(...this.found.keys()));
    }
    const rows = packed.has("changed") ? this.rows.apply(packed.get("changed")) : [];
    this.segments.touch(rows);
    this.attempts.note(this.rows, rows);
    this.attempts.take(packed.get(`attempts ${this.client}`));
    this.segments.take(packed.get(`segments ${this.client}`), this.rows);
    for (const i of rows) if (this.rows.status[i] > RUNNING && this.words.has(i)) this.stale.add(i);
    if (delta.header) this.takeHeader(delta.header);
    if (delta.graph) this.takeCounts(delta.graph);
    for (const texts of delta.rows ?? []) this.takeTexts(texts);
    for (const detail of delta.details ?? []) {
      if (detail.index === this.opened) this.detail = detail;
    }
    for (const check of delta.checks ?? []) {
      if (check.client === this.client && check.n === this.checkSent) this.check = check;
    }
    this.tell(rows);
  }

  askState() {
    const now = performance.now();
    if (now - this.askedState < 1000) return;
    this.askedState = now;
    this.batch += 1;
    this.send({ type: "state" });
  }

  /** @param {Iterable<number>} rows about to be seen, whose words are asked for */
  want(rows) {
    const now = performance.now();
    if (this.wanting) return;
    const missing = [...rows].filter((i) => (!this.words.has(i) || this.stale.has(i)) && now - (this.asked.get(i) ?? -1e9) > AGAIN);
    if (!missing.length) return;
    // Words that are there but old can wait: where rows end all the time, there are always some.
    const pause = missing.every((i) => this.words.has(i)) ? REFRESH : PAUSE;
    if (now - this.wantedAt < pause) {
      this.wanting = setTimeout(() => {
        this.wanting = 0;
        this.tell();
      }, PAUSE);
      return;
    }
    this.wantedAt = now;
    for (const i of missing) this.asked.set(i, now);
    this.send({ type: "rows", rows: missing });
  }

  open(index) {
    this.opened = index;
    if (this.detail?.index !== index) this.detail = null;
    this.send({ type: "open", index });
    this.tell();
  }

  /** Seconds that a row took, or has taken so far; null if it has not started. */
  seconds(i) {
    const status = this.rows.status[i];
    if (status === PENDING || Number.isNaN(this.rows.started[i])) return null;
    const end = this.rows.ended[i];
    if (status === RUNNING) return Math.max(0, this.elapsed - this.rows.started[i]);
    return Number.isNaN(end) ? null : end - this.rows.started[i];
  }

  /** How many instances this run has worked off: not those it took over, and not those it gave up. */
  get worked() {
    const { counts, restored } = this.header;
    return counts[SUCCEEDED] + counts[FAILED] - restored;
  }

  /** Instances per second, over the last seconds. */
  get rate() {
    const { elapsed, ticking } = this.header;
    const done = this.worked;
    const first = this.samples[0];
    if (ticking && first && this.elapsed - first[0] > 1) return (done - first[1]) / (this.elapsed - first[0]);
    return elapsed > 0 ? done / Math.max(elapsed, 1e-3) : 0;
  }
}
