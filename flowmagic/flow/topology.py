"""The ways that a flow's graph has: its nodes, and where their actions lead. Read, never run."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
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

TOP = -1
"""The level of the nodes of the flow itself; in a trace, the parent of their copies."""

DEFAULT = "default"
"""What a node that returns no action follows."""

_MOST = 2_000  # nodes; one nested flow in many places makes many of few


@dataclass(frozen=True)
class TopologyNode:
    """A node object where it stands in a graph.

    Attributes:
        number: its place among the `nodes`.
        level: the number of the nested flow it is a node of, or `TOP`.
        type: its class.
        kind: what it is, in words: `async node`, `parallel batch flow`.
        place: where its class is written, as far as that is known.
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
    """Where an action of a node leads, by the numbers of the nodes."""

    start: int
    action: str
    end: int


class Topology:
    """The graph of a flow, or of a single node.

    A node object that two flows hold is two nodes here, and so is all that a nested flow holds which
    stands in two places. A flow within itself is a node without a level of its own.

    Attributes:
        nodes: level after level; within one, in the order one comes to them, its start first.
        edges: in the order of their starts.
        cut: whether there are more nodes than these, since the graph is very large.
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
        """Return the number of the edge that an action of a node follows; None: the walk ends."""
        return self._ends.get((start, action))

    def start(self, level: int) -> int | None:
        """Return the number of the node that a level begins with."""
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
            around = (*outer, id(nested))
            levels += [
                (each, node, around)
                for each, node in self._level(number, start)
                if isinstance(node, Flow) and id(node) not in around
            ]

    def _level(self, level: int, start: Any) -> list[tuple[int, Any]]:
        """Read the nodes that a level's start leads to; return them with their numbers."""
        numbers: dict[int, int] = {}
        found: list[tuple[int, Any]] = []
        waiting = [start]
        while waiting:
            node = waiting.pop(0)
            if id(node) in numbers:
                continue
            if len(self.nodes) == _MOST:
                self.cut = True
                break
            number = numbers[id(node)] = len(self.nodes)
            self.nodes.append(
                TopologyNode(number, level, type(node), _kind(type(node)), _place(type(node)))
            )
            found.append((number, node))
            waiting += _named(node).values()
        if found:
            self._starts[level] = found[0][0]
        self.edges += [
            Edge(number, action, numbers[id(end)])
            for number, node in found
            for action, end in _named(node).items()
            if id(end) in numbers
        ]
        return found


def _named(node: Any) -> dict[str, Any]:
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


def _place(kind: type) -> Place | None:
    """Return where a class is written: its line or, before Python 3.13, that of its first method."""
    codes = [each.__code__ for each in vars(kind).values() if type(each) is FunctionType]
    codes = [each for each in codes if not each.co_filename.startswith("<string")]
    if not codes or kind.__module__.partition(".")[0] == "pocketflow":
        return None
    first = min(codes, key=lambda code: code.co_firstlineno)
    line = vars(kind).get("__firstlineno__")
    return Place(first.co_filename, line if type(line) is int else first.co_firstlineno)
