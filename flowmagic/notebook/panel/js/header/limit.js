// The limit of the run: a slider, the number, and what else limits it.

import { element, write, writeAttribute } from "../ui/elements.js";
import { adaptingText, number } from "../ui/format.js";

export class LimitControl {
  constructor(view) {
    this.view = view;
    this.wanted = null;
    this.lastSent = undefined;
    this.limitN = 0;
    this.timer = 0;
    this.dragging = false;
    this.slider = element("input", "fm-slider", {
      type: "range", min: "1", max: "50", step: "1", "aria-label": "Concurrency limit",
      title: "How many instances run at once; can be changed during the run",
    });
    this.box = element("input", "fm-box", {
      type: "number", min: "1", step: "1", "aria-label": "Concurrency limit as a number",
      inputmode: "numeric", "aria-describedby": `${view.id}-limit-error`,
    });
    this.perMinute = element("span", "fm-quiet fm-num");
    this.adapting = element("span", "fm-quiet fm-num fm-adapting");
    this.error = element("div", "fm-problem", { id: `${view.id}-limit-error`, role: "alert" });
    this.root = element("div", "fm-limit", {},
      element("span", "fm-label", { "aria-hidden": "true" }, "Limit"),
      this.slider, this.box, this.perMinute, this.adapting);
    this.listen();
  }

  listen() {
    const { slider, box, view } = this;
    slider.addEventListener("input", () => this.move(Number(slider.value)));
    slider.addEventListener("pointerdown", () => {
      this.dragging = true;
      this.wanted = Number(slider.value); // forgets the value of an earlier drag
    });
    for (const type of ["pointerup", "pointercancel", "change", "blur"]) {
      slider.addEventListener(type, () => { this.dragging = false; view.scheduleDraw(); });
    }
    box.addEventListener("input", () => this.type());
    box.addEventListener("blur", () => {
      write(this.error, "");
      box.removeAttribute("aria-invalid");
      view.scheduleDraw();
    });
  }

  remove() {
    clearTimeout(this.timer);
  }

  /** Send the limit, at most 20 times a second; the last value is always sent. */
  move(value) {
    this.wanted = value;
    this.box.value = String(value);
    this.box.removeAttribute("aria-invalid");
    write(this.error, "");
    if (this.timer) return;
    const act = () => {
      this.timer = 0;
      if (this.wanted === this.lastSent) return;
      this.lastSent = this.wanted;
      this.limitN = this.view.store.send({ type: "limit", value: this.wanted });
      this.timer = setTimeout(act, 50);
    };
    this.lastSent = undefined;
    act();
  }

  type() {
    const value = Number(this.box.value);
    if (!/^\d+$/.test(this.box.value.trim()) || value < 1 || value > 1e6) {
      this.box.setAttribute("aria-invalid", "true");
      write(this.error, "The limit must be a whole number, at least 1.");
      return;
    }
    if (value > Number(this.slider.max)) this.slider.max = String(2 * value);
    this.slider.value = String(value);
    const text = this.box.value;
    this.move(value);
    this.box.value = text;
  }

  draw() {
    const { store, gone } = this.view;
    const { header } = store;
    const { slider, box } = this;
    // Show what the user set until the kernel has received it; then show the kernel's value.
    const settled = !this.limitN || store.acknowledged >= this.limitN;
    const shown = settled && !this.timer && !this.dragging ? header.limit : this.wanted ?? header.limit;
    const top = Math.max(shown, header.adaptive?.[1] ?? 0);
    if (top > Number(slider.max)) slider.max = String(top === shown ? 2 * top : top);
    if (Number(slider.value) !== shown) slider.value = String(shown);
    if (document.activeElement !== box && box.value !== String(shown)) box.value = String(shown);
    const most = Number(slider.max);
    const [low, high] = header.adaptive ?? [1, 1];
    for (const { name, limit } of [{ name: "fill", limit: shown }, { name: "low", limit: low }, { name: "high", limit: high }]) {
      slider.style.setProperty(`--fm-${name}`, `${(100 * (limit - 1)) / (most - 1)}%`);
    }
    const adapting = adaptingText(header.adaptive);
    writeAttribute(slider, "aria-valuetext", adapting && `limit ${shown}, ${adapting}`);
    write(this.adapting, adapting + (adapting && header.refused ? ` · ${number.format(header.refused)} refused` : ""));
    slider.disabled = box.disabled = gone;
    write(this.perMinute, header.per_minute ? `≤ ${number.format(header.per_minute)}/min` : "");
  }
}
