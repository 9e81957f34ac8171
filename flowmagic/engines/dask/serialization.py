"""Pickles what is sent between processes, and names the part of a flow or store that cannot be pickled.

Whatever was defined in a notebook or inside a function is pickled by value, by cloudpickle. Everything
else is pickled by reference: the process that reads it must be able to import it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from ...errors import EngineError, describe
from ...flow.graph import nodes_of
from .source_files import names_used_by, node_classes_of

_MAX_TEXT = 160  # characters of an error's text
_CREATE_IN_NODE = "Create it in prep or exec, where it is used."


def dump(value: Any) -> bytes:
    """Pickle a value.

    Raises:
        Exception: whatever the value's own code raises while it is pickled.
    """
    try:
        content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - cloudpickle raises it again if it cannot pickle the value either
        return dump_by_value(value)
    # `__main__` is another module in every process.
    return dump_by_value(value) if b"__main__" in content else content


def dump_by_value(value: Any) -> bytes:
    """Pickle a value with cloudpickle, including everything in it that no other process can import."""
    import cloudpickle  # noqa: PLC0415 - optional: comes with distributed

    content: bytes = cloudpickle.dumps(value)
    return content


def dump_flow(flow: Any, shared: Any) -> bytes:
    """Pickle a flow, a shared store and the flow's node classes, as a tuple.

    Raises:
        EngineError: something in them cannot be pickled; the message names it.
    """
    try:
        return dump_by_value((flow, shared, node_classes_of(flow)))
    except Exception as error:
        raise EngineError(_refusal(flow, shared, error)) from error


def _refusal(flow: Any, shared: Any, error: Exception) -> str:
    """Return the message about what in a flow or store cannot be pickled."""
    for name, value, hint in _parts_of(flow, shared):
        try:
            dump_by_value(value)
        except Exception as reason:  # noqa: BLE001 - raised by the user's objects
            return (
                f"{name} is {describe(value)}, which cannot be sent to a worker ({_text_of(reason)}). "
                f"{hint}"
            )
    return f'The flow cannot be sent to a worker ({_text_of(error)}). Write engine="local".'


def _parts_of(flow: Any, shared: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield the parts of a flow and a store: a name, the value, and what to do if it cannot be pickled."""
    for node in nodes_of(flow):
        for name, value in vars(node).items():
            if name not in ("successors", "start_node"):
                yield f"{type(node).__name__}.{name}", value, _CREATE_IN_NODE
    for kind in node_classes_of(flow):
        for name, value in _attributes_of(kind):
            yield name, value, _CREATE_IN_NODE
    if isinstance(shared, dict):
        for key, value in shared.items():
            yield f"shared[{key!r}]", value, f"Remove it from the shared store. {_CREATE_IN_NODE}"


def _attributes_of(kind: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(kind).items():
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType):
            for used, used_value in names_used_by(function):
                yield f"{used!r}, which {kind.__name__}.{name} uses,", used_value
        elif not name.startswith("__"):
            yield f"{kind.__name__}.{name}", value


def _text_of(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:_MAX_TEXT]}"
