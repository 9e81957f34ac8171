"""What is hung on our own copy of a nested flow while it runs, to see which of its nodes run.

The user's flow itself is never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .received import copied
from .trace import Trace


class Attribute:
    """Sets an attribute on our own copy of a flow while it runs."""

    def __init__(self, flow: Any, name: str, value: Any) -> None:
        self._flow, self._name, self._value = flow, name, value

    def __enter__(self) -> None:
        # Through __dict__: a __setattr__ of the user's is not ours to call.
        self._flow.__dict__[self._name] = self._value

    def __exit__(self, *_: object) -> None:
        del self._flow.__dict__[self._name]


class Listener(Attribute):
    """Notes the nodes of a nested flow that orchestrates itself, when it asks for the next one.

    A copy is seen when it has ended: its start is taken from the end of the one before it, in the
    same task, since parallel children interleave.
    """

    def __init__(
        self, flow: Any, orch: str, trace: Trace, parent: int, clock: Callable[[], float]
    ) -> None:
        began = clock()
        original = flow.get_next_node
        latest: dict[Any, tuple[float, int]] = {}
        """By task: when the copy seen last had ended, and its place."""

        def get_next_node(node: Any, action: Any) -> Any:
            task = asyncio.current_task() if orch == "_orch_async" else None
            start, after = latest.get(task, (began, -1))
            at = trace.open(type(node), parent, start, copied(getattr(node, "params", {})), after)
            end = clock()
            latest[task] = end, at
            trace.close(at, action, end)
            return original(node, action)

        self._patched = flow.__dict__.get("get_next_node")
        super().__init__(flow, "get_next_node", get_next_node)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._patched is not None:
            self._flow.__dict__["get_next_node"] = self._patched
