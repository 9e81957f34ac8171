"""Lists every node that a run of a flow can reach, with the flows around it and its source.

Nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pocketflow import AsyncParallelBatchFlow, AsyncParallelBatchNode, BaseNode, BatchFlow, Flow

from ..graph import successors_of
from .node_source import NodeSource, user_overrides
from .self_usage import SelfUsage, self_usage_of

_ORCHESTRATION = ("get_next_node", "_orch", "_orch_async", "_run", "_run_async")
_MOST_NODES = 5_000  # a graph that generates its nodes on access would have no end


@dataclass(frozen=True)
class ReachableNode:
    """A node of a graph.

    Attributes:
        node: the node object itself.
        outer: the flows that it is in, the outermost first; empty for the flow of the run.
        certain: whether every instance reaches it, unless it fails before.
        source: the methods of the node.
        usage: what these methods do with `self`.
    """

    node: Any
    outer: tuple[ReachableNode, ...]
    certain: bool
    source: NodeSource
    usage: SelfUsage

    @property
    def flow(self) -> Any | None:
        """The flow that it is a node of; None for the flow of the run."""
        return self.outer[-1].node if self.outer else None

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
        """Whether a flow inside of the run's own may give it more params than a row has."""
        batches = (isinstance(each.node, BatchFlow) for each in self.outer[1:])
        return any(batches) or self.in_own_orchestration

    @property
    def in_own_orchestration(self) -> bool:
        """Whether a flow around it overrides how PocketFlow goes from node to node."""
        return any(
            user_overrides(each.node, name) for each in self.outer for name in _ORCHESTRATION
        )


def reachable_nodes(flow: Any) -> list[ReachableNode]:
    """Return the flow and every node in it, nested ones too, breadth first."""
    reached: list[ReachableNode] = []
    known: dict[type, tuple[NodeSource, SelfUsage]] = {}
    seen: set[int] = set()
    waiting: list[tuple[Any, tuple[ReachableNode, ...], bool]] = [(flow, (), True)]
    while waiting and len(reached) < _MOST_NODES:
        node, outer, certain = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        each = ReachableNode(node, outer, certain, *_read(node, known))
        reached.append(each)
        if outer:
            following = list({id(end): end for end in successors_of(node).values()}.values())
            no_branch = certain and len(following) == 1
            waiting += [(end, outer, no_branch) for end in following]
        if each.is_flow:
            start = vars(node).get("start_node")
            if isinstance(start, BaseNode):
                waiting.append((start, (*outer, each), certain))
    return reached


def _read(
    node: Any, known: dict[type, tuple[NodeSource, SelfUsage]]
) -> tuple[NodeSource, SelfUsage]:
    kind = type(node)
    # The object itself may override methods of its class.
    own = any(callable(value) for value in vars(node).values())
    if not own and kind in known:
        return known[kind]
    source = NodeSource(node)
    pair = source, self_usage_of(source)
    if not own:
        known[kind] = pair
    return pair


def fans_out(node: Any) -> bool:
    """Whether a node or flow runs all items or rows of its batch at once, without a limit."""
    kind = type(node)
    stock = (AsyncParallelBatchNode._exec, AsyncParallelBatchFlow._run_async)
    return kind._exec in stock or getattr(kind, "_run_async", None) in stock
