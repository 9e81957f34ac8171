// The panel in the page: one store per model, any number of views of it.
//
// Everything that comes from the kernel is somebody's text: it enters the page as textContent only.
// Nothing here needs an answer from the kernel, which may be busy with a cell: what it knows it sends
// by itself, and a view draws what the store has.
//
// In this order: the store; words; elements; the named limits; the opened instance; the view, which
// holds all of it together; anywidget's two hooks.

/**
 * What `wire.py` defines.
 * @typedef {{name: string, concurrency: number | null, adaptive: number[] | null,
 *   per_minute: number | null, tokens_per_minute: number | null, window: number, running: number,
 *   waiting: number, calls: number | null, tokens: number | null, cooling: number}} LimitState
 * @typedef {{flow: string, status: string, counts: number[], total: number | null, limit: number,
 *   per_minute: number | null, adaptive: number[] | null, refused: number, cooling: number,
 *   elapsed: number, ticking: boolean, nodes: string[], can: string[], notice: string,
 *   reason: string, dropped: number, limits: LimitState[], limits_left: number,
 *   heard: Object<string, number>}} Header
 * @typedef {{version: number, text: string, editable: boolean, reason: string}} Editor
 * @typedef {{first: number, texts: string[]}} RowTexts
 * @typedef {{key: string, value: string, mark: string}} ParamDetail
 * @typedef {{node: string, depth: number, params: ParamDetail[], started: number,
 *   seconds: number | null, action: string | null, error: string}} CopyDetail
 * @typedef {{number: number, status: string, started: number, seconds: number, error: string,
 *   copies: CopyDetail[], note: string}} AttemptDetail
 * @typedef {{index: number, status: string, attempts: number, started: number | null,
 *   seconds: number | null, result: string, error: string, traceback: string,
 *   copies: CopyDetail[], note: string, history: AttemptDetail[]}} Detail
 * @typedef {{client: string, n: number, count: number | null, message: string,
 *   line: number | null}} Check
 * @typedef {{type: "delta", seq: number, header?: Partial<Header>, rows?: RowTexts[],
 *   details?: Detail[], checks?: Check[]}} Delta
 * @typedef {{type: string, value?: number | null, name?: string, field?: string,
 *   text?: string | null, first?: number, last?: number, index?: number | null}} Command
 */

const STATUSES = ["pending", "running", "succeeded", "failed", "cancelled"];
const [PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED] = STATUSES.keys();
const MASK = "•••";
const ROW = 28; // pixels; panel.css agrees
const POOL = 30; // row elements, however many instances there are
const CHUNK = 100; // rows whose params are asked for at once

/** One path per status on a 12 x 12 field, so that an icon is one element whatever it shows. */
const ICONS = {
  idle: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z",
  pending: "M6 2.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7z",
  running: "M6 1.5a4.5 4.5 0 1 1-4.5 4.5",
  paused: "M4 2.5v7M8 2.5v7",
  stopping: "M3 3h6v6h-6z",
  stopped: "M3 3h6v6h-6z",
  finished: "M2 6.5l2.7 2.7L10 3.2",
  succeeded: "M2 6.5l2.7 2.7L10 3.2",
  failed: "M2.8 2.8l6.4 6.4M9.2 2.8l-6.4 6.4",
  cancelled: "M6 1.7a4.3 4.3 0 1 0 0 8.6a4.3 4.3 0 1 0 0-8.6zM3 9l6-6",
  cooling: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9zM6 3.4v2.8l1.9 1.1",
};

const BUTTONS = [
  ["run", "Run", "Run the param list with this limit"],
  ["pause", "Pause", "Start no more instances until Resume; the running ones go on"],
  ["resume", "Resume", "Go on starting instances"],
  ["stop", "Stop", "Start no more instances; let the running ones finish"],
  ["cancel", "Cancel", "Start no more instances, and cancel the running ones too"],
  ["retry", "Retry failed", "Run the failed instances again, each with the params it had"],
];

// ---------------------------------------------------------------- the store

/** @param {DataView | ArrayBuffer | Uint8Array | null | undefined} buffer @returns {Uint8Array} */
function bytesOf(buffer) {
  if (!buffer) return new Uint8Array(0);
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The state of every row, as columns. */
class Rows {
  constructor() {
    this.count = 0;
    this.allot(0);
  }

  allot(size) {
    this.started = new Float32Array(size);
    this.ended = new Float32Array(size);
    this.node = new Uint16Array(size);
    this.status = new Uint8Array(size);
    this.earlier = new Uint8Array(size);
  }

  /** Take all columns, as `pack_columns` packs them; returns the sequence number behind them. */
  load(buffer) {
    const bytes = bytesOf(buffer);
    if (bytes.length < 4) return -1;
    const n = Math.floor((bytes.length - 4) / 12);
    let at = 0;
    const take = (size) => {
      const part = bytes.slice(at, at + size * n); // a copy, hence aligned
      at += size * n;
      return part.buffer;
    };
    this.started = new Float32Array(take(4));
    this.ended = new Float32Array(take(4));
    this.node = new Uint16Array(take(2));
    this.status = new Uint8Array(take(1));
    this.earlier = new Uint8Array(take(1));
    this.count = n;
    return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
  }

  /** Take the rows that `pack_rows` packed. */
  apply(buffer) {
    const bytes = bytesOf(buffer);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + 16 <= bytes.length; at += 16) {
      const i = view.getUint32(at, true);
      if (i >= this.count) this.grow(i + 1);
      this.status[i] = view.getUint8(at + 4);
      this.earlier[i] = view.getUint8(at + 5);
      this.node[i] = view.getUint16(at + 6, true);
      this.started[i] = view.getFloat32(at + 8, true);
      this.ended[i] = view.getFloat32(at + 12, true);
    }
  }

  grow(count) {
    if (count > this.status.length) {
      const old = this;
      const { started, ended, node, status, earlier } = old;
      this.allot(Math.max(count, 2 * status.length));
      this.started.fill(NaN);
      this.ended.fill(NaN);
      this.started.set(started);
      this.ended.set(ended);
      this.node.set(node);
      this.status.set(status);
      this.earlier.set(earlier);
    }
    this.count = count;
  }
}

/** What is known of one panel in this page. Views register a function to be told of changes. */
class Store {
  constructor(model) {
    this.model = model;
    this.client = Math.random().toString(36).slice(2, 12);
    this.sent = 0;
    this.sentAt = 0;
    this.seq = -1;
    this.rows = new Rows();
    /** @type {Header} */
    this.header = {
      flow: "", status: "idle", counts: [0, 0, 0, 0, 0], total: null, limit: 5, per_minute: null,
      adaptive: null, refused: 0, cooling: 0, elapsed: 0, ticking: false, nodes: [""], can: [],
      notice: "", reason: "", dropped: 0, limits: [], limits_left: 0, heard: {},
    };
    /** @type {Editor} */
    this.editor = { version: -1, text: "", editable: false, reason: "" };
    this.draft = null;
    /** @type {Check | null} */
    this.check = null;
    this.checkSent = 0;
    /** @type {Map<number, string>} */
    this.texts = new Map();
    this.asked = new Map();
    /** @type {Detail | null} */
    this.detail = null;
    this.opened = null;
    this.elapsedAt = performance.now();
    /** @type {Map<string, number>} when the cool-down of each named limit ends, and ("") the run's */
    this.ends = new Map();
    this.samples = [];
    this.askedState = 0;
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

  tell() {
    for (const changed of this.views) changed();
  }

  send(command) {
    this.sent += 1;
    this.sentAt = performance.now();
    this.model.send({ ...command, client: this.client, n: this.sent });
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
    if (newRun) this.asked.clear();
    this.takeHeader(this.model.get("header") ?? {});
    const texts = this.model.get("texts");
    if (texts?.texts) {
      // The first rows' params have changed: so may have those of the others.
      if (texts.texts.some((text, i) => this.texts.has(texts.first + i) && this.texts.get(texts.first + i) !== text)) {
        this.texts.clear();
        this.asked.clear();
      }
      this.takeTexts(texts);
    }
    const editor = this.model.get("editor");
    if (editor && editor.version !== undefined && editor.version !== this.editor.version) {
      this.editor = editor;
      this.draft = null;
      this.check = null;
    }
    if (this.opened !== null && newRun) this.open(this.opened < this.rows.count ? this.opened : null);
    this.tell();
  }

  takeHeader(news) {
    if (news.elapsed !== undefined) this.elapsedAt = performance.now();
    if (news.cooling !== undefined) this.takeCooling("", news.cooling);
    for (const { name, cooling } of news.limits ?? []) this.takeCooling(name, cooling);
    if (news.ticking && !this.header.ticking) this.samples = [];
    this.header = { ...this.header, ...news };
    const [, , succeeded, failed, cancelled] = this.header.counts;
    const done = succeeded + failed + cancelled;
    const last = this.samples[this.samples.length - 1];
    if (this.header.ticking && (!last || this.header.elapsed - last[0] > 0.25)) {
      this.samples.push([this.header.elapsed, done]);
      while (this.samples.length > 2 && this.header.elapsed - this.samples[0][0] > 8) this.samples.shift();
    }
  }

  takeTexts({ first, texts }) {
    texts.forEach((text, i) => this.texts.set(first + i, text));
  }

  /** @param {Delta} delta */
  take(delta, buffers) {
    if (delta?.type !== "delta" || delta.seq <= this.seq) return;
    // Rows and entries are absolute, so what came is right even if something before it is missing.
    if (delta.seq > this.seq + 1) this.askState();
    this.seq = delta.seq;
    if (buffers?.length) this.rows.apply(buffers[0]);
    if (delta.header) this.takeHeader(delta.header);
    for (const texts of delta.rows ?? []) this.takeTexts(texts);
    for (const detail of delta.details ?? []) {
      if (detail.index === this.opened) this.detail = detail;
    }
    for (const check of delta.checks ?? []) {
      if (check.client === this.client && check.n === this.checkSent) this.check = check;
    }
    this.tell();
  }

  askState() {
    const now = performance.now();
    if (now - this.askedState < 1000) return;
    this.askedState = now;
    this.send({ type: "state" });
  }

  /** Ask for the params of rows about to be seen. */
  want(first, last) {
    const now = performance.now();
    for (let chunk = Math.floor(first / CHUNK); chunk * CHUNK < last; chunk += 1) {
      const from = chunk * CHUNK;
      const to = Math.min(from + CHUNK, this.rows.count);
      let missing = false;
      for (let i = Math.max(from, first); i < Math.min(to, last); i += 1) missing ||= !this.texts.has(i);
      if (!missing || now - (this.asked.get(chunk) ?? -1e9) < 2000) continue;
      this.asked.set(chunk, now);
      this.send({ type: "rows", first: from, last: to });
    }
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

  /** Instances per second, over the last seconds. */
  get rate() {
    const { counts, elapsed, ticking } = this.header;
    const done = counts[SUCCEEDED] + counts[FAILED] + counts[CANCELLED];
    const first = this.samples[0];
    if (ticking && first && this.elapsed - first[0] > 1) return (done - first[1]) / (this.elapsed - first[0]);
    return elapsed > 0 ? done / Math.max(elapsed, 1e-3) : 0;
  }
}

// ---------------------------------------------------------------- words

const number = new Intl.NumberFormat("en-US");
const plural = (n, word) => `${number.format(n)} ${word}${n === 1 ? "" : "s"}`;

function clock(seconds) {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds >= 100) return clock(seconds);
  return `${seconds.toFixed(seconds >= 10 ? 1 : 2)} s`;
}

/** Of a cool-down, in whole seconds. */
function waitText(seconds) {
  const whole = Math.ceil(seconds);
  return `waiting ${whole < 100 ? `${whole} s` : clock(whole)}, as the provider asked`;
}

/** @param {number[] | null} bounds */
const adaptingText = (bounds) => (bounds ? `adapting ${bounds.map((n) => number.format(n)).join("–")}` : "");

function rateText(rate) {
  if (!(rate > 0)) return "– inst/s";
  return `${rate >= 100 ? number.format(Math.round(rate)) : rate >= 10 ? rate.toFixed(1) : rate.toFixed(2)} inst/s`;
}

/** @param {string} text @returns {{count?: number, message?: string, unsure?: boolean}} */
function checkJson(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return { unsure: true }; // a Python literal, perhaps: the kernel knows
  }
  const isDict = (each) => typeof each === "object" && each !== null && !Array.isArray(each);
  if (!Array.isArray(value)) return { message: "This is not a list of dicts. Write [{…}, {…}]." };
  const bad = value.findIndex((each) => !isDict(each));
  if (bad >= 0) return { message: `Item ${bad} is not a dict of params.`, unsure: true };
  return { count: value.length, unsure: text.includes(MASK) };
}

// ---------------------------------------------------------------- elements

/** @returns {any} */
function element(tag, className = "", attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function icon() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "fm-icon");
  svg.append(document.createElementNS(space, "path"));
  return svg;
}

/** Write only what is different: the DOM is slow to be told the same again. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setStatus(node, svg, word, name) {
  if (node.dataset.status === name) return;
  node.dataset.status = name;
  svg.firstChild.setAttribute("d", ICONS[name] ?? ICONS.idle);
  write(word, name);
}

/** As `write`, for an attribute; an empty value takes it away. */
function writeAttribute(node, name, value) {
  if ((node.getAttribute(name) ?? "") === value) return;
  if (value === "") node.removeAttribute(name);
  else node.setAttribute(name, value);
}

/** @returns {any} a chip that counts a cool-down */
function coolChip() {
  const svg = icon();
  svg.firstChild.setAttribute("d", ICONS.cooling);
  const word = element("span");
  const chip = element("span", "fm-chip fm-cool fm-num", {}, svg, word);
  chip.hidden = true;
  return { chip, word };
}

function setCooling({ chip, word }, seconds) {
  chip.hidden = seconds <= 0;
  if (seconds > 0) write(word, waitText(seconds));
}

/** Keep the notebook's shortcuts away; they look at the focused element first, then at its parents. */
function keepKeys(root) {
  for (const each of [root, ...root.querySelectorAll("button, input, textarea, summary, [tabindex]")]) {
    each.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}

// ---------------------------------------------------------------- the named limits

/** Of a named limit, what can be tuned: the field, its words, how far it is used, the input's step. */
const TUNABLE = [
  ["concurrency", () => "at once", () => "calls at once", (limit) => limit.running, "1"],
  ["per_minute", (limit) => `calls/${spanText(limit, "min")}`, (limit) => `calls per ${spanText(limit, "minute")}`, (limit) => limit.calls, "1"],
  ["tokens_per_minute", (limit) => `tokens/${spanText(limit, "min")}`, (limit) => `tokens per ${spanText(limit, "minute")}`, (limit) => limit.tokens, "1000"],
];
const PAUSE = 400; // milliseconds without a key, after which a number counts as typed

/** The window that "per minute" speaks of. */
const spanText = ({ window }, minute) => (window === 60 ? minute : `${number.format(window)} s`);

/** One number of one named limit: what is in force, or what the user is about to put there. */
class LimitField {
  constructor(view, name, [field, unit, label, used, step]) {
    Object.assign(this, { view, name, field, unit, label, used });
    this.typing = false;
    this.sentN = 0;
    this.shownN = -1; // of which answer, or giving up, the input shows the outcome
    this.timer = 0;
    this.input = element("input", "fm-box fm-tune", {
      type: "number", min: step, step, placeholder: "∞", inputmode: "numeric", "data-field": field,
      title: "Acts at once; empty: no such limit",
    });
    this.usedText = element("span", "fm-num fm-used");
    this.unitText = element("span");
    this.waiting = element("span", "fm-num");
    this.adapting = element("span");
    this.meter = element("span", "fm-meter");
    this.root = element("label", "fm-field", {}, this.usedText,
      element("span", "fm-tuned", {}, this.input, this.meter),
      element("span", "fm-quiet fm-unit", {}, this.unitText, this.waiting, this.adapting));
    this.input.addEventListener("input", (event) => this.edit(event));
    this.input.addEventListener("change", () => this.commit());
    this.input.addEventListener("blur", () => this.commit());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.commit();
      if (event.key === "Escape") this.giveUp();
    });
  }

  /** What stands in the input: null for no limit, undefined for what is no number. */
  get value() {
    const { validity, value } = this.input;
    if (validity.badInput) return undefined;
    return value.trim() === "" ? null : Number(value);
  }

  edit(event) {
    this.typing = true;
    clearTimeout(this.timer);
    this.timer = 0;
    // An input emptied on the way to another number would let everything through: leaving it, or
    // Enter, says that it is meant. And a step by an arrow is no typing.
    if (typeof this.value === "number") this.later(event.inputType ? PAUSE : 50);
  }

  later(wait) {
    this.timer = setTimeout(() => { this.timer = 0; this.tune(); }, wait);
  }

  commit() {
    if (!this.typing) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.typing = false;
    this.tune();
    this.view.later();
  }

  giveUp() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.typing = false;
    this.shownN = -1;
    this.view.later();
  }

  /** Whether the kernel has answered what was asked for last. */
  get settled() {
    return this.view.store.heard >= this.sentN;
  }

  tune() {
    const { value } = this;
    if (value === undefined || value === (this.settled ? this.inForce : this.wanted)) return;
    this.wanted = value;
    this.sentN = this.view.store.send({ type: "tune", name: this.name, field: this.field, value });
  }

  /** @param {LimitState} limit */
  draw(limit) {
    const { input, view } = this;
    this.inForce = limit[this.field];
    // Of itself, what is in force does not change under the hands of somebody who is about to type.
    const held = document.activeElement === input && this.shownN === this.sentN;
    if (!this.typing && !this.timer && this.settled && !held) {
      this.shownN = this.sentN;
      const text = this.inForce === null ? "" : String(this.inForce);
      if (input.value !== text || this.value === undefined) input.value = text;
    }
    const live = view.store.header.ticking && !view.gone; // else it would be stale before long
    const used = live ? this.used(limit) : null;
    const capped = used !== null && this.inForce !== null;
    write(this.usedText, capped ? `${number.format(used)} /` : used ? number.format(used) : "");
    this.meter.hidden = !capped;
    if (capped) this.meter.style.setProperty("--fm-share", `${Math.min(100, (100 * used) / this.inForce)}%`);
    write(this.unitText, this.unit(limit));
    if (this.field === "concurrency") {
      write(this.waiting, live ? `${number.format(limit.waiting)} waiting` : "");
      this.waiting.classList.toggle("fm-some", limit.waiting > 0);
      write(this.adapting, adaptingText(limit.adaptive));
    }
    writeAttribute(input, "aria-label", `${this.name}: ${this.label(limit)}`);
    writeAttribute(input, "aria-description", used === null ? "" : `${number.format(used)} now`);
    input.disabled = view.gone;
  }
}

/** The named limits of the process, a line for each. */
class LimitStrip {
  constructor(view) {
    this.view = view;
    this.lines = new Map();
    this.rest = element("div", "fm-quiet");
    this.body = element("div", "fm-limit-lines");
    this.root = element("section", "fm-limits", { role: "group", "aria-label": "Named limits" }, this.body, this.rest);
  }

  line(name) {
    const cool = coolChip();
    const fields = TUNABLE.map((each) => new LimitField(this.view, name, each));
    const root = element("div", "fm-limit-line", { role: "group", "aria-label": `Limit ${name}` },
      element("span", "fm-limit-head", {}, element("span", "fm-limit-name", { title: name }, name), cool.chip),
      ...fields.map((each) => each.root));
    keepKeys(root);
    return { root, fields, cool };
  }

  draw() {
    const { store } = this.view;
    const { limits, limits_left: more } = store.header;
    this.root.hidden = !limits.length;
    for (const [name, { root }] of this.lines) {
      if (limits.some((limit) => limit.name === name)) continue;
      root.remove();
      this.lines.delete(name);
    }
    for (const limit of limits) {
      let line = this.lines.get(limit.name);
      if (!line) {
        line = this.line(limit.name);
        this.lines.set(limit.name, line);
        this.body.append(line.root);
      }
      for (const field of line.fields) field.draw(limit);
      setCooling(line.cool, this.view.gone ? 0 : store.coolingOf(limit.name));
    }
    write(this.rest, more ? `and ${number.format(more)} more, in flowmagic.named_limits()` : "");
  }
}

// ---------------------------------------------------------------- the opened instance

const FEW = 3; // earlier attempts, which are listed without being asked

/** What each node copy of one instance received and did, and how its earlier attempts went. */
class Opened {
  constructor(view) {
    this.view = view;
    this.drawn = null;
    /** @type {Map<string, boolean>} what was folded or unfolded by hand */
    this.folds = new Map();
    this.root = element("section", "fm-detail", { "aria-label": "Opened instance", tabindex: "-1" });
    this.root.hidden = true;
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") view.close();
    });
  }

  draw() {
    const { opened, detail, header } = this.view.store;
    const { root } = this;
    root.hidden = opened === null;
    if (opened === null) {
      this.drawn = null;
      root.replaceChildren();
      return;
    }
    if (this.drawn !== (detail ?? opened)) {
      if (this.index !== opened) this.folds.clear();
      this.index = opened;
      this.drawn = detail ?? opened;
      this.redraw(() => this.parts(opened, detail));
    }
    if (this.cancel) this.cancel.hidden = this.view.gone || !header.can.includes("cancel");
  }

  /** Make all of it anew, but keep what the user has hold of: the place, and the keyboard's. */
  redraw(parts) {
    const { root } = this;
    const { scrollTop } = root;
    const held = root.contains(document.activeElement) ? document.activeElement.dataset.key ?? "" : null;
    root.replaceChildren(...parts());
    keepKeys(root);
    root.scrollTop = scrollTop;
    if (held !== null) {
      const again = [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === held);
      (again ?? root).focus({ preventScroll: true });
    }
  }

  parts(index, detail) {
    const close = element("button", "fm-close", { type: "button", "aria-label": "Close", title: "Close (Escape)", "data-key": "close" }, "×");
    close.addEventListener("click", () => this.view.close());
    const svg = icon();
    const word = element("span");
    const chip = element("span", "fm-chip", {}, svg, word);
    const facts = element("span", "fm-quiet fm-num");
    const head = element("div", "fm-detail-head", {},
      element("strong", "fm-num", {}, `Instance ${number.format(index)}`), chip, facts, close);
    this.cancel = null;
    if (!detail) {
      write(facts, "asking the kernel…");
      chip.hidden = true;
      return [head];
    }
    const retried = detail.history.length > 0;
    const pending = detail.status === "pending";
    setStatus(chip, svg, word, detail.status);
    if (pending && retried) write(word, "waiting to be retried");
    write(facts, [
      detail.seconds === null ? "" : duration(detail.seconds),
      detail.started === null ? "" : `started at ${duration(detail.started)}`,
      pending && retried ? `${plural(detail.attempts, "attempt")} so far` : detail.attempts > 1 ? `attempt ${detail.attempts}` : "",
    ].filter(Boolean).join(" · "));
    if (pending || detail.status === "running") head.append(this.cancelButton(index));
    const parts = [head];
    if (retried) parts.push(this.history(detail.history));
    // The node copy that raised shows its error; what ended the instance elsewhere stands here.
    if (detail.error && !detail.copies.some((copy) => copy.error === detail.error)) parts.push(element("div", "fm-error", {}, detail.error));
    detail.copies.forEach((copy, i) => parts.push(this.copy(copy, i)));
    if (!detail.copies.length && !detail.note && !(pending && retried)) {
      parts.push(element("div", "fm-quiet", {}, pending ? "Not started yet: no node has received anything." : "No node copy was made."));
    }
    if (detail.note) parts.push(element("div", "fm-quiet", {}, detail.note));
    if (detail.status === "succeeded") {
      parts.push(element("div", "fm-result", {}, element("span", "fm-quiet", {}, "last action "), element("code", "", {}, detail.result)));
    }
    if (detail.traceback) {
      const trace = element("pre", "fm-trace", { tabindex: "0", "aria-label": "Traceback", "data-key": "trace" });
      trace.textContent = detail.traceback;
      parts.push(trace);
    }
    return parts;
  }

  cancelButton(index) {
    const button = element("button", "fm-button fm-small", {
      type: "button", title: "Cancel this instance; the others go on", "data-key": "cancel",
    }, "Cancel this one");
    button.addEventListener("click", () => {
      if (button.hasAttribute("aria-disabled")) return;
      // Not `disabled`, which would take the keyboard's place away.
      button.setAttribute("aria-disabled", "true");
      write(button, "Cancelling…");
      this.view.store.send({ type: "cancel", index });
    });
    this.cancel = button;
    return button;
  }

  /** @param {AttemptDetail[]} attempts */
  history(attempts) {
    const list = attempts.map((attempt) => {
      const svg = icon();
      svg.firstChild.setAttribute("d", ICONS[attempt.status] ?? ICONS.idle);
      const line = element("summary", "", { "data-key": `attempt-${attempt.number}` },
        element("span", "fm-attempt-status", { "data-status": attempt.status }, svg, `Attempt ${attempt.number}`), " ",
        element("span", "fm-quiet fm-num", {}, `${attempt.status} after ${duration(attempt.seconds)}`), " ",
        element("span", "fm-attempt-error", {}, attempt.error));
      const copies = attempt.copies.map((copy, i) => this.copy(copy, i));
      if (attempt.note) copies.push(element("div", "fm-quiet", {}, attempt.note));
      if (!copies.length) copies.push(element("div", "fm-quiet", {}, "No node copy was made."));
      return this.fold(`attempt-${attempt.number}`, false, "fm-attempt", line, ...copies);
    });
    const title = element("summary", "fm-quiet", { "data-key": "history" }, plural(attempts.length, "earlier attempt"));
    return this.fold("history", attempts.length <= FEW, "fm-history", title, ...list);
  }

  /** A part to fold; as the user has left it, however often it is made anew. */
  fold(key, open, className, ...children) {
    const made = element("details", className, {}, ...children);
    made.open = this.folds.get(key) ?? open;
    made.addEventListener("toggle", () => this.folds.set(key, made.open));
    return made;
  }

  copy(copy, position) {
    const times = copy.seconds === null ? `${duration(copy.started)} →` : `${duration(copy.started)} + ${duration(copy.seconds)}`;
    const ended = copy.error ? "raised" : copy.seconds === null ? "running" : copy.action === null ? "→ None" : `→ ${copy.action}`;
    const head = element("div", "fm-copy-head", {},
      element("span", "fm-quiet fm-num", {}, `${position + 1}`),
      element("span", "fm-node", {}, copy.node),
      element("span", "fm-quiet fm-num", {}, times),
      element("span", copy.error ? "fm-action fm-bad" : "fm-action", {}, ended));
    const params = element("dl", "fm-params");
    for (const { key, value, mark } of copy.params) {
      const name = element("dt", "", {}, key);
      const what = element("dd", "", {}, value);
      if (mark) {
        name.classList.add("fm-marked");
        what.classList.add("fm-marked");
        what.append(element("span", "fm-mark", {}, mark));
      }
      params.append(name, what);
    }
    if (!copy.params.length) params.append(element("dd", "fm-quiet", {}, "no params"));
    const part = element("section", "fm-copy", { "aria-label": `Node copy ${position + 1}: ${copy.node}` }, head, params);
    if (copy.depth) part.style.marginInlineStart = `${Math.min(copy.depth, 6) * 14}px`;
    if (copy.error) part.append(element("div", "fm-error", {}, copy.error));
    return part;
  }
}

// ---------------------------------------------------------------- a view

let made = 0;

class View {
  constructor(store, el) {
    this.store = store;
    this.el = el;
    this.id = `fm-${(made += 1)}`;
    this.active = 0;
    this.frame = 0;
    this.drawnFirst = -1;
    this.spokenAt = -1e9;
    this.spoken = "";
    this.build();
    this.listen();
    el.replaceChildren(this.root);
    this.draw();
  }

  build() {
    const { id } = this;
    this.root = element("div", "fm-panel", {
      role: "region", "aria-label": "Batch run",
    });
    const body = element("div", "fm-body");
    this.root.append(body);

    // The header line.
    this.flow = element("span", "fm-flow");
    this.chipIcon = icon();
    this.chipWord = element("span");
    this.chip = element("span", "fm-chip", {}, this.chipIcon, this.chipWord);
    this.cool = coolChip();
    this.done = element("span", "fm-num fm-done");
    this.time = element("span", "fm-num");
    this.rate = element("span", "fm-num");
    this.failures = element("span", "fm-num fm-failures");
    body.append(element("div", "fm-head", {},
      element("span", "fm-title", {}, this.flow, this.chip, this.cool.chip),
      element("span", "fm-stats", {}, this.done, this.time, this.rate, this.failures)));

    // The bar.
    this.bar = element("div", "fm-bar", { role: "img" });
    this.segments = [SUCCEEDED, FAILED, CANCELLED, RUNNING, PENDING].map((code) => {
      const segment = element("span", "fm-segment", { "data-status": STATUSES[code] });
      this.bar.append(segment);
      return [code, segment];
    });
    body.append(this.bar);
    this.legend = element("div", "fm-legend", { "aria-hidden": "true" });
    this.legendItems = [SUCCEEDED, FAILED, CANCELLED, RUNNING, PENDING].map((code) => {
      const svg = icon();
      svg.firstChild.setAttribute("d", ICONS[STATUSES[code]]);
      const text = element("span");
      const item = element("span", "fm-legend-item", { "data-status": STATUSES[code] }, svg, text);
      this.legend.append(item);
      return [code, item, text];
    });
    body.append(this.legend);

    // The controls.
    this.slider = element("input", "fm-slider", {
      type: "range", min: "1", max: "50", step: "1", "aria-label": "Concurrency limit",
      title: "How many instances run at once; acts while the run goes on",
    });
    this.box = element("input", "fm-box", {
      type: "number", min: "1", step: "1", "aria-label": "Concurrency limit as a number",
      inputmode: "numeric", "aria-describedby": `${id}-limit-error`,
    });
    this.perMinute = element("span", "fm-quiet fm-num");
    this.adapting = element("span", "fm-quiet fm-num fm-adapting");
    this.buttons = BUTTONS.map(([name, label, tip]) => {
      const button = element("button", "fm-button", { type: "button", title: tip, "data-command": name }, label);
      return [name, button];
    });
    body.append(element("div", "fm-controls", {},
      element("div", "fm-limit", {},
        element("span", "fm-label", { "aria-hidden": "true" }, "Limit"),
        this.slider, this.box, this.perMinute, this.adapting),
      element("div", "fm-buttons", { role: "group", "aria-label": "Run controls" },
        ...this.buttons.map(([, button]) => button))));
    this.limitError = element("div", "fm-problem", { id: `${id}-limit-error`, role: "alert" });
    this.limits = new LimitStrip(this);
    this.reason = element("div", "fm-notice", { role: "status" });
    this.notice = element("div", "fm-notice", { role: "status" });
    body.append(this.limitError, this.limits.root, this.reason, this.notice);

    // The param list.
    this.editorCount = element("span", "fm-quiet fm-num");
    this.textarea = element("textarea", "fm-text", {
      "aria-label": "Param list", spellcheck: "false", autocapitalize: "off", wrap: "off", rows: "8",
      "aria-describedby": `${id}-check`,
    });
    this.checkLine = element("div", "fm-check", { id: `${id}-check`, role: "status" });
    this.revert = element("button", "fm-button fm-small", { type: "button", title: "Undo all edits" }, "Revert");
    this.editor = element("details", "fm-editor", {},
      element("summary", "", {}, element("span", "fm-label", {}, "Params"), this.editorCount),
      this.textarea, element("div", "fm-editor-foot", {}, this.checkLine, this.revert));
    body.append(this.editor);

    // The instances.
    const columns = ["#", "status", "node", "params", "seconds"];
    const headRow = element("div", "fm-row fm-row-head", { role: "row", "aria-rowindex": "1" },
      ...columns.map((name, i) => element("span", `fm-cell fm-c${i}`, { role: "columnheader" }, name)));
    this.spacer = element("div", "fm-spacer", { role: "presentation" });
    this.scroller = element("div", "fm-scroller", { role: "rowgroup" }, this.spacer);
    this.grid = element("div", "fm-grid", {
      role: "grid", "aria-label": "Instances", "aria-colcount": "5", tabindex: "0",
    }, element("div", "", { role: "rowgroup" }, headRow), this.scroller);
    this.pool = Array.from({ length: POOL }, () => this.poolRow());
    this.empty = element("div", "fm-empty");
    this.opened = new Opened(this);
    body.append(element("div", "fm-instances", {}, element("div", "fm-list", {}, this.grid, this.empty), this.opened.root));

    this.live = element("div", "fm-hidden", { "aria-live": "polite" });
    body.append(this.live);
    keepKeys(this.root);
  }

  poolRow() {
    const svg = icon();
    const word = element("span", "fm-word");
    const cells = [0, 1, 2, 3, 4].map((i) => element("span", `fm-cell fm-c${i}`, { role: "gridcell" }));
    cells[1].append(svg, word);
    const row = element("div", "fm-row", { role: "row" }, ...cells);
    row.hidden = true;
    this.spacer.append(row);
    return { row, cells, svg, word, index: -1 };
  }

  listen() {
    const { store, root } = this;
    // JupyterLab hears keys in the bubble phase: it would stop arrows, and take letters for commands.
    // Notebook hears them in the capture phase: there `keepKeys` helps.
    for (const type of ["keydown", "keyup", "keypress"]) {
      root.addEventListener(type, (event) => event.stopPropagation());
    }
    this.slider.addEventListener("input", () => this.move(Number(this.slider.value)));
    this.slider.addEventListener("pointerdown", () => {
      this.dragging = true;
      this.wanted = Number(this.slider.value); // not what an earlier drag has left
    });
    for (const type of ["pointerup", "pointercancel", "change", "blur"]) {
      this.slider.addEventListener(type, () => { this.dragging = false; this.later(); });
    }
    this.box.addEventListener("input", () => this.type());
    this.box.addEventListener("blur", () => { write(this.limitError, ""); this.box.removeAttribute("aria-invalid"); this.later(); });
    for (const [name, button] of this.buttons) button.addEventListener("click", () => this.press(name));
    this.textarea.addEventListener("input", () => this.edit());
    this.revert.addEventListener("click", () => {
      store.draft = null;
      store.check = null;
      store.tell();
      this.textarea.focus();
    });
    this.scroller.addEventListener("scroll", () => this.later(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("focus", () => this.later());
    this.spacer.addEventListener("click", (event) => {
      const slot = this.pool.find(({ row }) => row.contains(event.target));
      if (!slot || slot.index < 0) return;
      this.active = slot.index;
      store.open(store.opened === slot.index ? null : slot.index);
    });
    this.changed = () => this.later();
    store.views.add(this.changed);
    this.ticker = setInterval(() => {
      if (store.moves) this.later();
    }, 250);
    this.resized = new ResizeObserver(() => this.later());
    this.resized.observe(this.scroller);
    // ipywidgets marks the view's element when the kernel behind it has gone.
    this.marked = new MutationObserver(() => this.later());
    this.marked.observe(this.el, { attributes: true, attributeFilter: ["class"] });
  }

  remove() {
    this.store.views.delete(this.changed);
    clearInterval(this.ticker);
    clearTimeout(this.checkTimer);
    clearTimeout(this.limitTimer);
    cancelAnimationFrame(this.frame);
    this.resized.disconnect();
    this.marked.disconnect();
  }

  get gone() {
    return this.store.gone || this.el.classList.contains("jupyter-widgets-disconnected");
  }

  // What one does

  press(name) {
    if (name === "run") {
      const { store } = this;
      const text = store.draft !== null && store.draft !== store.editor.text ? store.draft : null;
      store.send({ type: "run", text });
      this.editor.open = false;
    } else {
      this.store.send({ type: name });
    }
    this.later();
  }

  /** Send the limit, at most 20 times a second, the last one for certain. */
  move(value) {
    this.wanted = value;
    this.box.value = String(value);
    this.box.removeAttribute("aria-invalid");
    write(this.limitError, "");
    if (this.limitTimer) return;
    const act = () => {
      this.limitTimer = 0;
      if (this.wanted === this.lastSent) return;
      this.lastSent = this.wanted;
      this.limitN = this.store.send({ type: "limit", value: this.wanted });
      this.limitTimer = setTimeout(act, 50);
    };
    this.lastSent = undefined;
    act();
  }

  type() {
    const value = Number(this.box.value);
    if (!/^\d+$/.test(this.box.value.trim()) || value < 1 || value > 1e6) {
      this.box.setAttribute("aria-invalid", "true");
      write(this.limitError, "The limit is a whole number from 1 up.");
      return;
    }
    if (value > Number(this.slider.max)) this.slider.max = String(2 * value);
    this.slider.value = String(value);
    const text = this.box.value;
    this.move(value);
    this.box.value = text;
  }

  edit() {
    const { store } = this;
    store.draft = this.textarea.value;
    store.check = null;
    clearTimeout(this.checkTimer);
    if (checkJson(store.draft).unsure) {
      this.checkTimer = setTimeout(() => {
        store.checkSent = store.send({ type: "check", text: store.draft });
      }, 300);
    }
    store.tell();
  }

  key(event) {
    const { store } = this;
    const last = store.rows.count - 1;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      this.active = Math.max(0, Math.min(last, this.active + steps[event.key]));
      this.reveal(this.active);
    } else if (event.key === "Enter" || event.key === " ") {
      if (last >= 0) store.open(store.opened === this.active ? null : this.active);
    } else if (event.key === "Escape") {
      this.close();
    } else {
      return;
    }
    event.preventDefault();
    this.later();
  }

  reveal(index) {
    const { scroller } = this;
    const top = index * ROW;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    const bottom = top + ROW - scroller.clientHeight;
    if (bottom > scroller.scrollTop) scroller.scrollTop = bottom;
  }

  close() {
    if (this.store.opened === null) return;
    this.store.open(null);
    this.grid.focus();
  }

  // What one sees

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
    this.drawHead();
    this.drawControls();
    this.limits.draw();
    this.drawNotices();
    this.drawEditor();
    this.drawRows();
    this.opened.draw();
    this.root.classList.toggle("fm-opened", this.store.opened !== null);
    this.root.classList.toggle("fm-gone", this.gone);
    this.speak();
  }

  drawHead() {
    const { header, rate, elapsed } = this.store;
    const { counts, total } = header;
    const done = counts[SUCCEEDED] + counts[FAILED] + counts[CANCELLED];
    const known = total ?? counts.reduce((sum, n) => sum + n, 0);
    write(this.flow, header.flow);
    const word = header.status === "finished" && counts[FAILED] ? "finished with failures" : header.status;
    setStatus(this.chip, this.chipIcon, this.chipWord, header.status === "finished" && counts[FAILED] ? "failed" : header.status);
    write(this.chipWord, word);
    setCooling(this.cool, this.gone ? 0 : this.store.cooling);
    const of = total === null ? (header.status === "idle" ? "" : "/?") : `/${number.format(total)}`;
    const percent = total ? `  ${Math.floor((100 * done) / total)}%` : "";
    write(this.done, header.status === "idle" ? (total === null ? "" : plural(total, "instance")) : `${number.format(done)}${of}${percent}`);
    const left = total === null ? NaN : (total - done) / rate;
    write(this.time, header.status === "idle" ? ""
      : header.ticking ? `${clock(Math.floor(elapsed))} < ${rate > 0 ? clock(left) : "?"}` : clock(elapsed));
    write(this.rate, header.status === "idle" ? "" : rateText(rate));
    write(this.failures, counts[FAILED] ? `${number.format(counts[FAILED])} failed` : "");
    for (const [code, segment] of this.segments) {
      const share = known ? (100 * counts[code]) / known : code === PENDING ? 100 : 0;
      const grow = counts[code] && share < 0.6 ? 0.6 : share; // a single failure must be seen
      if (segment.style.flexGrow !== String(grow)) segment.style.flexGrow = String(grow);
    }
    for (const [code, item, text] of this.legendItems) {
      item.hidden = !counts[code];
      write(text, `${number.format(counts[code])} ${STATUSES[code]}`);
    }
    const words = STATUSES.map((name, code) => [counts[code], name]).filter(([n]) => n)
      .map(([n, name]) => `${number.format(n)} ${name}`).join(", ");
    const label = words ? `Instances: ${words}` : "No instances";
    if (this.bar.getAttribute("aria-label") !== label) this.bar.setAttribute("aria-label", label);
  }

  drawControls() {
    const { store, gone } = this;
    const { header } = store;
    // What the user has set counts until the kernel has heard of it; then what the kernel says.
    const settled = !this.limitN || store.heard >= this.limitN;
    const shown = settled && !this.limitTimer && !this.dragging ? header.limit : this.wanted ?? header.limit;
    const top = Math.max(shown, header.adaptive?.[1] ?? 0);
    if (top > Number(this.slider.max)) this.slider.max = String(top === shown ? 2 * top : top);
    if (Number(this.slider.value) !== shown) this.slider.value = String(shown);
    if (document.activeElement !== this.box && this.box.value !== String(shown)) this.box.value = String(shown);
    const most = Number(this.slider.max);
    const [low, high] = header.adaptive ?? [1, 1];
    for (const [name, limit] of [["fill", shown], ["low", low], ["high", high]]) {
      this.slider.style.setProperty(`--fm-${name}`, `${(100 * (limit - 1)) / (most - 1)}%`);
    }
    const adapting = adaptingText(header.adaptive);
    writeAttribute(this.slider, "aria-valuetext", adapting && `limit ${shown}, ${adapting}`);
    write(this.adapting, adapting + (adapting && header.refused ? ` · ${number.format(header.refused)} refused` : ""));
    this.slider.disabled = this.box.disabled = gone;
    write(this.perMinute, header.per_minute ? `≤ ${number.format(header.per_minute)}/min` : "");

    const could = this.buttons.find(([, button]) => button === document.activeElement);
    for (const [name, button] of this.buttons) {
      const off = gone || !header.can.includes(name) || (name === "run" && this.editorProblem() !== "");
      if (button.disabled !== off) button.disabled = off;
    }
    // The button just pressed may be off now: keep the keyboard's place among its neighbours.
    if (could && could[1].disabled) this.buttons.find(([, button]) => !button.disabled)?.[1].focus();

  }

  drawNotices() {
    const { store, gone } = this;
    const { header } = store;
    const ending = header.status === "stopping" ? "It is stopping" : "It stopped";
    write(this.reason, header.reason ? `${ending} by itself: ${header.reason}.` : "");
    const waiting = store.heard < store.sent && performance.now() - store.sentAt > 1500;
    write(this.notice, gone
      ? "The kernel of this panel is gone: this is the last it sent. Run the cell again for a new panel."
      : waiting ? "Waiting for the kernel, which is busy with a cell." : header.notice);
    this.notice.classList.toggle("fm-waiting", waiting && !gone);
  }

  editorProblem() {
    const { draft, editor, check } = this.store;
    if (draft === null || draft === editor.text || !editor.editable) return "";
    const json = checkJson(draft);
    if (json.message && !check) return json.message;
    if (check && check.count === null) {
      return `${check.line === null ? "" : `Line ${check.line}: `}${check.message}`;
    }
    return "";
  }

  drawEditor() {
    const { store } = this;
    const { editor, draft, check, header } = store;
    const text = draft ?? editor.text;
    if (this.textarea.value !== text) this.textarea.value = text;
    if (this.textarea.readOnly !== (!editor.editable || this.gone)) this.textarea.readOnly = !editor.editable || this.gone;
    const hide = !editor.text && !editor.editable;
    this.textarea.hidden = hide;
    const edited = draft !== null && draft !== editor.text;
    this.revert.hidden = !edited;
    const problem = this.editorProblem();
    const json = edited ? checkJson(draft) : {};
    const count = check?.count ?? json.count;
    let line = editor.reason;
    if (!line && edited) {
      if (problem) line = problem;
      else if (count !== undefined) line = plural(count, "instance");
      else line = "Checking…";
    }
    write(this.checkLine, line);
    this.checkLine.classList.toggle("fm-bad", problem !== "");
    this.textarea.setAttribute("aria-invalid", String(problem !== ""));
    write(this.editorCount, edited ? (problem ? "edited, not valid yet" : `edited, ${count === undefined ? "…" : plural(count, "instance")}`)
      : header.total === null ? "" : plural(header.total, "instance"));
  }

  drawRows() {
    const { store, scroller } = this;
    const { rows, header, texts } = store;
    const n = rows.count;
    this.grid.setAttribute("aria-rowcount", String(header.total === null ? -1 : n + 1));
    const height = `${n * ROW}px`;
    if (this.spacer.style.height !== height) this.spacer.style.height = height;
    this.grid.hidden = n === 0;
    this.empty.hidden = n !== 0;
    write(this.empty, header.status === "idle" ? "The instances appear here when it runs." : "No instances yet.");
    if (this.active >= n) this.active = Math.max(0, n - 1);

    const shown = Math.ceil(scroller.clientHeight / ROW) + 1;
    const spare = Math.max(0, Math.floor((POOL - shown) / 2));
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - spare);
    const last = Math.min(n, first + POOL);
    const focused = document.activeElement === this.grid;
    for (let i = first; i < last; i += 1) this.drawRow(this.pool[i % POOL], i, focused);
    for (const slot of this.pool) {
      const off = slot.index < first || slot.index >= last;
      if (off && !slot.row.hidden) {
        slot.row.hidden = true;
        slot.index = -1;
      }
    }
    if (n) {
      this.grid.setAttribute("aria-activedescendant", `${this.id}-row-${this.active}`);
      if (!this.gone && first < last) store.want(first, last);
    }
  }

  drawRow(slot, i, focused) {
    const { store } = this;
    const { rows, header, texts } = store;
    const { row, cells } = slot;
    if (slot.index !== i) {
      slot.index = i;
      row.style.transform = `translateY(${i * ROW}px)`;
      row.setAttribute("aria-rowindex", String(i + 2));
      row.id = `${this.id}-row-${i}`;
      row.hidden = false;
      write(cells[0], number.format(i));
    }
    const status = STATUSES[rows.status[i]] ?? "pending";
    setStatus(row, slot.svg, slot.word, status);
    write(cells[2], rows.status[i] === PENDING ? "" : header.nodes[rows.node[i]] ?? "");
    const text = texts.get(i) ?? "…";
    if (cells[3].textContent !== text) {
      cells[3].textContent = text;
      cells[3].title = text;
    }
    const tries = rows.earlier[i] > 0 ? `×${rows.earlier[i] + 1} ` : "";
    write(cells[4], tries + duration(store.seconds(i)));
    const opened = store.opened === i;
    if (row.getAttribute("aria-selected") !== String(opened)) row.setAttribute("aria-selected", String(opened));
    row.classList.toggle("fm-active", focused && i === this.active);
  }

  /** Tell a screen reader how far it is, at most every 5 seconds. */
  speak() {
    const { header } = this.store;
    const { counts, total } = header;
    if (header.status === "idle") return;
    const done = counts[SUCCEEDED] + counts[FAILED] + counts[CANCELLED];
    const failed = counts[FAILED] ? `, ${counts[FAILED]} failed` : "";
    const waits = this.store.cooling > 0 ? ", waiting as the provider asked" : "";
    const text = `${header.status}: ${done}${total === null ? "" : ` of ${total}`} done${failed}${waits}`;
    if (text === this.spoken || this.speakTimer) return;
    const wait = this.spokenAt + 5000 - performance.now();
    if (wait > 0) {
      this.speakTimer = setTimeout(() => { this.speakTimer = 0; this.later(); }, wait);
      return;
    }
    this.spokenAt = performance.now();
    this.spoken = text;
    write(this.live, text);
  }
}

// ---------------------------------------------------------------- anywidget's two hooks

/**
 * One store per model. Each hook gets a proxy of its own of the model, so the panel's id is the key.
 * @type {Map<string, Store>}
 */
const stores = new Map();

function storeOf(model) {
  const id = model.get("panel_id");
  let store = stores.get(id);
  if (!store) {
    store = new Store(model);
    stores.set(id, store);
    const known = store;
    model.on("change", () => known.read());
    model.on("msg:custom", (message, buffers) => known.take(message, buffers));
  }
  return store;
}

function initialize({ model }) {
  stores.delete(model.get("panel_id")); // of a model that this one replaces
  const store = storeOf(model);
  return () => {
    store.dispose();
    if (stores.get(model.get("panel_id")) === store) stores.delete(model.get("panel_id"));
  };
}

function render({ model, el }) {
  const view = new View(storeOf(model), el);
  return () => view.remove();
}

export default { initialize, render };
