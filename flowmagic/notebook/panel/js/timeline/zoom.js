// How one moves through the time: by wheel, pointer, keys and buttons.

import { element, write, writeAttribute } from "../ui/elements.js";

const FACTOR = 1.5;
const CLICK = 4; // CSS pixels within which a press is no drag
const KEYS = "Zoom with + and −, or with Ctrl and the wheel; move with Shift and the arrows, or drag.";

export class Zoom {
  constructor(timeline) {
    this.timeline = timeline;
    /** @type {{x: number, y: number, from: number, top: number, moved: boolean, scale: boolean} | null} */
    this.drag = null;
    this.told = "";
    const button = (label, name, act) => {
      const made = element("button", "fm-button fm-small", { type: "button", title: name, "aria-label": name });
      write(made, label);
      made.addEventListener("click", () => {
        act();
        timeline.view.later();
      });
      return made;
    };
    this.less = button("−", "Zoom out", () => this.by(FACTOR));
    this.more = button("+", "Zoom in", () => this.by(1 / FACTOR));
    this.all = button("Fit", "Fit: show the whole run", () => timeline.span.fit());
    this.follow = button("Follow", "Follow: stay with the present", () => {
      timeline.span.follow(!timeline.span.follows, timeline.now, timeline.live);
    });
    this.root = element("div", "fm-buttons fm-zoom", { role: "group", "aria-label": "Time shown", title: KEYS },
      this.less, this.more, this.all, this.follow);
    this.mark = element("div", "fm-selected", { "aria-hidden": "true" });
    this.mark.hidden = true;
    timeline.map.append(this.mark);
    this.listen();
  }

  listen() {
    const { map, view, stage } = this.timeline;
    const { canvas, scale } = stage;
    map.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    for (const target of [canvas, scale]) {
      target.addEventListener("pointerdown", (event) => this.press(event, target === scale));
      target.addEventListener("pointermove", (event) => this.move(event, target === scale));
      target.addEventListener("pointerup", (event) => this.release(event));
      target.addEventListener("pointercancel", () => this.end());
      target.addEventListener("pointerleave", () => {
        this.told = "";
        if (!this.drag) this.timeline.point(null);
      });
    }
    scale.addEventListener("dblclick", () => {
      this.timeline.span.fit();
      view.later();
    });
  }

  by(factor, share = this.timeline.focus) {
    const { span, now, live } = this.timeline;
    span.zoom(factor, share, now, live);
  }

  pan(share) {
    const { span, now, live, shown } = this.timeline;
    span.pan(share * (shown.to - shown.from), now, live);
  }

  /** @returns {boolean} whether a key was one for this */
  key(event) {
    const { key, shiftKey } = event;
    if (key === "+" || key === "=") this.by(1 / FACTOR);
    else if (key === "-" || key === "_") this.by(FACTOR);
    else if (key === "0") this.timeline.span.fit();
    else if (shiftKey && key === "ArrowLeft") this.pan(-0.25);
    else if (shiftKey && key === "ArrowRight") this.pan(0.25);
    else if (key === "PageUp") this.pan(-0.9);
    else if (key === "PageDown") this.pan(0.9);
    else return false;
    return true;
  }

  wheel(event) {
    const { map, stage, view, span } = this.timeline;
    const along = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.ctrlKey || event.metaKey || event.shiftKey) {
      const share = (event.clientX - map.getBoundingClientRect().left) / stage.width;
      const turned = event.deltaY || event.deltaX;
      this.by(2 ** (Math.max(-100, Math.min(100, turned)) / 200), Math.max(0, Math.min(1, share)));
    } else if (along && span.seconds !== null) {
      this.pan(event.deltaX / stage.width);
    } else {
      return; // the page's, or the lanes'
    }
    event.preventDefault();
    view.later();
  }

  press(event, scale) {
    if (event.button !== 0) return;
    const { timeline } = this;
    event.target.setPointerCapture?.(event.pointerId);
    this.drag = {
      x: event.offsetX, y: event.clientY, from: timeline.shown.from, top: timeline.stage.scroller.scrollTop, moved: false, scale,
    };
    if (!scale) timeline.point({ x: event.offsetX, y: event.offsetY });
  }

  move(event, scale) {
    const { timeline, drag } = this;
    if (!drag) {
      this.told = scale ? timeline.changeAt(event.offsetX) : "";
      timeline.point(scale ? null : { x: event.offsetX, y: event.offsetY });
      return;
    }
    const moved = event.offsetX - drag.x;
    drag.moved ||= Math.abs(moved) > CLICK || (!drag.scale && Math.abs(event.clientY - drag.y) > CLICK);
    if (!drag.moved) return;
    if (drag.scale) {
      const [left, right] = this.selected(event.offsetX);
      this.mark.hidden = false;
      this.mark.style.cssText = `left:${left}px;width:${right - left}px`;
    } else {
      timeline.point(null);
      const { span, now, live, shown, stage } = timeline;
      if (span.seconds !== null) span.go(drag.from - (moved / stage.width) * (shown.to - shown.from), now, live);
      stage.scroller.scrollTop = drag.top - (event.clientY - drag.y);
    }
    timeline.view.later();
  }

  /** @returns {number[]} from where to where the pointer was drawn along the scale */
  selected(x) {
    const at = Math.max(0, Math.min(this.timeline.stage.width, x));
    return [Math.min(this.drag?.x ?? at, at), Math.max(this.drag?.x ?? at, at)];
  }

  release(event) {
    const { timeline, drag } = this;
    if (!drag) return;
    if (drag.scale && drag.moved) {
      const { from, to } = timeline.shown;
      const [one, other] = this.selected(event.offsetX).map((x) => from + (x / timeline.stage.width) * (to - from));
      timeline.span.select(one, other, timeline.now, timeline.live);
    } else if (!drag.moved && !drag.scale) {
      timeline.click({ x: event.offsetX, y: event.offsetY });
    }
    this.end();
  }

  end() {
    this.drag = null;
    this.mark.hidden = true;
    this.timeline.view.later();
  }

  draw() {
    const { span, live } = this.timeline;
    const whole = span.seconds === null;
    this.less.disabled = whole;
    this.all.disabled = whole;
    this.follow.hidden = !live;
    writeAttribute(this.follow, "aria-pressed", String(span.follows));
  }
}
