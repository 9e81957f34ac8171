// Where a panel is on its page: how wide it is, and whether anybody can see it.
//
// The width is told by classes, not by container queries. JupyterLab skips cells that are off screen, and what
// Chromium does not style there of a size container may be lost for good: the panel would show an old picture.

const BREAKPOINTS = [560, 720, 860, 900]; // CSS pixels; each has its class in panel.css
const PAPER = 720; // a page of A4 or Letter, whose width cannot be asked for
const MARGIN = "300px"; // how far off screen a panel is drawn, so that it is ready when it is scrolled to

export class Placement {
  /**
   * @param {HTMLElement} root
   * @param {() => void} seen called when the panel comes on screen
   */
  constructor(root, seen) {
    this.root = root;
    this.width = 0;
    this.visible = true;
    this.resized = new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width;
      this.setClasses(this.width);
    });
    this.resized.observe(root);
    // A scroll margin counts inside the notebook, a root margin in a page that scrolls as a whole.
    const margins = /** @type {IntersectionObserverInit} */ ({ rootMargin: MARGIN, scrollMargin: MARGIN });
    this.intersected = new IntersectionObserver((entries) => {
      this.visible = entries[entries.length - 1].isIntersecting;
      if (this.visible) seen();
    }, margins);
    this.intersected.observe(root);
  }

  remove() {
    this.resized.disconnect();
    this.intersected.disconnect();
  }

  /** Take the width of a sheet of paper, or that of the screen again. @param {boolean} on */
  print(on) {
    this.setClasses(on ? Math.min(this.width, PAPER) : this.width);
  }

  setClasses(width) {
    for (const edge of BREAKPOINTS) this.root.classList.toggle(`fm-under-${edge}`, width <= edge);
  }
}
