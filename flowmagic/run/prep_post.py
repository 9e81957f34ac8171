"""The batch-level prep and post of the user's flow: what gives the params, and what takes the results."""

from __future__ import annotations

from typing import Any

from pocketflow import AsyncNode, BaseNode, BatchFlow

from ..errors import BatchError
from ..flow.graph import is_overridden
from ..records.batch import Batch, as_batch


def has_own_prep(flow: Any) -> bool:
    """Whether the flow's class (or the object) has a prep of its own, which may give a batch."""
    return is_overridden(flow, *_prep(flow))


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
        return await flow.post_async(shared, batch.value, results)
    return flow.post(shared, batch.value, results)
