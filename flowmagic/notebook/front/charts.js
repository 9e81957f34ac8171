// How the run goes, as small charts: throughput, running against limit, latency, errors.

import { element } from "./elements.js";

export class Charts {
  constructor(view) {
    this.view = view;
    this.root = element("div", "fm-charts");
  }

  draw() {}
}
