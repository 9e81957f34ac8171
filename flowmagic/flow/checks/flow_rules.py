"""Rules about the flow of the run itself: what of it a run does not call, and what its post cannot see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, BatchFlow, Flow

from ..finding import Finding, Place
from ..graph import own_run_of
from ..source_code import executed_nodes, tree_of, undecorated
from .node_source import attribute_of, user_overrides


def uncalled(flow: Any, *, has_params: bool) -> Iterator[Finding]:
    """Find methods of a flow that PocketFlow calls when a user runs it, and that a run over rows does not.

    Args:
        has_params: whether the run is given params, so that it does not call the flow's own prep.
    """
    name, kind = type(flow).__name__, "AsyncFlow" if isinstance(flow, AsyncNode) else "Flow"
    own = own_run_of(flow)
    batch = "AsyncBatchFlow" if isinstance(flow, AsyncNode) else "BatchFlow"
    if own and not (isinstance(flow, BatchFlow) and own not in vars(flow)):
        yield Finding(
            f"Its own {own} is not called.",
            "Each row is walked through the nodes; what this method sets up, tears down or traces does not "
            "happen.",
            f"Define it in the class {name}: that is called once around the batch."
            if isinstance(flow, BatchFlow)
            else f"Derive {name} from {batch}, whose {own} is called once around the batch."
            if isinstance(flow, Flow)
            else f"Call it around the run, or write {batch}(start=node) with a {own} of its own.",
            name,
            _place(flow, own),
        )
    if not isinstance(flow, Flow) or isinstance(flow, BatchFlow):
        return
    suffix = "_async" if isinstance(flow, AsyncFlow) else ""
    prep, post = f"prep{suffix}", f"post{suffix}"
    hooks = [post] if user_overrides(flow, post) else []
    # Params replace those that a prep returns; but one that returns none was written to set something up.
    if has_params and user_overrides(flow, prep) and (hooks or not _returns(flow, prep)):
        hooks.insert(0, prep)
    if hooks:
        yield Finding(
            f"Its own {' and '.join(hooks)} {'are' if len(hooks) > 1 else 'is'} not called.",
            "Each row begins at the start node and ends at the last one.",
            f"Write {kind}(start=flow): that calls {'both' if len(hooks) > 1 else 'it'} for each row.",
            name,
            _place(flow, hooks[0]),
        )


def _function(flow: Any, name: str) -> FunctionType | None:
    """Return the function of a method of a flow, without decorators."""
    method = attribute_of(flow, name)
    return undecorated(getattr(method, "__func__", method))[0]


def _place(flow: Any, name: str) -> Place | None:
    function = _function(flow, name)
    return function and Place(function.__code__.co_filename, function.__code__.co_firstlineno)


def _returns(flow: Any, name: str) -> bool:
    """Whether a method may return something other than None."""
    function = _function(flow, name)
    tree = None if function is None else tree_of(function)
    return tree is None or any(
        isinstance(each, ast.Return) and each.value is not None for each in executed_nodes(tree)
    )
