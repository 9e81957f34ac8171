"""What a node tries by itself while it runs: PocketFlow's `max_retries` and its `exec_fallback`.

PocketFlow tells nobody of either, so our own copy of such a node gets its `exec` and its fallback
as attributes that count, for as long as it runs. The user's own node is never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pocketflow import AsyncNode, Node

from .trace import Trace

_HOOKS = ("exec", "exec_fallback"), ("exec_async", "exec_fallback_async")


def falls_back(kind: Any) -> bool:
    """Tell whether a class of nodes has a fallback of its own; PocketFlow's raises the error again."""
    if issubclass(kind, AsyncNode):
        return kind.exec_fallback_async is not AsyncNode.exec_fallback_async
    return issubclass(kind, Node) and kind.exec_fallback is not Node.exec_fallback


class Tries:
    """Counts, while our copy of a node runs, and notes in the trace when it has ended.

    Of a batch node, the retries and fallbacks of all its items. One thing is not as it would be: a
    shallow copy that the node makes of itself meanwhile has its exec called on the node.
    """

    def __init__(self, node: Any, trace: Trace, at: int) -> None:
        self._node, self._trace, self._at = node, trace, at
        self._hung: list[tuple[str, Any, Any]] = []
        self._failed = self._fell_back = self._rescued = 0

    def __enter__(self) -> None:
        node = self._node
        awaited = isinstance(node, AsyncNode)
        kind = _AwaitedCounter if awaited else _Counter
        run, fallback = _HOOKS[awaited]
        for name, failed, rescued in (
            (run, self._note_failed, None),
            (fallback, self._note_fell_back, self._note_rescued),
        ):
            counter = kind(getattr(node, name), failed, rescued)
            # Through __dict__: a __setattr__ of the user's is not ours to call.
            self._hung.append((name, counter, node.__dict__.get(name)))
            node.__dict__[name] = counter

    def __exit__(self, *_: object) -> None:
        attributes = self._node.__dict__
        for name, counter, before in self._hung:
            if attributes.get(name) is counter:  # and not what the node has set since
                del attributes[name]
                if before is not None:
                    attributes[name] = before
        # The last failure of all has led to the fallback, whether that raised it again or not.
        retries = self._failed - self._fell_back
        if retries > 0 or self._rescued:
            self._trace.note_tries(self._at, retries, self._rescued)

    def _note_failed(self) -> None:
        self._failed += 1

    def _note_fell_back(self) -> None:
        self._fell_back += 1

    def _note_rescued(self) -> None:
        self._fell_back += 1
        self._rescued += 1


class _Counter:
    """Calls a method of a node and tells whether it raised."""

    def __init__(
        self,
        method: Callable[..., Any],
        raised: Callable[[], None],
        returned: Callable[[], None] | None,
    ) -> None:
        self._method, self._raised, self._returned = method, raised, returned

    def __call__(self, *given: Any) -> Any:
        try:
            result = self._method(*given)
        except Exception:
            self._raised()
            raise
        if self._returned is not None:
            self._returned()
        return result

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        # A node that sends itself to another process, or copies itself, is to go as it is.
        return _itself, (self._method,)


class _AwaitedCounter(_Counter):
    async def __call__(self, *given: Any) -> Any:
        try:
            result = await self._method(*given)
        except Exception:
            self._raised()
            raise
        if self._returned is not None:
            self._returned()
        return result


def _itself(method: Any) -> Any:
    return method
