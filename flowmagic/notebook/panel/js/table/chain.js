// The node copies of an instance as a chain: ✓ LoadUser → ◐ Greet → Reply.

import { RUNNING, STATUSES, SUCCEEDED } from "../store/protocol.js";
import { element, icon } from "../ui/elements.js";

/** @import { ChainLink, Graph } from "../store/protocol.js" */

const MOST_AHEAD = 3; // nodes that are still to come

/**
 * The names of the nodes that follow a node wherever its copy goes, as far as the graph alone says so.
 * @param {Graph} graph
 * @param {string} name
 * @returns {string[]}
 */
export function nodesAhead({ nodes, edges }, name) {
  const ahead = [];
  let at = nodes.findIndex((node) => node.name === name);
  if (nodes.some((node, i) => i !== at && node.name === name)) return ahead;
  for (const seen = new Set([at]); at >= 0 && ahead.length < MOST_AHEAD; seen.add(at)) {
    const next = new Set(edges.filter(([from]) => from === at).map(([, to]) => to));
    const [only] = next;
    if (next.size !== 1 || seen.has(only) || nodes[only].level !== nodes[at].level) break;
    ahead.push(nodes[only].name);
    at = only;
  }
  return ahead;
}

/** A cell with a chain. Pointing at a node copy says what it received and what came out of it. */
export class ChainCell {
  constructor(cell) {
    this.cell = cell;
    this.drawn = "";
  }

  /**
   * @param {ChainLink[]} chain
   * @param {number} status of the row
   * @param {Graph} graph
   */
  draw(chain, status, graph) {
    const last = chain[chain.length - 1];
    const ahead = status === RUNNING && last && last[1] <= SUCCEEDED ? nodesAhead(graph, last[0]) : [];
    const drawn = JSON.stringify([chain, ahead]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const links = chain.map(([node, code, passed]) => element("span", "fm-step", { "data-status": STATUSES[code], title: `${node}: ${passed}` }, icon(STATUSES[code]), node));
    links.push(...ahead.map((node) => element("span", "fm-step fm-quiet", { title: `${node}: not started yet` }, node)));
    this.cell.replaceChildren(...links.flatMap((link, at) => (at ? [" → ", link] : [link])));
  }
}
