"""Walks one instance through its graph as PocketFlow would, and records each node copy.

The walk is PocketFlow's `_orch`: copy the node, set its params, run it, ask the flow for the next.
Two things are added: each node copy is recorded in the trace; and, if threads are allowed, the
`exec` of a sync node runs in one, while its `prep` and `post` stay on the loop. Nothing is awaited
between one node's `post` and the next node's `prep`: flows that share a dict rely on that. One thing
is left out: what a node without successors returns is no action that could fail to be looked up.

Nested flows are walked by the same code: our copy of a nested flow, never the user's object, gets
an `_orch_async` or `_orch` of ours while it runs. A nested flow that overrides its orchestration
keeps it; its nodes are recorded when it asks for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow, BatchFlow, Flow

from ..records.param_reads import ReadTrackingDict, copied, inherited, is_mutable, same_params
from ..records.trace import ACTION, ENDED, NO_ACTION, Trace
from . import forks
from .graph import SingleNode, is_overridden, overrides
from .node_copier import (
    NodeCopier,
    OrchestrationRecorder,
    OutputRecorder,
    RetryCounter,
    TemporaryAttributes,
    falls_back,
)

if TYPE_CHECKING:
    from .reuse.call import Call
    from .reuse.node_reuse import NodeReuse

InThread = Callable[[Any, Any, Trace], Awaitable[Any]]
"""Runs `node._exec(prepared)` of a traced instance in a thread; awaited, it gives what that returns."""

Way = Callable[[Any, "dict[Any, Any]", Trace], Coroutine[Any, Any, Any]]
"""Starts the walk of one instance, from the shared store, its params and the trace to write."""

_NO_COUNTER = _NO_CALL = contextlib.nullcontext()


class Walker:
    """Walks instances through graphs. A run has one, which keeps what it learns about node classes.

    Args:
        clock: returns the time, in seconds.
        in_thread: runs the `exec` of sync nodes; None runs it on the loop, as PocketFlow does.
        reuse: finds the outputs of execs that need not run; None runs them all.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        in_thread: InThread | None,
        reuse: NodeReuse | None = None,
    ) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._reuse = reuse
        copier = NodeCopier()
        self._copy = copier.copy
        self._direct = copier.direct if reuse is None else frozenset[type]()
        self._without_threads = self if in_thread is None else Walker(clock, None, reuse)

    def way(self, flow: Any) -> Way:
        """Return a function that starts the walk of one instance of a flow, or of a single node.

        It is called as `way(shared, params, trace)`; the walk, awaited, gives its last action.
        """
        if not isinstance(flow, Flow):
            flow, may_await = SingleNode(flow), True
        else:
            may_await = isinstance(flow, AsyncFlow)
            orch = "_orch_async" if may_await else "_orch"
            if overrides(flow, orch):
                return lambda shared, params, trace: self._own_orchestration(
                    flow, orch, shared, params, trace
                )
        walk = self._walk
        return lambda shared, params, trace: walk(flow, may_await, shared, params, trace, -1)

    async def _own_orchestration(
        self, flow: Any, orch: str, shared: Any, params: dict[Any, Any], trace: Trace
    ) -> Any:
        """Run a top-level flow that overrides its orchestration, and record only the flow itself."""
        at = trace.open(type(flow), -1, self._clock(), None)
        process = forks.count
        try:
            action = getattr(flow, orch)(shared, params)
            if orch == "_orch_async":
                action = await action
        except BaseException as error:
            forks.end_if_forked(process, error)
            trace.fail(at, error, self._clock())
            raise
        forks.end_if_forked(process, None)
        trace.close(at, action, self._clock())
        return action

    async def _walk(  # noqa: C901, PLR0912, PLR0915, PLR0917 - hot; all but three are the same for every instance
        self,
        flow: Any,
        may_await: bool,  # noqa: FBT001 - see above
        shared: Any,
        params: dict[Any, Any],
        trace: Trace,
        parent: int,
    ) -> Any:
        """Walk a flow from its start node; return the last action. For `parent` see `Trace.open`."""
        # `or params`, since an empty `ReadTrackingDict` still notes which keys are read.
        p: Any = params or {**flow.params} or params
        clock, direct, copy = self._clock, self._direct, self._copy
        # A snapshot serves all node copies until one of them changes its params. At the top level
        # the records hold the instance's params already, so that none is recorded before that.
        unchanged = at_top = parent < 0
        mutable = trace.mutable if at_top else is_mutable(p)
        known = at_top and type(p) is ReadTrackingDict and not mutable
        before = None if known else copied(p)
        writes, at = 0, -1
        process = forks.count
        alone = type(flow) is SingleNode
        action = None
        node = copy(flow.start_node)
        # A node that is false ends a walk in PocketFlow, but runs when it runs alone.
        while node or alone:
            kind = type(node)
            at = trace.open(kind, parent, clock(), None if unchanged else before, at)
            try:
                node.set_params(p)
                if (
                    may_await
                    and kind in direct
                    and getattr(node, "max_retries", 1) == 1
                    and "_run_async" not in node.__dict__
                ):
                    # `_run` would do the same, but 11 to 20 % slower (benchmarks overhead).
                    prepared = await node.prep_async(shared)
                    executed = await node._exec(prepared)
                    if executed is not None:
                        trace.note_output(at, executed)
                    action = await node.post_async(shared, prepared, executed)
                    del prepared, executed  # may be large, and the walk goes on
                else:
                    action = await self._run(node, shared, trace, at, may_await=may_await)
            except BaseException as error:
                forks.end_if_forked(process, error)
                trace.fail(at, error, clock())
                raise
            if (
                forks.count != process
            ):  # written out: `end_if_forked` is called once per node copy else
                forks.end_child()
            if action is None:  # as `close` does; calling it costs 1 % (benchmarks overhead)
                trace[at + ENDED], trace[at + ACTION] = clock(), NO_ACTION
            else:
                trace.close(at, action, clock())
            try:
                node = flow.get_next_node(node, action)
            except Exception:
                # PocketFlow looks up what the last node returned, too: a dict or a DataFrame is no key.
                if node.successors or is_overridden(flow, "get_next_node", Flow.get_next_node):
                    raise
                break
            if node is None:
                break
            node = copy(node)
            if type(p) is ReadTrackingDict:
                if writes == p.writes and not mutable:
                    continue
                writes = p.writes
            if before is None or not same_params(p, before):
                before, unchanged, mutable = copied(p), False, is_mutable(p)
        return action

    async def _run(self, node: Any, shared: Any, trace: Trace, at: int, *, may_await: bool) -> Any:
        """Run a node copy of any kind; return its action."""
        if isinstance(node, AsyncFlow) and may_await:
            return await self._run_async_flow(node, shared, trace, at)
        if isinstance(node, Flow) and not isinstance(node, AsyncFlow):
            return await self._run_sync_flow(node, shared, trace, at)
        counted = getattr(node, "max_retries", 1) != 1 or falls_back(type(node))
        with RetryCounter(node, trace, at) if counted else _NO_COUNTER as counter:
            if may_await and isinstance(node, AsyncNode):
                return await self._run_async_node(node, shared, trace, at, counter)
            if isinstance(node, AsyncNode) or overrides(node, "_run"):
                # An async node or flow in a sync flow raises PocketFlow's own "Use run_async." here.
                self._pass_over(node)
                with OutputRecorder(node, trace, at):
                    return node._run(shared)
            prepared = node.prep(shared)
            executed, call = await self._executed(node, prepared, shared, trace, at, counter)
            action = node.post(shared, prepared, executed)
            if call is not None:
                call.succeeded()
            return action

    async def _executed(  # noqa: PLR0917 - as `_walk`
        self,
        node: Any,
        prepared: Any,
        shared: Any,
        trace: Trace,
        at: int,
        counter: RetryCounter | None,
    ) -> tuple[Any, Call | None]:
        """Return what the exec of a node copy returned, now or in an earlier run, and its call."""
        reuse = self._reuse
        call = None if reuse is None else reuse.begin(node, prepared, shared, trace, at)
        if call is not None and call.reused is not None:
            executed = call.output
        else:
            with call or _NO_CALL:
                if isinstance(node, AsyncNode):
                    executed = await node._exec(prepared)
                else:
                    executed = await self._exec(node, prepared, trace)
            if reuse is not None and call is not None:
                fell_back = counter is not None and counter.fallbacks > 0
                reuse.returned(node, call, executed, fell_back=fell_back)
        trace.note_output(at, executed)
        return executed, call

    def _pass_over(self, node: Any) -> None:
        """Count a node copy that runs in a way of its own, which cannot be reused."""
        if self._reuse is not None:
            self._reuse.pass_over(node)

    async def _exec(self, node: Any, prepared: Any, trace: Trace) -> Any:
        """Return what the exec of a sync node returns."""
        if self._in_thread is None or overrides(node, "_exec"):
            return node._exec(prepared)
        try:
            return await self._in_thread(node, prepared, trace)
        except (asyncio.CancelledError, GeneratorExit):
            # Its thread cannot be stopped, but need not retry or go on to the next item.
            node.__dict__["exec"] = _raise_cancelled
            raise

    async def _run_async_node(
        self, node: Any, shared: Any, trace: Trace, at: int, counter: RetryCounter | None
    ) -> Any:
        if overrides(node, "_run_async"):
            self._pass_over(node)
            with OutputRecorder(node, trace, at):
                return await node._run_async(shared)
        prepared = await node.prep_async(shared)
        executed, call = await self._executed(node, prepared, shared, trace, at, counter)
        action = await node.post_async(shared, prepared, executed)
        if call is not None:
            call.succeeded()
        return action

    async def _run_async_flow(self, flow: Any, shared: Any, trace: Trace, at: int) -> Any:
        """Run a nested async flow; `flow` is our copy of it, so that attributes may be set."""
        if overrides(flow, "_orch_async"):
            with OrchestrationRecorder(flow, trace, at, self._clock, is_async=True):
                return await flow._run_async(shared)

        def orch_async(shared: Any, params: Any = None) -> Coroutine[Any, Any, Any]:
            return self._walk_nested(flow, True, shared, params, trace, at)

        with TemporaryAttributes(flow, _orch_async=orch_async):
            if overrides(flow, "_run_async"):
                return await flow._run_async(shared)
            return await self._stock_run_async(flow, shared, trace, at)

    async def _stock_run_async(self, flow: Any, shared: Any, trace: Trace, at: int) -> Any:
        """Do what `_run_async` does in PocketFlow's async flows, but merge params unread."""
        kind = type(flow)._run_async
        if kind is AsyncFlow._run_async:
            prepared = await flow.prep_async(shared)
            action = await self._walk_nested(flow, True, shared, None, trace, at)
            return await flow.post_async(shared, prepared, action)
        rows = await flow.prep_async(shared) or []
        walks = (
            self._walk_nested(flow, True, shared, inherited(flow.params, row), trace, at)
            for row in rows
        )
        if kind is AsyncParallelBatchFlow._run_async:
            await asyncio.gather(*walks)
        else:
            for walk in walks:
                await walk
        return await flow.post_async(shared, rows, None)

    async def _run_sync_flow(self, flow: Any, shared: Any, trace: Trace, at: int) -> Any:
        """Run a nested sync flow; `flow` is our copy of it, so that attributes may be set."""
        if overrides(flow, "_orch"):
            with OrchestrationRecorder(flow, trace, at, self._clock, is_async=False):
                return flow._run(shared)
        if not overrides(flow, "_run"):
            return await self._stock_run(flow, shared, trace, at)

        def orch(shared: Any, params: Any = None) -> Any:
            walk = self._without_threads._walk_nested(flow, False, shared, params, trace, at)
            return _finish_now(walk)

        with TemporaryAttributes(flow, _orch=orch):
            return flow._run(shared)

    async def _stock_run(self, flow: Any, shared: Any, trace: Trace, at: int) -> Any:
        """Do what `_run` does in PocketFlow's sync flows, but await the walks: they may use threads."""
        if type(flow)._run is not BatchFlow._run:
            prepared = flow.prep(shared)
            action = await self._walk_nested(flow, False, shared, None, trace, at)
            return flow.post(shared, prepared, action)
        rows = flow.prep(shared) or []
        for row in rows:
            params = inherited(flow.params, row)
            await self._walk_nested(flow, False, shared, params, trace, at)
        return flow.post(shared, rows, None)

    async def _walk_nested(  # noqa: PLR0917 - as `_walk`
        self,
        flow: Any,
        may_await: bool,  # noqa: FBT001 - as `_walk`
        shared: Any,
        params: dict[Any, Any] | None,
        trace: Trace,
        at: int,
    ) -> Any:
        p = params or inherited(flow.params)
        return await self._walk(flow, may_await, shared, p, trace, at)


def _raise_cancelled(_: Any) -> Any:
    raise asyncio.CancelledError


def _finish_now(walk: Coroutine[Any, Any, Any]) -> Any:
    """Run a walk that awaits nothing, since all its nodes are sync and run without threads."""
    try:
        walk.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a walk without threads was suspended")
