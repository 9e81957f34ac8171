// The node copies of an instance as a chain.

import assert from "node:assert/strict";
import { test } from "node:test";

import { nodesAhead } from "../../../../../flowmagic/notebook/panel/js/table/chain.js";

const graph = (names, edges, levels = names.map(() => -1)) => ({
  nodes: names.map((name, i) => ({ name, kind: "", level: levels[i], where: "" })), edges, omitted: 0, counts: {},
});

test("the nodes ahead are those that the graph alone decides", () => {
  const line = graph(["A", "B", "C"], [[0, 1, "default"], [1, 2, "default"]]);
  assert.deepEqual(nodesAhead(line, "A"), ["B", "C"]);
  assert.deepEqual(nodesAhead(line, "C"), []);
  assert.deepEqual(nodesAhead(line, "Unknown"), []);
  const branch = graph(["A", "B", "C"], [[0, 1, "yes"], [0, 2, "no"]]);
  assert.deepEqual(nodesAhead(branch, "A"), []);
  const both = graph(["A", "B"], [[0, 1, "yes"], [0, 1, "no"]]);
  assert.deepEqual(nodesAhead(both, "A"), ["B"], "both actions lead there");
});

test("a loop, a node of a name that another one has, and a nested flow lead nowhere for sure", () => {
  assert.deepEqual(nodesAhead(graph(["A", "B"], [[0, 1, ""], [1, 0, ""]]), "A"), ["B"]);
  assert.deepEqual(nodesAhead(graph(["A", "A", "B"], [[0, 2, ""], [1, 2, ""]]), "A"), []);
  assert.deepEqual(nodesAhead(graph(["A", "B"], [[0, 1, ""]], [-1, 0]), "A"), []);
});
