"""The batch-level prep and post of the user's flow: prep returns the params, post gets the results."""

from __future__ import annotations

from typing import Any

from pocketflow import AsyncNode, BaseNode, BatchFlow

from ..errors import BatchError
from ..flow.graph import is_overridden
from ..records.batch import Batch, as_batch


def has_own_prep(flow: Any) -> bool:
    """Whether the flow's class (or the object) overrides prep, which may then return a batch."""
    return is_overridden(flow, *_prep(flow))


def _prep(flow: Any) -> tuple[str, Any]:
    if isinstance(flow, AsyncNode):
        return "prep_async", AsyncNode.prep_async
    return "prep", BaseNode.prep


async def own_batch(flow: Any, shared: Any, text_param: str = "") -> Batch:
    """Call the flow's own prep and return its batch; None is an empty batch, as in PocketFlow.

    Args:
        text_param: see `as_batch`.

    Raises:
        BatchError: prep returned something else.
        Exception: what prep itself raises.
    """
    name, _ = _prep(flow)
    params = getattr(flow, name)(shared)
    if name == "prep_async":
        params = await params
    if params is None:
        return Batch([], rows=[])
    try:
        return as_batch(params, text_param)
    except BatchError as error:
        raise BatchError(f"{type(flow).__name__}.{name} returned no batch. {error}") from None


def check_own_prep(flow: Any) -> None:
    """Check that a flow that is run without params has a prep that could return them.

    Raises:
        BatchError: it has none.
    """
    if not has_own_prep(flow):
        name, _ = _prep(flow)
        raise BatchError(
            f"There are no params, and {type(flow).__name__} has no {name} of its own to return them. "
            'Write a list of dicts, one per instance: [{"user_id": 1}, {"user_id": 2}]'
        )


async def own_post(flow: Any, shared: Any, batch: Batch, results: list[Any]) -> Any:
    """Call a BatchFlow's post as `post(shared, params, results)`; return its action.

    Return None for other flows and nodes: their post belongs to one instance, not to a batch.
    """
    if not isinstance(flow, BatchFlow):
        return None
    if isinstance(flow, AsyncNode):
        return await flow.post_async(shared, batch.value, results)
    return flow.post(shared, batch.value, results)
