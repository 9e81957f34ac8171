"""Reads the user's flow without running it: its nodes and edges, overridden methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BaseNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from ..errors import FlowError, describe

_MOST_NODES = 1_000


def check_flow(flow: Any) -> None:
    """Check that a flow can be run.

    Raises:
        FlowError: it is a class, it is no PocketFlow flow or node, or it has no start node.
    """
    if isinstance(flow, type) and issubclass(flow, BaseNode):
        raise FlowError(
            f"The flow is {describe(flow)}, not an object of it. Write {flow.__name__}(...)."
        )
    if not isinstance(flow, BaseNode):
        raise FlowError(
            f"The flow is {describe(flow)}, not a PocketFlow flow or node. "
            "Write for example AsyncFlow(start=node)."
        )
    if isinstance(flow, Flow):
        start = flow.start_node
        name = type(flow).__name__
        if start is None:
            raise FlowError(f"{name} has no start node. Write {name}(start=node).")
        if not isinstance(start, BaseNode):
            raise FlowError(
                f"The start node of {name} is {describe(start)}, not an object of a node class. "
                f"Write {name}(start=node)."
            )


def successors_of(node: Any) -> dict[Any, Any]:
    """Return the successors of a node, by action."""
    return {action: end for action, end in ways_of(node).items() if isinstance(end, BaseNode)}


def ways_of(node: Any) -> Mapping[Any, Any]:
    """Return what a node leads to, by action: a node, or None where the flow ends on purpose.

    The latter is written `node - "error" >> None`.
    """
    # Through vars, so that no property of the user runs.
    successors = vars(node).get("successors")
    return successors if isinstance(successors, Mapping) else {}


def nodes_of(flow: Any) -> Iterator[Any]:
    """Yield the flow itself and then its node objects, those of nested flows too, each once."""
    waiting, seen = [flow], set[int]()
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, BaseNode) and id(node) not in seen:
            seen.add(id(node))
            yield node
            if isinstance(node, Flow):
                waiting.append(vars(node).get("start_node"))
            waiting += successors_of(node).values()


def first_nodes(flow: Any) -> list[Any]:
    """Return the first 1,000 node objects of a flow; a graph may generate its nodes without end."""
    return list(islice(nodes_of(flow), _MOST_NODES))


def is_overridden(node: Any, name: str, *stock: Any) -> bool:
    """Whether a node or flow, or its class, overrides PocketFlow's `stock` implementations of a method."""
    return name in node.__dict__ or getattr(type(node), name) not in stock


def own_run_of(flow: Any) -> str:
    """Return "run_async" or "run" if a flow or node overrides what users call on it; else ""."""
    if isinstance(flow, AsyncNode):
        return "run_async" if is_overridden(flow, "run_async", AsyncNode.run_async) else ""
    return "run" if is_overridden(flow, "run", BaseNode.run) else ""


_STEPS = {
    "_orch": (Flow._orch,),
    "_orch_async": (AsyncFlow._orch_async,),
    "_run": (Flow._run, BatchFlow._run, BaseNode._run),
    "_run_async": (
        AsyncFlow._run_async,
        AsyncBatchFlow._run_async,
        AsyncParallelBatchFlow._run_async,
        AsyncNode._run_async,
    ),
    "_exec": (BaseNode._exec, Node._exec, BatchNode._exec),
}


def overrides(node: Any, step: str) -> bool:
    """Whether a node or flow overrides one of the methods that PocketFlow runs it by, such as `_run`."""
    return is_overridden(node, step, *_STEPS[step])


class SingleNode:
    """A node that is run without a flow, in the form of a flow that begins and ends with it."""

    params: ClassVar[dict[Any, Any]] = {}

    def __init__(self, node: Any) -> None:
        self.start_node = node

    def get_next_node(self, node: Any, action: Any) -> None:
        """End the walk, whatever the node's action and successors are."""
