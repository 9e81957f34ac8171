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
import contextlib
import contextvars
import copy
import copyreg
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BaseNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from ..records.param_reads import DICTS, ReadTrackingDict, copied, inherited
from ..records.trace import ACTION, ENDED, NO_ACTION, Trace
from .node_listener import Attribute, NodeListener, RetryCounter, falls_back

InThread = Callable[[Callable[[Any], Any], Any], Awaitable[Any]]
"""Run `function(argument)` in a worker thread and await what it returns."""


Way = Callable[[Any, "dict[Any, Any]", Trace], Coroutine[Any, Any, Any]]
"""Begin the walk of one instance, from the shared store, its params and the trace it writes to."""


class Walker:
    """Takes instances through graphs. One per run: what it learns about classes is kept for the run.

    Args:
        clock: gives the time, in seconds.
        in_thread: runs the `exec` of sync nodes; None runs it on the loop, as PocketFlow does.
    """

    def __init__(self, clock: Callable[[], float], in_thread: InThread | None) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._kinds: dict[type, int] = {}
        self._on_loop = self if in_thread is None else Walker(clock, None)

    def way(self, flow: Any) -> Way:
        """Return what begins the walk of one instance of a flow, or of a single node.

        Called as `way(shared, params, trace)`; the walk, awaited, gives its last action.
        """
        # Not coroutines around a coroutine: each one that stands between a task and a node costs
        # every step.
        if not isinstance(flow, Flow):
            return functools.partial(self._node, flow)
        may_await = isinstance(flow, AsyncFlow)
        name = "_orch_async" if may_await else "_orch"
        if not _is_stock(flow, name):
            return functools.partial(self._own_orchestration, flow, name)
        walk = self._walk
        # No partial: a function of Python's calls another one at half the cost.
        return lambda shared, params, trace: walk(flow, may_await, shared, params, trace, -1)

    async def _node(self, node: Any, shared: Any, params: dict[Any, Any], trace: Trace) -> Any:
        node = self._copy(node)
        at = self._open(node, None, trace, -1)
        return await self._step(node, shared, params, trace, at, may_await=True)

    async def _own_orchestration(
        self, flow: Any, name: str, shared: Any, params: dict[Any, Any], trace: Trace
    ) -> Any:
        """Run a top-level flow as it stands, on the user's own object; it leaves one record."""
        at = self._open(flow, None, trace, -1)
        try:
            action = getattr(flow, name)(shared, params)
            if name == "_orch_async":
                action = await action
        except BaseException as error:
            trace.fail(at, error, self._clock())
            raise
        trace.close(at, action, self._clock())
        return action

    async def _walk(  # noqa: PLR0917 - ditto: those that stay the same are bound
        self,
        flow: Any,
        may_await: bool,  # noqa: FBT001 - bound by position, once for all instances
        shared: Any,
        params: dict[Any, Any],
        trace: Trace,
        parent: int,
    ) -> Any:
        # Two empty ones are as good as each other, but for what `ReadTrackingDict` notes.
        p: Any = params or {**flow.params} or params
        clock, kinds = self._clock, self._kinds
        action = None
        node = self._copy(flow.start_node)
        # What the copies received: one snapshot for all of them, until a node writes to its params.
        # At the top level it is the instance's own params, which the records hold already.
        known = parent < 0
        snapshot = None if known and type(p) is ReadTrackingDict else copied(p)
        writes, at = 0, -1
        while node:
            kind = type(node)
            at = trace.open(kind, parent, clock(), None if known else snapshot, at)
            if may_await and kinds[kind] & _AWAITED and getattr(node, "max_retries", 1) == 1:
                # As `_step` does; written out, since most nodes are of this kind.
                try:
                    node.set_params(p)
                    action = await node._run_async(shared)
                except BaseException as error:
                    trace.fail(at, error, clock())
                    raise
                if action is None:  # as `close` does
                    trace[at + ENDED], trace[at + ACTION] = clock(), NO_ACTION
                else:
                    trace.close(at, action, clock())
            else:
                action = await self._step(node, shared, p, trace, at, may_await=may_await)
            node = flow.get_next_node(node, action)
            if node is not None:
                node = self._copy(node)
                if type(p) is ReadTrackingDict:
                    if writes == p.writes:
                        continue
                    writes = p.writes
                if snapshot is None or not _same(p, snapshot):
                    snapshot, known = copied(p), False
        return action

    def _open(self, node: Any, params: Any, trace: Trace, parent: int) -> int:
        return trace.open(type(node), parent, self._clock(), params)

    async def _step(
        self, node: Any, shared: Any, params: Any, trace: Trace, at: int, *, may_await: bool
    ) -> Any:
        try:
            node.set_params(params)
            if isinstance(node, Flow):
                action = await self._flow_step(node, shared, trace, at, may_await=may_await)
            else:
                retry_counter = getattr(node, "max_retries", 1) != 1 or falls_back(type(node))
                with RetryCounter(node, trace, at) if retry_counter else _NO_COUNTER:
                    if may_await and isinstance(node, AsyncNode):
                        action = await node._run_async(shared)
                    elif self._in_thread is not None and _splits(node):
                        prepared = node.prep(shared)
                        executed = await self._in_thread(node._exec, prepared)
                        action = node.post(shared, prepared, executed)
                    else:
                        action = node._run(shared)
        except BaseException as error:
            trace.fail(at, error, self._clock())
            raise
        trace.close(at, action, self._clock())
        return action

    async def _flow_step(
        self, flow: Any, shared: Any, trace: Trace, at: int, *, may_await: bool
    ) -> Any:
        """Run a nested flow: our copy of it, so that attributes may be set on it."""
        if isinstance(flow, AsyncFlow):
            if not may_await:
                return flow._run(shared)  # raises PocketFlow's own "Use run_async."
            if not _is_stock(flow, "_orch_async"):
                with NodeListener(flow, "_orch_async", trace, at, self._clock):
                    return await flow._run_async(shared)

            def orch_async(shared: Any, params: Any = None) -> Coroutine[Any, Any, Any]:
                return self._nested(flow, True, shared, params, trace, at)

            with Attribute(flow, "_orch_async", orch_async):
                if _is_stock(flow, "_run_async"):
                    run = self._async_flow(flow, shared, trace, at)
                else:
                    run = flow._run_async(shared)
                return await run
        if not _is_stock(flow, "_orch"):
            with NodeListener(flow, "_orch", trace, at, self._clock):
                return flow._run(shared)
        if _is_stock(flow, "_run"):
            return await self._sync_flow(flow, shared, trace, at)

        def orch(shared: Any, params: Any = None) -> Any:
            return _finish_now(self._on_loop._nested(flow, False, shared, params, trace, at))

        with Attribute(flow, "_orch", orch):
            return flow._run(shared)

    async def _sync_flow(self, flow: Any, shared: Any, trace: Trace, at: int) -> Any:
        """PocketFlow's `Flow._run` and `BatchFlow._run`, awaiting the walks so that threads can be used."""
        if type(flow)._run is not BatchFlow._run:
            prepared = flow.prep(shared)
            action = await self._nested(flow, False, shared, None, trace, at)
            return flow.post(shared, prepared, action)
        rows = flow.prep(shared) or []
        for row in rows:
            params = inherited(flow.params, row)
            await self._nested(flow, False, shared, params, trace, at)
        return flow.post(shared, rows, None)

    async def _async_flow(self, flow: Any, shared: Any, trace: Trace, at: int) -> Any:
        """PocketFlow's `_run_async` of its three kinds of async flow; merging reads no params."""
        kind = type(flow)._run_async
        if kind is AsyncFlow._run_async:
            prepared = await flow.prep_async(shared)
            action = await self._nested(flow, True, shared, None, trace, at)
            return await flow.post_async(shared, prepared, action)
        rows = await flow.prep_async(shared) or []
        walks = (
            self._nested(flow, True, shared, inherited(flow.params, row), trace, at) for row in rows
        )
        if kind is AsyncParallelBatchFlow._run_async:
            await asyncio.gather(*walks)
        else:
            for walk in walks:
                await walk
        return await flow.post_async(shared, rows, None)

    async def _nested(  # noqa: PLR0917 - as `_walk`
        self,
        flow: Any,
        may_await: bool,  # noqa: FBT001 - ditto
        shared: Any,
        params: dict[Any, Any] | None,
        trace: Trace,
        at: int,
    ) -> Any:
        p = params or inherited(flow.params)
        return await self._walk(flow, may_await, shared, p, trace, at)

    def _copy(self, node: Any) -> Any:
        """`copy.copy(node)`, at a fraction of its cost where that makes no difference."""
        kind = type(node)
        try:
            traits = self._kinds[kind]
        except KeyError:
            traits = self._kinds[kind] = _traits(kind)
        if not traits & _PLAIN:
            twin = copy.copy(node)
            # Somebody's __copy__ may give another class.
            if type(twin) not in self._kinds:
                self._kinds[type(twin)] = _traits(type(twin))
            return twin
        twin = _new(kind)
        twin.__dict__ = node.__dict__.copy()
        return twin


_new = object.__new__
_PLAIN, _AWAITED = 1, 2
"""What is known of a node class: it copies plainly; it is an async node, no flow, has no fallback."""

_NO_COUNTER = contextlib.nullcontext()


def _traits(kind: type) -> int:
    awaited = issubclass(kind, AsyncNode) and not issubclass(kind, Flow) and not falls_back(kind)
    return _PLAIN * _copies_plainly(kind) + _AWAITED * awaited


_STOCK = {
    "_orch": {Flow._orch},
    "_orch_async": {AsyncFlow._orch_async},
    "_run": {Flow._run, BatchFlow._run, BaseNode._run},
    "_run_async": {
        AsyncFlow._run_async,
        AsyncBatchFlow._run_async,
        AsyncParallelBatchFlow._run_async,
    },
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
        and kind.__setattr__ is object.__setattr__  # type: ignore[comparison-overlap]
        and kind.__getattribute__ is object.__getattribute__  # type: ignore[comparison-overlap]
        and kind.__reduce_ex__ is object.__reduce_ex__  # type: ignore[comparison-overlap]
        and kind.__reduce__ is object.__reduce__  # type: ignore[comparison-overlap]
        and getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not any(
            hasattr(kind, hook)
            for hook in ("__copy__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
        )
        and not any("__slots__" in vars(base) for base in kind.__mro__)
    )


def _same(params: Any, snapshot: Any) -> bool:
    if params is snapshot:
        return True
    if type(params) not in DICTS or len(params) != len(snapshot):
        return False
    # By identity: values such as arrays have no truth value to compare by.
    for key, value in dict.items(params):  # noqa: SIM110 - a generator costs three times as much
        if snapshot.get(key, _UNSET) is not value:
            return False
    return True


def _finish_now(walk: Coroutine[Any, Any, Any]) -> Any:
    """Run a walk that awaits nothing (all its nodes are sync and no thread is allowed)."""
    try:
        walk.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a walk without threads was suspended")


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
