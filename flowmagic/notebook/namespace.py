"""Look up what the line of a cell names in the user's namespace: a flow, a shared store, an engine."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from IPython.core.error import UsageError
from pocketflow import BaseNode

from ..engines.base import Engine
from ..engines.registry import NAMES, engine_of
from ..errors import EngineError, FlowmagicError, describe
from ..flow.graph import check_flow

_CREATE_STORE = "Create one in an earlier cell, shared = {}, and write its name: shared."


def flow_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the names that hold a flow or a node."""
    return sorted(
        name
        for name, value in namespace.items()
        if isinstance(value, BaseNode) and not name.startswith("_")
    )


def find_flow(namespace: Mapping[str, Any], name: str | None) -> Any:
    """Return the flow of a name.

    Raises:
        UsageError: there is no such name, or it holds no flow.
    """
    if name is None:
        raise UsageError("The line names no flow. Write for example %%batchflow flow --limit 5.")
    flow = _find(
        namespace,
        name,
        "flow",
        "Create one in an earlier cell, flow = AsyncFlow(start=node), and write its name: flow.",
        flow_names(namespace),
    )
    try:
        check_flow(flow)
    except FlowmagicError as error:
        raise UsageError(str(error).replace("The flow", name, 1)) from None
    return flow


def find_shared_store(namespace: Mapping[str, Any], name: str | None) -> Any:
    """Return the shared store of a name, which may be any object that nodes can write to.

    Raises:
        UsageError: there is no such name, or nodes could not write to what it holds.
    """
    if name is None:
        return None
    shared = _find(namespace, name, "shared store", _CREATE_STORE)
    writable = hasattr(shared, "__setitem__") or hasattr(shared, "__dict__")
    if isinstance(shared, list) or not writable:
        raise UsageError(f"--shared {name} is {describe(shared)}, not a dict. {_CREATE_STORE}")
    return shared


def find_engine(namespace: Mapping[str, Any], name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        UsageError: there is no such name, or it holds no engine.
    """
    engine = _find(
        namespace,
        name,
        "engine",
        "Write local, dask, or the name of an engine that you created, such as "
        'cluster = flowmagic.DaskEngine("tcp://…").',
        NAMES,
    )
    try:
        return engine_of(engine)
    except EngineError as error:
        raise UsageError(str(error).replace("engine", f"--engine {name}", 1)) from None


def _find(
    namespace: Mapping[str, Any], name: str, kind: str, hint: str, known: Iterable[str] = ()
) -> Any:
    """Look up a name, which may be dotted. It is never evaluated."""
    first, *rest = name.split(".")
    try:
        value = namespace[first]
        for attribute in rest:
            value = getattr(value, attribute)
    except (KeyError, AttributeError):
        if near := difflib.get_close_matches(name, known, n=1):
            hint = f"Did you mean {near[0]}?"
        raise UsageError(f"There is no {kind} named {name!r}. {hint}") from None
    return value
