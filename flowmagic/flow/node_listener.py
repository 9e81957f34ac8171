"""What a node tries by itself while it runs: PocketFlow's `max_retries` and its `exec_fallback`.

PocketFlow tells nobody of either, so our own copy of such a node gets its `exec` and its fallback
as attributes that count, for as long as it runs. The user's own node is never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pocketflow import AsyncNode, Node

from ..records.param_reads import copied
from ..records.trace import Trace

_HOOKS = ("exec", "exec_fallback"), ("exec_async", "exec_fallback_async")


def falls_back(kind: Any) -> bool:
    """Tell whether a class of nodes has a fallback of its own; PocketFlow's raises the error again."""
    if issubclass(kind, AsyncNode):
        return kind.exec_fallback_async is not AsyncNode.exec_fallback_async
    return issubclass(kind, Node) and kind.exec_fallback is not Node.exec_fallback


class RetryCounter:
    """Counts, while our copy of a node runs, and notes in the trace when it has ended.

    Of a batch node, the retries and fallbacks of all its items. One thing is not as it would be: a
    shallow copy that the node makes of itself meanwhile has its exec called on the node.
    """

    def __init__(self, node: Any, trace: Trace, at: int) -> None:
        self._node, self._trace, self._at = node, trace, at
        awaited = isinstance(node, AsyncNode)
        kind = _AwaitedCounter if awaited else _Counter
        self._names = _HOOKS[awaited]
        self._run, self._fallback = self._counters = [
            kind(getattr(node, name)) for name in self._names
        ]

    def __enter__(self) -> None:
        # Through __dict__: a __setattr__ of the user's is not ours to call.
        attributes = self._node.__dict__
        self._before = [attributes.get(name) for name in self._names]
        attributes.update(zip(self._names, self._counters, strict=True))

    def __exit__(self, *_: object) -> None:
        attributes = self._node.__dict__
        for name, counter, before in zip(self._names, self._counters, self._before, strict=True):
            if attributes.get(name) is counter:  # and not what the node has set since
                del attributes[name]
                if before is not None:
                    attributes[name] = before
        fallback = self._fallback
        # The last failure of all has led to the fallback, whether that raised it again or not.
        retries = self._run.raised - fallback.raised - fallback.returned
        if retries > 0 or fallback.returned:
            self._trace.note_retries(self._at, retries, fallback.returned)


class _Counter:
    """Calls a method of a node, and counts how often it raised and returned."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.raised = self.returned = 0

    def __call__(self, *given: Any) -> Any:
        with self:
            return self._method(*given)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.returned += 1
        elif issubclass(kind, Exception):
            self.raised += 1

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        # A node that sends itself to another process, or copies itself, is to go as it is.
        return _itself, (self._method,)


class _AwaitedCounter(_Counter):
    async def __call__(self, *given: Any) -> Any:
        with self:
            return await self._method(*given)


def _itself(method: Any) -> Any:
    return method


class Attribute:
    """Sets an attribute on our own copy of a flow while it runs."""

    def __init__(self, flow: Any, name: str, value: Any) -> None:
        self._flow, self._name, self._value = flow, name, value

    def __enter__(self) -> None:
        # Through __dict__: a __setattr__ of the user's is not ours to call.
        self._flow.__dict__[self._name] = self._value

    def __exit__(self, *_: object) -> None:
        del self._flow.__dict__[self._name]


class NodeListener(Attribute):
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
