// How far an element is scrolled, without a question to the page.

/** Follows the scroll events: to read `scrollTop` while drawing would force a layout in every frame. */
export class ScrollPosition {
  /** @param {any} scroller @param {() => void} changed */
  constructor(scroller, changed) {
    this.scroller = scroller;
    this.top = 0; // CSS pixels
    scroller.addEventListener("scroll", () => {
      this.top = scroller.scrollTop;
      changed();
    }, { passive: true });
  }

  /** Scroll as far as possible towards `top`. Forces a layout: to be called where the user acts. */
  moveTo(top) {
    this.scroller.scrollTop = top;
    this.top = this.scroller.scrollTop;
  }

  /** Scroll no further than needed to have `height` pixels from `top` in a window of `room` pixels. */
  reveal(top, height, room) {
    if (top < this.top) this.moveTo(top);
    else if (top + height > this.top + room) this.moveTo(top + height - room);
  }
}
