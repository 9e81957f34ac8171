// A layered layout of the graph: layer after layer, in the direction of the flow.

/** @import { Line } from "./edges.js" */

import { BESIDE, LABEL_WIDTH, LINE, TURN, ahead, around, labels, portsOf } from "./edges.js";

/**
 * Lengths are CSS pixels. Edges between the same two nodes are drawn as one line.
 * @typedef {{x: number, y: number, width: number, height: number, frame: boolean}} Box
 * @typedef {{width: number, height: number, vertical: boolean, boxes: Box[], lines: Line[]}} GraphLayout
 */

const APART = 20; // between the boxes of a layer
const SIDE = 124; // between layers side by side, with room for a label
const BELOW = 46; // between layers one below the other
const FRAME = { side: 14, head: 30, foot: 12, least: 216 };

/**
 * @param {{level: number}[]} nodes level: the index of the enclosing node, or -1
 * @param {any[][]} edges each `[from, to, action]`
 * @param {{width: number, height: number}} size of a box
 * @param {boolean} vertical whether the flow goes from top to bottom
 * @returns {GraphLayout}
 */
export function graphLayout(nodes, edges, size, vertical) {
  const inside = new Map();
  nodes.forEach(({ level }, i) => inside.set(level, [...(inside.get(level) ?? []), i]));
  const links = linksOf(nodes, edges);
  /** @type {Box[]} */
  const boxes = nodes.map(() => ({ x: 0, y: 0, width: 0, height: 0, frame: false }));
  /** @type {Line[]} */
  const lines = [];

  /** Lay out a level at (0, 0); returns its size, and a function that moves it to its position. */
  const arrange = (level) => {
    const inner = new Map();
    const items = inside.get(level).map((i) => {
      if (!inside.has(i)) return { i, ...size };
      const made = arrange(i);
      inner.set(i, made);
      return { i, width: Math.max(FRAME.least, made.width + 2 * FRAME.side), height: made.height + FRAME.head + FRAME.foot };
    });
    const made = layered(items, links.get(level) ?? [], vertical);
    const move = (x, y) => {
      for (const { i, width, height } of items) {
        const at = made.at.get(i);
        boxes[i] = { x: x + at[0], y: y + at[1], width, height, frame: inner.has(i) };
        inner.get(i)?.move(x + at[0] + (width - inner.get(i).width) / 2, y + at[1] + FRAME.head);
      }
      for (const line of made.lines) {
        const [dx, dy] = line.label;
        lines.push({ ...line, points: line.points.map(([px, py]) => [x + px, y + py]), label: [x + dx, y + dy] });
      }
    };
    return { width: made.width, height: made.height, move };
  };

  if (!inside.has(-1)) return { width: 0, height: 0, vertical, boxes: [], lines: [] };
  const { width, height, move } = arrange(-1);
  move(0, 0);
  return { width, height, vertical, boxes, lines };
}

/** The edges of each level; those between the same two nodes form one link. */
function linksOf(nodes, edges) {
  const links = new Map();
  const known = new Map();
  edges.forEach(([start, end], edge) => {
    const { level } = nodes[start];
    const key = `${start} ${end}`;
    if (!known.has(key)) {
      known.set(key, { start, end, edges: [] });
      links.set(level, [...(links.get(level) ?? []), known.get(key)]);
    }
    known.get(key).edges.push(edge);
  });
  return links;
}

/**
 * Lay out one level. `m` is the position along the flow and `c` the one across: x and y, or y and x.
 * @returns {{width: number, height: number, at: Map<number, number[]>, lines: Line[]}}
 */
function layered(items, links, vertical) {
  const cells = new Map(items.map(({ i, width, height }) => [i, {
    i, m: 0, c: 0, main: vertical ? height : width, cross: vertical ? width : height, before: [], after: [], rank: 0, at: 0, till: 0,
  }]));
  const backs = backLinks(items.map(({ i }) => i), links);
  const forward = links.filter((link) => !backs.has(link));
  const layers = layersOf([...cells.values()], forward, cells);
  const chains = new Map(forward.map((link) => [link, chain(link, cells, layers, vertical)]));
  order(layers);
  across(layers);
  const most = Math.max(1, ...forward.map(({ edges }) => labels(edges)));
  const gap = vertical ? Math.max(BELOW, LINE * most + 22) : SIDE;
  const room = TURN + BESIDE + 6; // before the first and after the last layer
  const first = [...backs].some(({ end }) => layers[0].includes(cells.get(end)));
  const last = [...backs].some(({ start }) => layers[layers.length - 1].includes(cells.get(start)));
  let m = first ? room : 0;
  for (const layer of layers) {
    const main = Math.max(...layer.map((cell) => cell.main));
    for (const cell of layer) {
      cell.m = m;
      cell.till = m + main;
      if (cell.i === null) cell.main = main;
    }
    m += main + gap;
  }
  m += (last ? room : 0) - gap;
  const ports = portsOf(links, backs, cells, chains);
  const lines = forward.map((link) => ahead(link, chains.get(link), cells, ports, links));
  const lanes = around([...backs], cells, ports, Math.max(...[...cells.values()].map((cell) => cell.c + cell.cross / 2)), vertical);
  // Labels may extend beyond the boxes on both sides.
  const half = (line) => (vertical ? LABEL_WIDTH : LINE * labels(line.edges)) / 2 + 2;
  const drawn = [...lines, ...lanes];
  const all = layers.flat();
  const low = Math.min(...all.map((cell) => cell.c - cell.cross / 2), ...drawn.map((line) => line.label[1] - half(line)));
  const high = Math.max(...all.map((cell) => cell.c + cell.cross / 2), ...drawn.map((line) => line.label[1] + half(line)));
  const turned = ([along, beside]) => (vertical ? [beside - low, along] : [along, beside - low]);
  return {
    width: vertical ? high - low : m,
    height: vertical ? m : high - low,
    at: new Map([...cells.values()].map((cell) => [cell.i, turned([cell.m, cell.c - cell.cross / 2])])),
    lines: drawn.map((line) => ({ ...line, points: line.points.map(turned), label: turned(line.label) })),
  };
}

/** The links that close a loop, found by a depth-first search from the start. */
function backLinks(numbers, links) {
  const leading = new Map(numbers.map((i) => [i, links.filter(({ start }) => start === i)]));
  const backs = new Set();
  const seen = new Map();
  const visit = (i) => {
    seen.set(i, "open");
    for (const link of leading.get(i)) {
      if (seen.get(link.end) === "open") backs.add(link);
      else if (!seen.has(link.end)) visit(link.end);
    }
    seen.set(i, "left");
  };
  for (const i of numbers) if (!seen.has(i)) visit(i);
  return backs;
}

/** Put each cell one layer behind the last of its predecessors. */
function layersOf(all, forward, cells) {
  const rank = new Map();
  const rankOf = (i) => {
    if (!rank.has(i)) rank.set(i, Math.max(0, ...forward.filter(({ end }) => end === i).map(({ start }) => rankOf(start) + 1)));
    return rank.get(i);
  };
  const layers = [];
  for (const cell of all) {
    cell.rank = rankOf(cell.i);
    (layers[cell.rank] ??= []).push(cell);
  }
  return layers;
}

/** The cells of a link: its ends, and a new cell without a node in each layer in between. */
function chain(link, cells, layers, vertical) {
  const [start, end] = [cells.get(link.start), cells.get(link.end)];
  const chained = [start];
  for (let k = start.rank + 1; k < end.rank; k += 1) {
    const cross = vertical ? LABEL_WIDTH : LINE * labels(link.edges) + 4;
    const cell = { i: null, m: 0, c: 0, main: 0, cross, before: [], after: [], rank: k, at: 0, till: 0 };
    layers[k].push(cell);
    chained.push(cell);
  }
  chained.push(end);
  chained.slice(1).forEach((cell, k) => {
    cell.before.push(chained[k]);
    chained[k].after.push(cell);
  });
  return chained;
}

/** Order the cells of each layer by the mean position of their neighbours, which reduces crossings. */
function order(layers) {
  const note = (layer) => layer.forEach((cell, k) => { cell.at = layer.length > 1 ? k / (layer.length - 1) : 0.5; });
  const sort = (layer, side) => {
    const key = new Map(layer.map((cell) => [cell, mean(cell[side].map((each) => each.at)) ?? cell.at]));
    layer.sort((one, other) => key.get(one) - key.get(other));
    note(layer);
  };
  layers.forEach(note);
  for (let turn = 0; turn < 4; turn += 1) {
    for (const layer of layers) sort(layer, "before");
    if (turn < 3) for (const layer of [...layers].reverse()) sort(layer, "after");
  }
}

/** Set the position of each cell across the flow: near its neighbours, in the order of its layer. */
function across(layers) {
  for (const layer of layers) settle(layer, layer.map(() => 0));
  for (let turn = 0; turn < 6; turn += 1) {
    const sides = turn % 2 ? ["after"] : ["before"];
    if (turn > 3) sides.splice(0, 1, "before", "after");
    for (const layer of turn % 2 ? [...layers].reverse() : layers) {
      settle(layer, layer.map((cell) => mean(sides.flatMap((side) => cell[side]).map((each) => each.c)) ?? cell.c));
    }
  }
}

/** Place a layer's cells as close to the wanted positions as their order and sizes allow. */
function settle(layer, wanted) {
  let offset = 0;
  const offsets = layer.map((cell, k) => {
    if (k) offset += (layer[k - 1].cross + cell.cross) / 2 + APART;
    return offset;
  });
  /** @type {{sum: number, n: number}[]} */
  const blocks = [];
  wanted.forEach((want, k) => {
    blocks.push({ sum: want - offsets[k], n: 1 });
    for (let i = blocks.length - 1; i > 0 && blocks[i - 1].sum / blocks[i - 1].n > blocks[i].sum / blocks[i].n; i -= 1) {
      const { sum, n } = blocks.pop();
      blocks[i - 1].sum += sum;
      blocks[i - 1].n += n;
    }
  });
  let k = 0;
  for (const { sum, n } of blocks) {
    for (const end = k + n; k < end; k += 1) layer[k].c = sum / n + offsets[k];
  }
}

function mean(numbers) {
  return numbers.length ? numbers.reduce((sum, each) => sum + each, 0) / numbers.length : null;
}
