// When each instance ran: a lane per running slot, a bar per instance.

import { element } from "./elements.js";

export class Timeline {
  constructor(view) {
    this.view = view;
    this.root = element("div", "fm-timeline");
  }

  /** Go to an instance, which was opened here or elsewhere. */
  show(index) {
    this.active = index;
  }

  draw() {}
}
