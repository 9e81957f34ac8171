"""Instances in the loop that started the run; the `exec` of sync nodes in threads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from ..flow.threads import run_in_thread
from ..flow.walker import Walker, Way
from ..records.trace import Trace
from .base import Work


@dataclass(frozen=True)
class LocalEngine:
    """The event loop that the run was started in."""

    name: ClassVar[str] = "local"
    isolates: ClassVar[bool] = False

    def begin(self, work: Work) -> LocalRunner:
        """Return what runs the instances of one run; see `Engine`."""
        return LocalRunner(work)


class LocalRunner:
    """Runs each instance in the current event loop, with as many threads as the limit."""

    def __init__(self, work: Work) -> None:
        self._flow = work.flow
        self._shared = work.shared
        self._view = work.view
        self._settle = work.settle
        self._limit = work.limit
        self._executor: ThreadPoolExecutor | None = None
        self._walker = Walker(work.clock, self._in_thread if work.threads else None)
        # Not known before the first instance: the flow's own prep may still change the flow.
        self._way: Way = self._find_way

    async def open(self) -> None:
        """Do nothing: the loop is there."""

    def run(self, params: dict[Any, Any], trace: Trace) -> Coroutine[Any, Any, Any]:
        """Return the walk of one instance; see `Runner`."""
        if self._view is not None:
            return self._way(self._view(trace), params, trace)
        return self._way(self._shared, params, trace)

    def _find_way(
        self, shared: Any, params: dict[Any, Any], trace: Trace
    ) -> Coroutine[Any, Any, Any]:
        way = self._walker.way(self._flow)
        if self._settle is not None:
            way = functools.partial(_settling, way, self._settle)
        self._way = way
        view = self._view
        # Bound once for all: a call more is felt.
        if view is None:
            self.run = functools.partial(way, shared)  # type: ignore[method-assign]
        else:
            self.run = lambda params, trace: way(view(trace), params, trace)  # type: ignore[method-assign]
        return way(shared, params, trace)

    async def _in_thread(self, function: Callable[[Any], Any], argument: Any) -> Any:
        # An own pool: asyncio's default one has only a few threads more than there are cores.
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._limit, thread_name_prefix="flowmagic")
        return await run_in_thread(self._executor, function, argument)

    def resize(self, limit: int) -> None:
        """Have a thread for each instance that there may be; those at work finish what they do."""
        if limit > self._limit:
            self.close()
            # By leaps: an adaptive limit climbs by one, and threads begin only when they are needed.
            self._limit = max(limit, 2 * self._limit)

    async def drain(self) -> None:
        """Do nothing: an instance that has ended has left nothing."""

    def close(self) -> None:
        """Let the threads end when they have finished."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None


async def _settling(
    way: Way, settle: Callable[[Any], None], view: Any, params: dict[Any, Any], trace: Trace
) -> Any:
    try:
        return await way(view, params, trace)
    finally:
        settle(view)
