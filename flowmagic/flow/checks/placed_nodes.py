"""Every node that a run of a flow can come to, and what it runs in. Read, never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pocketflow import AsyncParallelBatchFlow, AsyncParallelBatchNode, BaseNode, BatchFlow, Flow

from ..graph import successors_of
from .self_usage import SelfUse, use_of
from .source import NodeSource, has_own

_LEADING = ("get_next_node", "_orch", "_orch_async", "_run", "_run_async")
_MOST = 5_000  # nodes; a graph that makes itself as one looks would have no end


@dataclass
class PlacedNode:
    """A node where it stands in a graph.

    Attributes:
        flow: the flow it is a node of; None for the one that the run is of.
        outer: the flows around it, the outermost first.
        certain: whether each instance that nothing goes wrong for comes to it.
        source, use: what is written in its class.
    """

    node: Any
    outer: tuple[Any, ...]
    certain: bool
    source: NodeSource
    use: SelfUse

    @property
    def flow(self) -> Any | None:
        """The flow that it is a node of; None for the one that the run is of."""
        return self.outer[-1] if self.outer else None

    @property
    def name(self) -> str:
        """Its class name."""
        return type(self.node).__name__

    @property
    def is_flow(self) -> bool:
        """Whether it is a flow itself."""
        return isinstance(self.node, Flow)

    @property
    def in_inner_batch(self) -> bool:
        """Whether a flow around it, other than the run's own, gives it further params."""
        return any(isinstance(each, BatchFlow) for each in self.outer[1:]) or self.is_led

    @property
    def is_led(self) -> bool:
        """Whether a flow around it goes its own way from node to node."""
        return any(has_own(each, name) for each in self.outer for name in _LEADING)


def placed_nodes(flow: Any) -> list[PlacedNode]:
    """Return the flow and every node in it, nested ones too, in the order one comes to them."""
    found: list[PlacedNode] = []
    read: dict[type, tuple[NodeSource, SelfUse]] = {}
    seen: set[int] = set()
    waiting: list[tuple[Any, tuple[Any, ...], bool]] = [(flow, (), True)]
    while waiting and len(found) < _MOST:
        node, outer, certain = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        source, use = _read(node, read)
        found.append(PlacedNode(node, outer, certain, source, use))
        if outer:
            following = list({id(each): each for each in successors_of(node).values()}.values())
            goes_on = certain and len(following) == 1
            waiting += [(each, outer, goes_on) for each in following]
        if isinstance(node, Flow):
            start = vars(node).get("start_node")
            if isinstance(start, BaseNode):
                waiting.append((start, (*outer, node), certain))
    return found


def _read(node: Any, known: dict[type, tuple[NodeSource, SelfUse]]) -> tuple[NodeSource, SelfUse]:
    # An object may have methods of its own, beside those of its class.
    own = any(callable(value) for value in vars(node).values())
    kind = type(node)
    if own or kind not in known:
        source = NodeSource(node)
        pair = source, use_of(source)
        if own:
            return pair
        known[kind] = pair
    return known[kind]


def fans_out(node: Any) -> bool:
    """Whether a node or flow runs what it holds all at once, without a limit of its own."""
    kind = type(node)
    stock = (AsyncParallelBatchNode._exec, AsyncParallelBatchFlow._run_async)
    return kind._exec in stock or getattr(kind, "_run_async", None) in stock
