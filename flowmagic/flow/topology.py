"""Lists the nodes and edges of a flow's graph, those of nested flows too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pocketflow import (
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BaseNode,
    BatchFlow,
    BatchNode,
    Flow,
)

from .finding import Place
from .graph import successors_of
from .source_code import place_of

TOP = -1
"""The level of the nodes of the flow itself; in a trace, also the parent of their copies."""


DEFAULT = "default"
"""The action that PocketFlow follows when a node returns none."""


_MOST_NODES = 2_000  # a nested flow that is used many times makes many nodes out of a few objects


@dataclass(frozen=True)
class TopologyNode:
    """A node of a graph.

    Attributes:
        number: its index in `Topology.nodes`.
        level: the number of the nested flow that it is a node of, or `TOP`.
        type: its class.
        kind: its kind in words: `async node`, `parallel batch flow`.
        place: the line of its class; None if that is not known.
    """

    number: int
    level: int
    type: type
    kind: str
    place: Place | None

    @property
    def name(self) -> str:
        """The name of its class."""
        return self.type.__name__


@dataclass(frozen=True)
class Edge:
    """An action that leads from one node to another; the nodes by their numbers."""

    start: int
    action: str
    end: int


class Topology:
    """The graph of a flow, or of a single node.

    A node object that two flows contain is two nodes here; so are the nodes of a nested flow that is
    used twice. A flow that contains itself is, within itself, a node without a level of its own.

    Attributes:
        nodes: level by level; within a level breadth first, its start node first.
        edges: in the order of their start nodes.
        cut: whether the graph has more nodes than these.
    """

    def __init__(self, flow: Any) -> None:
        self.nodes: list[TopologyNode] = []
        self.edges: list[Edge] = []
        self.cut = False
        self._ends: dict[tuple[int, str], int] = {}
        self._starts: dict[int, int] = {}
        self._read(flow)
        for number, edge in enumerate(self.edges):
            self._ends[edge.start, edge.action] = number

    def edge(self, start: int, action: str) -> int | None:
        """Return the number of the edge that an action of a node follows; None if the walk ends there."""
        return self._ends.get((start, action))

    def start(self, level: int) -> int | None:
        """Return the number of the start node of a level; None if it has no nodes."""
        return self._starts.get(level)

    def _read(self, flow: Any) -> None:
        if not isinstance(flow, Flow):
            self._level(TOP, flow)
            return
        levels: list[tuple[int, Any, tuple[int, ...]]] = [(TOP, flow, ())]
        while levels:
            number, nested, outer = levels.pop(0)
            start = vars(nested).get("start_node")
            if not isinstance(start, BaseNode):
                continue
            enclosing = (*outer, id(nested))
            levels += [
                (each, node, enclosing)
                for each, node in self._level(number, start)
                if isinstance(node, Flow) and id(node) not in enclosing
            ]

    def _level(self, level: int, start: Any) -> list[tuple[int, Any]]:
        """Add the nodes and edges of a level; return its node objects with their numbers."""
        numbers: dict[int, int] = {}
        members: list[tuple[int, Any]] = []
        waiting = [start]
        while waiting:
            node = waiting.pop(0)
            if id(node) in numbers:
                continue
            if len(self.nodes) == _MOST_NODES:
                self.cut = True
                break
            number = numbers[id(node)] = len(self.nodes)
            self.nodes.append(
                TopologyNode(number, level, type(node), _kind(type(node)), place_of(type(node)))
            )
            members.append((number, node))
            waiting += _successors(node).values()
        if members:
            self._starts[level] = members[0][0]
        self.edges += [
            Edge(number, action, numbers[id(end)])
            for number, node in members
            for action, end in _successors(node).items()
            if id(end) in numbers
        ]
        return members


def _successors(node: Any) -> dict[str, Any]:
    return {action: end for action, end in successors_of(node).items() if type(action) is str}


def _kind(kind: type) -> str:
    words = []
    if issubclass(kind, (AsyncParallelBatchFlow, AsyncParallelBatchNode)):
        words = ["parallel batch"]
    elif issubclass(kind, (BatchFlow, BatchNode)):
        words = ["async batch" if issubclass(kind, AsyncNode) else "batch"]
    elif issubclass(kind, AsyncNode):
        words = ["async"]
    return " ".join([*words, "flow" if issubclass(kind, Flow) else "node"])
