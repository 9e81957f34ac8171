// Zooms and pans the timeline by wheel, pointer, keys and buttons.

import { element, smallButton, writeAttribute } from "../ui/elements.js";

const FACTOR = 1.5;
const CLICK = 4; // CSS pixels; a shorter drag is a click
const KEYS = "Zoom with + and −, or Ctrl and the wheel. Move with Shift and the arrow keys, or by dragging.";

export class Zoom {
  constructor(timeline) {
    this.timeline = timeline;
    /** @type {{x: number, y: number, from: number, top: number, moved: boolean, scale: boolean} | null} */
    this.drag = null;
    this.changeText = "";
    const button = (label, name, act) => {
      const made = smallButton(label, name, () => {
        act();
        timeline.view.scheduleDraw();
      });
      made.setAttribute("aria-label", name);
      return made;
    };
    this.zoomOut = button("−", "Zoom out", () => this.by(FACTOR));
    this.zoomIn = button("+", "Zoom in", () => this.by(1 / FACTOR));
    this.showAll = button("Fit", "Fit: show the whole run", () => timeline.timeRange.fit());
    this.follow = button("Follow", "Follow the present", () => {
      timeline.timeRange.follow(!timeline.timeRange.follows, timeline.now, timeline.live);
    });
    this.root = element("div", "fm-buttons fm-zoom", { role: "group", "aria-label": "Time shown", title: KEYS },
      this.zoomOut, this.zoomIn, this.showAll, this.follow);
    this.mark = element("div", "fm-selected", { "aria-hidden": "true" });
    this.mark.hidden = true;
    timeline.map.append(this.mark);
    this.listen();
  }

  listen() {
    const { map, view, canvas } = this.timeline;
    const { barCanvas, axisCanvas } = canvas;
    map.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    for (const target of [barCanvas, axisCanvas]) {
      target.addEventListener("pointerdown", (event) => this.press(event, target === axisCanvas));
      target.addEventListener("pointermove", (event) => this.move(event, target === axisCanvas));
      target.addEventListener("pointerup", (event) => this.release(event));
      target.addEventListener("pointercancel", () => this.end());
      target.addEventListener("pointerleave", () => {
        this.changeText = "";
        if (!this.drag) this.timeline.point(null);
      });
    }
    axisCanvas.addEventListener("dblclick", () => {
      this.timeline.timeRange.fit();
      view.scheduleDraw();
    });
  }

  by(factor, share = this.timeline.focus) {
    const { timeRange, now, live } = this.timeline;
    timeRange.zoom(factor, share, now, live);
  }

  pan(share) {
    const { timeRange, now, live, shown } = this.timeline;
    timeRange.pan(share * (shown.to - shown.from), now, live);
  }

  /** @returns {boolean} whether the key was handled */
  key(event) {
    const { key, shiftKey } = event;
    if (key === "+" || key === "=") this.by(1 / FACTOR);
    else if (key === "-" || key === "_") this.by(FACTOR);
    else if (key === "0") this.timeline.timeRange.fit();
    else if (shiftKey && key === "ArrowLeft") this.pan(-0.25);
    else if (shiftKey && key === "ArrowRight") this.pan(0.25);
    else if (key === "PageUp") this.pan(-0.9);
    else if (key === "PageDown") this.pan(0.9);
    else return false;
    return true;
  }

  wheel(event) {
    const { map, canvas, view, timeRange } = this.timeline;
    const along = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.ctrlKey || event.metaKey || event.shiftKey) {
      const share = (event.clientX - map.getBoundingClientRect().left) / canvas.width;
      const turned = event.deltaY || event.deltaX;
      this.by(2 ** (Math.max(-100, Math.min(100, turned)) / 200), Math.max(0, Math.min(1, share)));
    } else if (along && timeRange.seconds !== null) {
      this.pan(event.deltaX / canvas.width);
    } else {
      return; // leave it to the page or the lanes
    }
    event.preventDefault();
    view.scheduleDraw();
  }

  press(event, scale) {
    if (event.button !== 0) return;
    const { timeline } = this;
    event.target.setPointerCapture?.(event.pointerId);
    this.drag = {
      x: event.offsetX, y: event.clientY, from: timeline.shown.from, top: timeline.canvas.scroll.top, moved: false, scale,
    };
    if (!scale) timeline.point({ x: event.offsetX, y: event.offsetY });
  }

  move(event, scale) {
    const { timeline, drag } = this;
    if (!drag) {
      this.changeText = scale ? timeline.changeAt(event.offsetX) : "";
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
      const { timeRange, now, live, shown, canvas } = timeline;
      if (timeRange.seconds !== null) timeRange.go(drag.from - (moved / canvas.width) * (shown.to - shown.from), now, live);
      canvas.scroll.moveTo(drag.top - (event.clientY - drag.y));
    }
    timeline.view.scheduleDraw();
  }

  /** @returns {number[]} the left and right end of the selection on the axis */
  selected(x) {
    const at = Math.max(0, Math.min(this.timeline.canvas.width, x));
    return [Math.min(this.drag?.x ?? at, at), Math.max(this.drag?.x ?? at, at)];
  }

  release(event) {
    const { timeline, drag } = this;
    if (!drag) return;
    if (drag.scale && drag.moved) {
      const { from, to } = timeline.shown;
      const [one, other] = this.selected(event.offsetX).map((x) => from + (x / timeline.canvas.width) * (to - from));
      timeline.timeRange.select(one, other, timeline.now, timeline.live);
    } else if (!drag.moved && !drag.scale) {
      timeline.click({ x: event.offsetX, y: event.offsetY });
    }
    this.end();
  }

  end() {
    this.drag = null;
    this.mark.hidden = true;
    this.timeline.view.scheduleDraw();
  }

  draw() {
    const { timeRange, live } = this.timeline;
    const whole = timeRange.seconds === null;
    this.zoomOut.disabled = whole;
    this.showAll.disabled = whole;
    this.follow.hidden = !live;
    writeAttribute(this.follow, "aria-pressed", String(timeRange.follows));
  }
}
