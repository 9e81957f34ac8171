"""Copies nodes as PocketFlow does, and records what PocketFlow does not report while a copy runs.

Nodes are copied as by `copy.copy`, but faster where a class has no hooks for copying; each class is
examined once per run. What is recorded are a node's retries and fallbacks, and the nodes of a nested
flow that orchestrates itself, by attributes that are set on the copy while it runs and then restored.
The user's own node is never changed.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pocketflow import AsyncNode, BaseNode, Flow, Node

from ..records.param_reads import copied
from ..records.trace import Trace
from ..text.user_objects import copied_by_dict

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

_new = object.__new__


class NodeCopier:
    """Copies nodes.

    Attributes:
        direct: the classes of copied nodes that are async nodes and no flows, that have no fallback
            and do not override `_run_async`.
    """

    def __init__(self) -> None:
        self.direct: set[type] = set()
        self._plain: set[type] = set()
        self._known: set[type] = set()

    def copy(self, node: Any) -> Any:
        """Return what `copy.copy(node)` returns."""
        kind = type(node)
        if kind not in self._plain:
            self._learn(kind)
            if kind not in self._plain:
                twin = copy.copy(node)
                self._learn(type(twin))  # a user's __copy__ may return another class
                return twin
        # `copy.copy` would make a whole run 30 to 60 % slower (benchmarks overhead).
        twin = _new(kind)
        twin.__dict__ = node.__dict__.copy()
        return twin

    def _learn(self, kind: type) -> None:
        if kind in self._known:
            return
        self._known.add(kind)
        if copies_plainly(kind):
            self._plain.add(kind)
        if (
            issubclass(kind, AsyncNode)
            and not issubclass(kind, Flow)
            and not falls_back(kind)
            and getattr(kind, "_run_async", None) is AsyncNode._run_async
        ):
            self.direct.add(kind)


def copies_plainly(kind: type) -> bool:
    """Whether `copy.copy` of such a node makes a new object with the same `__dict__`, and no more."""
    return (
        issubclass(kind, BaseNode)
        and kind.__setattr__ is object.__setattr__  # type: ignore[comparison-overlap]
        and kind.__getattribute__ is object.__getattribute__  # type: ignore[comparison-overlap]
        and copied_by_dict(kind)
    )


_HOOKS = ("exec", "exec_fallback"), ("exec_async", "exec_fallback_async")


def falls_back(kind: Any) -> bool:
    """Whether a node class overrides the fallback; PocketFlow's own raises the error again."""
    if issubclass(kind, AsyncNode):
        return kind.exec_fallback_async is not AsyncNode.exec_fallback_async
    return issubclass(kind, Node) and kind.exec_fallback is not Node.exec_fallback


class TemporaryAttributes:
    """Sets attributes on a node copy for a `with` block, and then restores the former ones.

    An attribute that the node itself replaces meanwhile keeps the node's value.
    """

    def __init__(self, node: Any, **attributes: Any) -> None:
        self._node, self._attributes = node, attributes

    def __enter__(self) -> Self:
        # Through __dict__, so that no __setattr__ of the user runs.
        present = self._node.__dict__
        self._former = {name: present[name] for name in self._attributes if name in present}
        present.update(self._attributes)
        return self

    def __exit__(self, *_: object) -> None:
        present = self._node.__dict__
        for name, value in self._attributes.items():
            if present.get(name) is value:
                del present[name]
                if name in self._former:
                    present[name] = self._former[name]


class RetryCounter(TemporaryAttributes):
    """Counts the retries and fallbacks of a node copy while it runs, and adds them to its trace.

    For a batch node, these are the retries and fallbacks of all its items. One thing differs from an
    unchanged node: if the node makes a shallow copy of itself meanwhile, a call of the copy's `exec`
    runs on the node.
    """

    def __init__(self, node: Any, trace: Trace, at: int) -> None:
        is_async = isinstance(node, AsyncNode)
        counter = _AsyncCallCounter if is_async else _CallCounter
        run, fallback = _HOOKS[is_async]
        self._run, self._fallback = counter(getattr(node, run)), counter(getattr(node, fallback))
        super().__init__(node, **{run: self._run, fallback: self._fallback})
        self._trace, self._at = trace, at

    @property
    def fallbacks(self) -> int:
        """How often the node's fallback has returned a result so far."""
        return self._fallback.returned

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        fallback = self._fallback
        # The last failure leads to the fallback, whether that raises again or not: it is no retry.
        retries = self._run.raised - fallback.raised - fallback.returned
        if retries > 0 or fallback.returned:
            self._trace.note_retries(self._at, retries, fallback.returned)


class _CallCounter:
    """Calls a method of a node, and counts how often it raised and returned."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.raised = self.returned = 0

    def __call__(self, *arguments: Any) -> Any:
        with self:
            return self._method(*arguments)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.returned += 1
        elif issubclass(kind, Exception):
            self.raised += 1

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        # A node that pickles or deep-copies itself takes its own method along, not this counter.
        return _identity, (self._method,)


def own_attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node copy without what a `RetryCounter` has set."""
    own = {}
    for name, value in vars(node).items():
        if type(value) not in _COUNTERS:
            own[name] = value
        elif getattr(value._method, "__self__", None) is not node:
            own[name] = value._method
    return own


class _AsyncCallCounter(_CallCounter):
    async def __call__(self, *arguments: Any) -> Any:
        with self:
            return await self._method(*arguments)


_COUNTERS = (_CallCounter, _AsyncCallCounter)


def _identity(method: Any) -> Any:
    return method


_EXEC_RES = 2  # the index of exec's result among the arguments of post


class OutputRecorder(TemporaryAttributes):
    """Records what exec returned in a node copy that overrides how it runs, when its post receives it.

    A node that calls no post has no output.
    """

    def __init__(self, node: Any, trace: Trace, at: int) -> None:
        post = "post_async" if isinstance(node, AsyncNode) else "post"
        super().__init__(node, **{post: _RecordedPost(getattr(node, post), trace, at)})


class _RecordedPost:
    """Calls the post of a node, and notes the output that it receives."""

    def __init__(self, method: Callable[..., Any], trace: Trace, at: int) -> None:
        self._method, self._trace, self._at = method, trace, at

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if len(arguments) > _EXEC_RES:
            self._trace.note_output(self._at, arguments[_EXEC_RES])
        else:
            self._trace.note_output(self._at, keywords.get("exec_res"))
        return self._method(*arguments, **keywords)

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        return _identity, (self._method,)  # as for `_CallCounter`


class OrchestrationRecorder(TemporaryAttributes):
    """Records the nodes of a nested flow that orchestrates itself, when it asks for the next node.

    By then a node copy has ended, so its start is taken from the end of the copy before it in the
    same task: parallel walks interleave.
    """

    def __init__(
        self, flow: Any, trace: Trace, parent: int, clock: Callable[[], float], *, is_async: bool
    ) -> None:
        began = clock()
        get_next_node = flow.get_next_node
        latest: dict[Any, tuple[float, int]] = {}
        """By task: when its latest node copy ended, and the copy's position in the trace."""

        def recorded(node: Any, action: Any) -> Any:
            task = asyncio.current_task() if is_async else None
            start, after = latest.get(task, (began, -1))
            at = trace.open(type(node), parent, start, copied(getattr(node, "params", {})), after)
            end = clock()
            latest[task] = end, at
            trace.close(at, action, end)
            return get_next_node(node, action)

        super().__init__(flow, get_next_node=recorded)
