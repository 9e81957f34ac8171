"""Walk one instance through its graph with PocketFlow's own semantics, recording each node copy.

The walk is PocketFlow's `_orch`: copy the node, set its params, run it, ask the flow for the next.
What differs is what is noted in between, and one more thing if threads are allowed: the `exec` of a
sync node runs in one, while its `prep` and `post` stay on the loop. Nothing is awaited between one
node's `post` and the next node's `prep`: flows that share a dict are right only because of that.

Nested flows are walked by the same code: our copy of a nested flow (never the user's object) gets
its `_orch_async` or `_orch` as an attribute for as long as it runs. A nested flow with an
orchestration of its own keeps it and is listened to through `get_next_node`.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import copyreg
from collections.abc import Awaitable, Callable, Coroutine
from operator import is_
from typing import Any

from pocketflow import (
    AsyncFlow,
    AsyncNode,
    BaseNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from .records import Trace

InThread = Callable[[Callable[[Any], Any], Any], Awaitable[Any]]
"""Run `function(argument)` in a worker thread and await what it returns."""


class Walker:
    """Takes instances through graphs. One per run: what it learns about classes is kept for the run.

    Args:
        clock: gives the time, in seconds.
        in_thread: runs the `exec` of sync nodes; None runs it on the loop, as PocketFlow does.
    """

    def __init__(self, clock: Callable[[], float], in_thread: InThread | None) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._plain: dict[type, bool] = {}
        self._on_loop = self if in_thread is None else Walker(clock, None)

    def run(
        self, flow: Any, shared: Any, params: dict[Any, Any], trace: Trace
    ) -> Coroutine[Any, Any, Any]:
        """Return the walk of one instance of a flow, or a single node, which gives its last action."""
        # Not a coroutine itself: each one that stands between a task and a node costs every step.
        if not isinstance(flow, Flow):
            return self._node(flow, shared, params, trace)
        name = "_orch_async" if isinstance(flow, AsyncFlow) else "_orch"
        if _is_stock(flow, name):
            return self._walk(flow, shared, params, trace, -1)
        return self._own_orchestration(flow, name, shared, params, trace)

    async def _node(self, node: Any, shared: Any, params: dict[Any, Any], trace: Trace) -> Any:
        node = self._copy(node)
        position = self._open(node, None, trace, -1)
        return await self._step(node, shared, params, trace, position, may_await=True)

    async def _own_orchestration(
        self, flow: Any, name: str, shared: Any, params: dict[Any, Any], trace: Trace
    ) -> Any:
        """Run a top-level flow as it stands, on the user's own object; it leaves one record."""
        position = self._open(flow, None, trace, -1)
        try:
            action = getattr(flow, name)(shared, params)
            if name == "_orch_async":
                action = await action
        except BaseException as error:
            trace.fail(position, error, self._clock())
            raise
        trace.close(position, action, self._clock())
        return action

    async def _walk(
        self, flow: Any, shared: Any, params: dict[Any, Any] | None, trace: Trace, parent: int
    ) -> Any:
        p = params or {**flow.params}
        # What the copies received: one snapshot for all of them, until a node writes to its params.
        # At the top level it is the instance's own params, which the records hold already.
        snapshot = _snapshot(p)
        known = parent < 0
        may_await = isinstance(flow, AsyncFlow)
        action = None
        node = self._copy(flow.start_node)
        while node:
            position = self._open(node, None if known else snapshot, trace, parent)
            if may_await and isinstance(node, AsyncNode) and not isinstance(node, Flow):
                # As `_step` does; written out, since most nodes are of this kind.
                try:
                    node.set_params(p)
                    action = await node._run_async(shared)
                except BaseException as error:
                    trace.fail(position, error, self._clock())
                    raise
                trace.close(position, action, self._clock())
            else:
                action = await self._step(node, shared, p, trace, position, may_await=may_await)
            node = flow.get_next_node(node, action)
            if node is not None:
                node = self._copy(node)
                if not _same(p, snapshot):
                    snapshot, known = _snapshot(p), False
        return action

    def _open(self, node: Any, params: Any, trace: Trace, parent: int) -> int:
        return trace.open(type(node), parent, self._clock(), params)

    async def _step(
        self, node: Any, shared: Any, params: Any, trace: Trace, position: int, *, may_await: bool
    ) -> Any:
        try:
            node.set_params(params)
            if isinstance(node, Flow):
                action = await self._flow_step(node, shared, trace, position, may_await=may_await)
            elif may_await and isinstance(node, AsyncNode):
                action = await node._run_async(shared)
            elif self._in_thread is not None and _splits(node):
                prepared = node.prep(shared)
                executed = await self._in_thread(node._exec, prepared)
                action = node.post(shared, prepared, executed)
            else:
                action = node._run(shared)
        except BaseException as error:
            trace.fail(position, error, self._clock())
            raise
        trace.close(position, action, self._clock())
        return action

    async def _flow_step(
        self, flow: Any, shared: Any, trace: Trace, position: int, *, may_await: bool
    ) -> Any:
        """Run a nested flow: our copy of it, so that attributes may be set on it."""
        if isinstance(flow, AsyncFlow):
            if not may_await:
                return flow._run(shared)  # raises PocketFlow's own "Use run_async."
            if not _is_stock(flow, "_orch_async"):
                with _Listener(flow, "_orch_async", trace, position, self._clock):
                    return await flow._run_async(shared)

            async def orch_async(shared: Any, params: Any = None) -> Any:
                return await self._walk(flow, shared, params, trace, position)

            with _Attribute(flow, "_orch_async", orch_async):
                return await flow._run_async(shared)
        if not _is_stock(flow, "_orch"):
            with _Listener(flow, "_orch", trace, position, self._clock):
                return flow._run(shared)
        if _is_stock(flow, "_run"):
            return await self._sync_flow(flow, shared, trace, position)

        def orch(shared: Any, params: Any = None) -> Any:
            return _finish_now(self._on_loop._walk(flow, shared, params, trace, position))

        with _Attribute(flow, "_orch", orch):
            return flow._run(shared)

    async def _sync_flow(self, flow: Any, shared: Any, trace: Trace, position: int) -> Any:
        """PocketFlow's `Flow._run` and `BatchFlow._run`, awaiting the walks so that threads can be used."""
        if type(flow)._run is not BatchFlow._run:
            prepared = flow.prep(shared)
            action = await self._walk(flow, shared, None, trace, position)
            return flow.post(shared, prepared, action)
        rows = flow.prep(shared) or []
        for row in rows:
            await self._walk(flow, shared, {**flow.params, **row}, trace, position)
        return flow.post(shared, rows, None)

    def _copy(self, node: Any) -> Any:
        """`copy.copy(node)`, at a fraction of its cost where that makes no difference."""
        kind = type(node)
        plain = self._plain.get(kind)
        if plain is None:
            plain = self._plain[kind] = _copies_plainly(kind)
        if not plain:
            return copy.copy(node)
        twin = object.__new__(kind)
        twin.__dict__.update(node.__dict__)
        return twin


_STOCK = {
    "_orch": {Flow._orch},
    "_orch_async": {AsyncFlow._orch_async},
    "_run": {Flow._run, BatchFlow._run, BaseNode._run},
    "_exec": {BaseNode._exec, Node._exec, BatchNode._exec},
}


def _is_stock(node: Any, name: str) -> bool:
    """Whether a hook is PocketFlow's own: overridden neither by a subclass nor on this object."""
    return name not in node.__dict__ and getattr(type(node), name) in _STOCK[name]


def _splits(node: Any) -> bool:
    """Whether the `exec` of a sync node can run apart from its `prep` and `post`."""
    return not isinstance(node, AsyncNode) and _is_stock(node, "_run") and _is_stock(node, "_exec")


def _copies_plainly(kind: type) -> bool:
    """Whether `copy.copy` of this class is a new object with the same `__dict__`, nothing more."""
    return (
        issubclass(kind, BaseNode)
        and kind not in copyreg.dispatch_table
        and kind.__new__ is object.__new__  # type: ignore[comparison-overlap]
        and kind.__reduce_ex__ is object.__reduce_ex__  # type: ignore[comparison-overlap]
        and kind.__reduce__ is object.__reduce__  # type: ignore[comparison-overlap]
        and getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not any(
            hasattr(kind, hook)
            for hook in ("__copy__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
        )
        and not any("__slots__" in vars(base) for base in kind.__mro__)
    )


def _snapshot(params: Any) -> Any:
    return params.copy() if type(params) is dict else params


def _same(params: Any, snapshot: Any) -> bool:
    # By identity: values such as arrays have no truth value to compare by.
    return params is snapshot or (
        type(params) is dict
        and params.keys() == snapshot.keys()
        and all(map(is_, params.values(), map(snapshot.__getitem__, params)))
    )


def _finish_now(walk: Coroutine[Any, Any, Any]) -> Any:
    """Run a walk that awaits nothing (all its nodes are sync and no thread is allowed)."""
    try:
        walk.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a walk without threads was suspended")


class _Attribute:
    """Sets an attribute on our own copy of a flow while it runs."""

    def __init__(self, flow: Any, name: str, value: Any) -> None:
        self._flow, self._name, self._value = flow, name, value

    def __enter__(self) -> None:
        # Through __dict__: a __setattr__ of the user's is not ours to call.
        self._flow.__dict__[self._name] = self._value

    def __exit__(self, *_: object) -> None:
        del self._flow.__dict__[self._name]


class _Listener(_Attribute):
    """Notes the nodes of a nested flow that orchestrates itself, when it asks for the next one.

    A copy is seen when it has ended: its start is taken from the end of the one before it, in the
    same task, since parallel children interleave.
    """

    def __init__(
        self, flow: Any, orch: str, trace: Trace, parent: int, clock: Callable[[], float]
    ) -> None:
        began = clock()
        original = flow.get_next_node
        ends: dict[Any, float] = {}

        def get_next_node(node: Any, action: Any) -> Any:
            task = asyncio.current_task() if orch == "_orch_async" else None
            position = trace.open(
                type(node), parent, ends.get(task, began), _snapshot(getattr(node, "params", {}))
            )
            ends[task] = clock()
            trace.close(position, action, ends[task])
            return original(node, action)

        self._patched = flow.__dict__.get("get_next_node")
        super().__init__(flow, "get_next_node", get_next_node)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._patched is not None:
            self._flow.__dict__["get_next_node"] = self._patched


async def run_in_thread(executor: Any, function: Callable[[Any], Any], argument: Any) -> Any:
    """Run `function(argument)` in a thread of `executor`; ContextVars travel there and back.

    Cancelled, it raises at once while the thread finishes unobserved.
    """
    context = contextvars.copy_context()

    def boxed() -> tuple[Any, BaseException | None]:
        # Boxed: a StopIteration set on a future would never reach the one who awaits it.
        try:
            return context.run(function, argument), None
        except BaseException as error:  # noqa: BLE001 - handed to the awaiting node's walk
            return None, error

    result, error = await asyncio.get_running_loop().run_in_executor(executor, boxed)
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)
    if error is not None:
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: a cycle, and with it all the user's locals
    return result


_UNSET: Any = object()
