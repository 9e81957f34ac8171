"""The user's flow, read and never altered: what it is, what its own prep gives, what its post takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pocketflow import AsyncNode, BaseNode, BatchFlow, Flow

from .errors import BatchError, FlowError, found
from .params import Batch, as_batch
from .showing import secrets_of
from .untrusted import quietly

_MOST_NODES = 1_000


def check_flow(flow: Any) -> None:
    """Refuse what cannot run.

    Raises:
        FlowError: it is a class, no PocketFlow flow or node at all, or a flow without a start node.
    """
    if isinstance(flow, type) and issubclass(flow, BaseNode):
        raise FlowError(
            f"The flow is {found(flow)}, not an object of it. Write {flow.__name__}(...)."
        )
    if not isinstance(flow, BaseNode):
        raise FlowError(
            f"The flow is {found(flow)}, not a PocketFlow flow or node. "
            "Write for example AsyncFlow(start=node)."
        )
    if isinstance(flow, Flow):
        start = flow.start_node
        name = type(flow).__name__
        if start is None:
            raise FlowError(f"{name} has no start node. Write {name}(start=node).")
        if not isinstance(start, BaseNode):
            raise FlowError(
                f"The start node of {name} is {found(start)}, not an object of a node class. "
                f"Write {name}(start=node)."
            )


def successors_of(node: Any) -> dict[Any, Any]:
    """Return where the actions of a node lead."""
    # Through vars: an attribute may be a property, whose code is not ours to run.
    successors = vars(node).get("successors")
    if not isinstance(successors, Mapping):
        return {}
    return {action: end for action, end in successors.items() if isinstance(end, BaseNode)}


def nodes_of(flow: Any) -> Iterator[Any]:
    """Give the node objects of a flow, those of nested flows among them; the flow itself first."""
    waiting, seen = [flow], set[int]()
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, BaseNode) and id(node) not in seen:
            seen.add(id(node))
            yield node
            if isinstance(node, Flow):
                waiting.append(vars(node).get("start_node"))
            waiting += successors_of(node).values()


def secrets_around(flow: Any, shared: Any) -> frozenset[str]:
    """Return the secrets that nodes find beside their params: in the shared store, and in themselves."""
    found: set[str] = quietly(secrets_of, shared) or set()
    for node in islice(nodes_of(flow), _MOST_NODES):
        found |= quietly(secrets_of, vars(node)) or set()
    return frozenset(found)


def has_own_prep(flow: Any) -> bool:
    """Whether the flow's class (or the object) has a prep of its own, which may give a batch."""
    return is_overridden(flow, *_prep(flow))


def is_overridden(flow: Any, name: str, stock: Any) -> bool:
    """Whether a hook is another one than PocketFlow's own, by a subclass or on this object."""
    return name in flow.__dict__ or getattr(type(flow), name) is not stock


def _prep(flow: Any) -> tuple[str, Any]:
    if isinstance(flow, AsyncNode):
        return "prep_async", AsyncNode.prep_async
    return "prep", BaseNode.prep


async def own_batch(flow: Any, shared: Any) -> Batch:
    """Call the flow's own prep and return the batch it gives; None is an empty one, as in PocketFlow.

    Raises:
        BatchError: what it gave is no batch. Errors of the prep itself pass through.
    """
    name, _ = _prep(flow)
    given = getattr(flow, name)(shared)
    if name == "prep_async":
        given = await given
    if given is None:
        return Batch([], rows=[])
    try:
        return as_batch(given)
    except BatchError as error:
        raise BatchError(f"{type(flow).__name__}.{name} gave no batch. {error}") from None


def check_own_prep(flow: Any) -> None:
    """Refuse a run without params when the flow has no prep that could give them.

    Raises:
        BatchError: there is none.
    """
    if not has_own_prep(flow):
        name, _ = _prep(flow)
        raise BatchError(
            f"There are no params, and {type(flow).__name__} has no {name} of its own to give them. "
            'Give a list of dicts, one per instance: [{"user_id": 1}, {"user_id": 2}]'
        )


async def own_post(flow: Any, shared: Any, batch: Batch, results: list[Any]) -> Any:
    """Call the post of a BatchFlow kind as `post(shared, params, results)`; return its action.

    Other flows and nodes have no post for a batch: their own belongs to a single run. None then.
    """
    if not isinstance(flow, BatchFlow):
        return None
    if isinstance(flow, AsyncNode):
        return await flow.post_async(shared, batch.given, results)
    return flow.post(shared, batch.given, results)
