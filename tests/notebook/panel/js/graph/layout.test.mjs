// The positions of the nodes and the paths of the edges.

import assert from "node:assert/strict";
import { test } from "node:test";

import { graphLayout } from "../../../../../flowmagic/notebook/panel/js/graph/layout.js";
import { pathOf } from "../../../../../flowmagic/notebook/panel/js/graph/edges.js";

const SIZE = { width: 180, height: 64 };
const flat = (n) => Array.from({ length: n }, () => ({ level: -1 }));
const both = (nodes, edges) => [false, true].map((vertical) => graphLayout(nodes, edges, SIZE, vertical));
const edge = (from, to, action = "default") => [from, to, action];

/** Whether two boxes overlap. */
const meet = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

function sound(nodes, edges) {
  for (const made of both(nodes, edges)) {
    const { boxes, lines, width, height } = made;
    assert.equal(boxes.length, nodes.length);
    assert.equal(lines.reduce((sum, { edges: each }) => sum + each.length, 0), edges.length, "every edge is drawn once");
    boxes.forEach((box, i) => {
      assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= width + 1e-6 && box.y + box.height <= height + 1e-6, `${i} stands out`);
      const { level } = nodes[i];
      if (level >= 0) {
        const around = boxes[level];
        assert.ok(around.frame);
        assert.ok(box.x > around.x && box.x + box.width < around.x + around.width, `${i} within ${level}`);
        assert.ok(box.y > around.y && box.y + box.height < around.y + around.height);
      }
      for (let k = 0; k < i; k += 1) {
        if (nodes[k].level === level) assert.ok(!meet(box, boxes[k]), `${k} and ${i} apart`);
      }
    });
    for (const line of lines) {
      for (const each of [...line.points, line.label]) {
        assert.ok(each.every(Number.isFinite));
        assert.ok(each[0] >= -1e-6 && each[1] >= -1e-6 && each[0] <= width + 1e-6 && each[1] <= height + 1e-6);
      }
      assert.match(pathOf(line, made.vertical), /^M[\d. ]+([CLQ][\d. ]+)+$/);
    }
  }
  return both(nodes, edges)[0];
}

test("a chain of nodes goes from left to right, or from top to bottom", () => {
  const [side, below] = both(flat(3), [edge(0, 1), edge(1, 2)]);
  assert.deepEqual(side.boxes.map(({ y }) => y), [0, 0, 0].map(() => side.boxes[0].y));
  assert.ok(side.boxes[0].x + SIZE.width < side.boxes[1].x && side.boxes[1].x + SIZE.width < side.boxes[2].x);
  assert.ok(below.boxes[0].y + SIZE.height < below.boxes[1].y && below.boxes[1].y + SIZE.height < below.boxes[2].y);
  assert.ok(below.width < side.width);
  sound(flat(3), [edge(0, 1), edge(1, 2)]);
});

test("a loop, even of a node to itself, is drawn below all boxes", () => {
  const edges = [edge(0, 1, "search"), edge(1, 0, "back"), edge(0, 2, "answer"), edge(2, 2, "again")];
  const { boxes, lines } = sound(flat(3), edges);
  const backs = lines.filter(({ back }) => back);
  assert.deepEqual(backs.map(({ start, end }) => [start, end]).sort(), [[1, 0], [2, 2]]);
  const low = Math.max(...boxes.map(({ y, height }) => y + height));
  for (const { label } of backs) assert.ok(label[1] > low);
  assert.notDeepEqual(backs[0].label, backs[1].label);
});

test("edges between the same two nodes are one line", () => {
  const { lines } = sound(flat(2), [edge(0, 1, "yes"), edge(1, 0, "no"), edge(0, 1, "perhaps")]);
  assert.deepEqual(lines.map(({ edges }) => edges), [[0, 2], [1]]);
});

test("a line that passes a layer goes between its boxes", () => {
  const { boxes, lines } = sound(flat(3), [edge(0, 1), edge(1, 2), edge(0, 2, "skip")]);
  const skip = lines.find(({ start, end }) => start === 0 && end === 2);
  const [x, y] = skip.label;
  assert.ok(!meet({ x: x - 1, y: y - 8, width: 2, height: 16 }, boxes[1]));
  assert.equal(skip.points.length, 4);
});

test("branches are ordered so that they cross least", () => {
  // 0 leads to 1 and 2, 1 to 4, 2 to 3: nodes 3 and 4 have to swap.
  const { boxes } = sound(flat(5), [edge(0, 1, "a"), edge(0, 2, "b"), edge(1, 4), edge(2, 3)]);
  assert.equal(boxes[1].y < boxes[2].y, boxes[4].y < boxes[3].y);
});

test("a nested flow is a frame around its nodes, at any depth", () => {
  const nodes = [{ level: -1 }, { level: -1 }, { level: 1 }, { level: 1 }, { level: 3 }, { level: 3 }];
  const { boxes } = sound(nodes, [edge(0, 1), edge(2, 3), edge(4, 5), edge(5, 4, "again"), edge(1, 0, "once more")]);
  assert.deepEqual(boxes.map(({ frame }) => frame), [false, true, false, true, false, false]);
});

test("an empty graph is empty, and a single node is one box", () => {
  for (const made of both([], [])) assert.deepEqual([made.width, made.height, made.boxes], [0, 0, []]);
  for (const made of both(flat(1), [])) assert.deepEqual([made.width, made.height], [SIZE.width, SIZE.height]);
});

test("in any graph, boxes do not overlap, lines end at boxes, and the layout is deterministic", () => {
  let seed = 7;
  const random = (n) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * n);
  };
  for (let turn = 0; turn < 120; turn += 1) {
    const n = 1 + random(14);
    const nodes = Array.from({ length: n }, (_, i) => ({ level: i > 2 && random(3) === 0 ? random(i) : -1 }));
    const edges = [];
    for (let k = random(2 * n); k > 0; k -= 1) {
      const [start, end] = [random(n), random(n)];
      if (nodes[start].level === nodes[end].level) edges.push(edge(start, end, String(k)));
    }
    const { boxes, lines } = sound(nodes, edges);
    for (const { start, end, points } of lines) {
      assert.ok(Math.abs(points[0][0] - boxes[start].x - boxes[start].width) < 1e-6);
      assert.ok(Math.abs(points[points.length - 1][0] - boxes[end].x) < 1e-6);
    }
    assert.deepEqual(both(nodes, edges), both(nodes, edges));
  }
});

test("a hundred and fifty nodes with many loops and long edges are laid out", () => {
  const nodes = flat(150);
  const edges = [];
  for (let i = 0; i < 149; i += 1) edges.push(edge(i, i + 1), edge(i, (i * 37) % 150, "other"));
  const { lines } = sound(nodes, edges);
  assert.ok(lines.some(({ back }) => back) && lines.some(({ points }) => points.length > 100));
});
