// Routes the edges of the graph: forward from layer to layer, and backward around all layers.

/**
 * A link is all edges between the same two nodes; it is drawn as one line. A cell is a node in its
 * layer, or the place where a line passes a layer. `m` is the position along the flow, `c` across.
 * @typedef {{start: number, end: number, edges: number[], back: boolean, points: number[][], label: number[]}} Line
 */

// Lengths are CSS pixels.
export const LINE = 16; // height of one line of a label
export const MAX_LABELS = 3; // actions in a label
const PORT = 16; // greatest distance between edges at a box
export const TURN = 13; // distance from a box at which a backward edge turns
export const BESIDE = 24; // additional distance within which all backward edges turn
export const LABEL_WIDTH = 104; // as in panel.css

/** The number of lines in the label of some edges. */
export function labels(edges) {
  return Math.min(edges.length, MAX_LABELS + 1);
}

/** The positions across the flow where each link leaves its start and reaches its end; backward links come last. */
export function portsOf(links, backs, cells, chains) {
  const ports = new Map(links.map((link) => [link, { out: 0, in: 0 }]));
  const spread = (cell, side, ends) => {
    const aim = (link) => {
      if (backs.has(link)) return Infinity;
      const chained = chains.get(link);
      return side === "out" ? chained[1].c : chained[chained.length - 2].c;
    };
    const sorted = links.filter(ends).sort((one, other) => (aim(one) === aim(other) ? 0 : aim(one) - aim(other)));
    const step = Math.min(PORT, cell.cross / (sorted.length + 1));
    sorted.forEach((link, k) => { ports.get(link)[side] = cell.c + step * (k - (sorted.length - 1) / 2); });
  };
  for (const cell of cells.values()) {
    spread(cell, "out", ({ start }) => start === cell.i);
    spread(cell, "in", ({ end }) => end === cell.i);
  }
  return ports;
}

/** @returns {Line} a line along the flow */
export function ahead(link, chained, cells, ports, links) {
  const [start, end] = [cells.get(link.start), cells.get(link.end)];
  const through = chained.slice(1, -1);
  // Go straight to the end of the layer, past larger boxes in it.
  const points = [
    [start.m + start.main, ports.get(link).out], ...(start.till > start.m + start.main ? [[start.till, ports.get(link).out]] : []),
    ...through.flatMap((cell) => [[cell.m, cell.c], [cell.m + cell.main, cell.c]]),
    [end.m, ports.get(link).in],
  ];
  let label;
  if (through.length) {
    const cell = through[Math.floor(through.length / 2)];
    label = [cell.m + cell.main / 2, cell.c];
  } else {
    // Where lines fork or join, put the label near the end that belongs to this line alone.
    const out = links.filter((each) => each.start === link.start).length;
    const into = links.filter((each) => each.end === link.end).length;
    const t = out > into ? 0.56 : out < into ? 0.44 : 0.5;
    const share = 3 * (1 - t) * t * t + t ** 3;
    const [[m0, c0], [m1, c1]] = points.slice(-2);
    label = [(m0 + m1) / 2, c0 + (c1 - c0) * share];
  }
  return { start: link.start, end: link.end, edges: link.edges, back: false, points, label };
}

/** @returns {Line[]} the backward lines, each in a lane beside all cells; short ones lie inside long ones */
export function around(backs, cells, ports, edge, vertical) {
  const spans = backs.map((link) => {
    const [start, end] = [cells.get(link.start), cells.get(link.end)];
    return { link, leave: start.m + start.main, from: start.till, to: end.m };
  }).sort((one, other) => (one.from - one.to) - (other.from - other.to));
  const step = vertical ? LABEL_WIDTH / 2 + 6 : Math.max(...backs.map(({ edges }) => LINE * labels(edges)), LINE) + 8;
  /** @type {number[][][]} */
  const taken = [];
  const apart = Math.min(5, BESIDE / backs.length);
  return spans.map(({ link, leave, from, to }, k) => {
    let lane = taken.findIndex((spots) => spots.every(([low, high]) => from + TURN < low || to - TURN > high));
    if (lane < 0) lane = taken.push([]) - 1;
    taken[lane].push([to - TURN, from + TURN]);
    const c = edge + step / 2 + 6 + step * lane;
    const [out, back] = [from + TURN + apart * k, to - TURN - apart * k];
    const { out: leaves, in: reaches } = ports.get(link);
    return {
      start: link.start, end: link.end, edges: link.edges, back: true,
      points: [[leave, leaves], [out, leaves], [out, c], [back, c], [back, reaches], [to, reaches]],
      label: [(out + back) / 2, c],
    };
  });
}

/** @param {Line} line @param {boolean} vertical @returns {string} its path as SVG path data */
export function pathOf({ points, back }, vertical) {
  /** @param {number[]} point */
  const write = ([x, y]) => `${round(x)} ${round(y)}`;
  let path = `M${write(points[0])}`;
  points.slice(1).forEach((to, k) => {
    const from = points[k];
    if (!back) {
      const half = vertical ? (from[1] + to[1]) / 2 : (from[0] + to[0]) / 2;
      const [one, other] = vertical ? [[from[0], half], [to[0], half]] : [[half, from[1]], [half, to[1]]];
      path += `C${write(one)} ${write(other)} ${write(to)}`;
    } else if (k + 2 < points.length) {
      const next = points[k + 2];
      const turn = Math.min(8, length(from, to) / 2, length(to, next) / 2);
      path += `L${write(toward(to, from, turn))}Q${write(to)} ${write(toward(to, next, turn))}`;
    } else {
      path += `L${write(to)}`;
    }
  });
  return path;
}

const round = (n) => Math.round(10 * n) / 10;
/** @param {number[]} from @param {number[]} to */
const length = ([x0, y0], [x1, y1]) => Math.abs(x1 - x0) + Math.abs(y1 - y0);

/** @param {number[]} from @param {number[]} to @param {number} way */
function toward(from, to, way) {
  const all = length(from, to) || 1;
  return [from[0] + ((to[0] - from[0]) * way) / all, from[1] + ((to[1] - from[1]) * way) / all];
}
