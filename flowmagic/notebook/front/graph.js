// The flow's own nodes and actions, with how many instances are where.

import { element } from "./elements.js";

export class Graph {
  constructor(view) {
    this.view = view;
    this.root = element("div", "fm-graph");
  }

  draw() {}
}
