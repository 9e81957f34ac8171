// The named limits of the process.

/** @import { LimitState } from "../store/protocol.js" */

import { coolChip, element, keepKeys, setCooling, write, writeAttribute } from "../ui/elements.js";
import { adaptingText, number } from "../ui/format.js";

/** The adjustable fields of a named limit, each with its texts, current usage and input step. */
const FIELDS = [
  { field: "concurrency", unit: () => "at once", label: () => "calls at once", used: (limit) => limit.running, step: "1" },
  {
    field: "per_minute", unit: (limit) => `calls/${windowText(limit, "min")}`,
    label: (limit) => `calls per ${windowText(limit, "minute")}`, used: (limit) => limit.calls, step: "1",
  },
  {
    field: "tokens_per_minute", unit: (limit) => `tokens/${windowText(limit, "min")}`,
    label: (limit) => `tokens per ${windowText(limit, "minute")}`, used: (limit) => limit.tokens, step: "1000",
  },
];
const TYPING_MS = 400; // without a key, after which a number counts as complete

/** The limit's time window, in words; `minute` if it is a minute. */
const windowText = ({ window }, minute) => (window === 60 ? minute : `${number.format(window)} s`);

/** An input for one number of a named limit: the value in force, or what the user is typing. */
class LimitField {
  constructor(view, name, { field, unit, label, used, step }) {
    this.view = view;
    this.name = name;
    this.field = field;
    this.unit = unit;
    this.label = label;
    this.used = used;
    this.typing = false;
    this.sentN = 0;
    this.shownN = -1; // the number of the command whose outcome the input shows
    this.timer = 0;
    this.input = element("input", "fm-box fm-tune", {
      type: "number", min: step, step, placeholder: "∞", inputmode: "numeric", "data-field": field,
      title: "Takes effect immediately; leave empty for no limit",
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
      if (event.key === "Escape") this.revert();
    });
  }

  /** The value of the input: null for no limit, undefined if it is not a number. */
  get value() {
    const { validity, value } = this.input;
    if (validity.badInput) return undefined;
    return value.trim() === "" ? null : Number(value);
  }

  edit(event) {
    this.typing = true;
    clearTimeout(this.timer);
    this.timer = 0;
    // An empty input, meaning no limit, takes effect only on Enter or blur: it may just be on its
    // way to another number. A step with an arrow is no typing, so it takes effect sooner.
    if (typeof this.value === "number") this.sendLater(event.inputType ? TYPING_MS : 50);
  }

  sendLater(wait) {
    this.timer = setTimeout(() => { this.timer = 0; this.send(); }, wait);
  }

  commit() {
    if (!this.typing) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.typing = false;
    this.send();
    this.view.scheduleDraw();
  }

  revert() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.typing = false;
    this.shownN = -1;
    this.view.scheduleDraw();
  }

  /** Whether the kernel has processed the last command. */
  get settled() {
    return this.view.store.acknowledged >= this.sentN;
  }

  send() {
    const { value } = this;
    if (value === undefined || value === (this.settled ? this.inForce : this.wanted)) return;
    this.wanted = value;
    this.sentN = this.view.store.send({ type: "named_limit", name: this.name, field: this.field, value });
  }

  /** @param {LimitState} limit */
  draw(limit) {
    const { input, view } = this;
    this.inForce = limit[this.field];
    // Do not change the value while the user is about to type.
    const held = document.activeElement === input && this.shownN === this.sentN;
    if (!this.typing && !this.timer && this.settled && !held) {
      this.shownN = this.sentN;
      const text = this.inForce === null ? "" : String(this.inForce);
      if (input.value !== text || this.value === undefined) input.value = text;
    }
    const live = view.store.header.ticking && !view.gone; // otherwise the usage would soon be stale
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

/** The named limits of the process, one line each. */
export class NamedLimits {
  constructor(view) {
    this.view = view;
    this.lines = new Map();
    this.rest = element("div", "fm-quiet");
    this.body = element("div", "fm-limit-lines");
    this.root = element("section", "fm-limits", { role: "group", "aria-label": "Named limits" }, this.body, this.rest);
  }

  line(name) {
    const cool = coolChip();
    const fields = FIELDS.map((each) => new LimitField(this.view, name, each));
    const root = element("div", "fm-limit-line", { role: "group", "aria-label": `Limit ${name}` },
      element("span", "fm-limit-head", {}, element("span", "fm-limit-name", { title: name }, name), cool.chip),
      ...fields.map((each) => each.root));
    keepKeys(root);
    return { root, fields, cool };
  }

  /** @param {string} name */
  focus(name) {
    this.lines.get(name)?.fields[0].input.focus();
  }

  draw() {
    const { store } = this.view;
    const { limits, limits_omitted: more } = store.header;
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
    write(this.rest, more ? `and ${number.format(more)} more: see flowmagic.named_limits()` : "");
  }
}
