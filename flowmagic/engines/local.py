"""Instances in the loop that started the run; the `exec` of sync nodes in threads."""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar

from ..flow.walker import Walker, Way
from ..records.trace import Trace
from .base import AbandonedCall, Work
from .threads import ThreadPool


@dataclass(frozen=True)
class LocalEngine:
    """The event loop that the run was started in."""

    name: ClassVar[str] = "local"
    isolates: ClassVar[bool] = False

    def begin(self, work: Work) -> LocalRunner:
        """Return the runner of one run; see `Engine`."""
        return LocalRunner(work)


class LocalRunner:
    """Runs each instance in the current event loop, with as many threads as the limit."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._shared, self._view = work.shared, work.view
        self._limit = work.limit
        self._pool: ThreadPool | None = None
        threads = work.threads and sys.platform != "emscripten"  # a browser has none
        self._walker = Walker(work.clock, self._in_thread if threads else None, work.reuse)
        self._way: Way | None = None

    async def open(self) -> None:
        """Keep threads again, after `close` has let them end."""
        if self._pool is not None:
            self._pool.open(on_wait=self._work.on_wait, on_full=self._work.stop)

    def run(self, params: dict[Any, Any], trace: Trace) -> Coroutine[Any, Any, Any]:
        """Return the walk of one instance; see `Runner`."""
        way, view = self._way, self._view
        if way is None:
            # Only now: the flow's own prep may have changed the flow before the first instance.
            way = self._way = self._find_way()
        return way(self._shared if view is None else view(trace), params, trace)

    def _find_way(self) -> Way:
        way, settle = self._walker.way(self._work.flow), self._work.settle
        return way if settle is None else functools.partial(_settling, way, settle)

    def _in_thread(self, node: Any, prepared: Any, trace: Trace) -> Awaitable[Any]:
        return self._run_in_thread(node._exec, prepared, type(node), trace.row)

    def _run_in_thread(
        self, function: Callable[[Any], Any], argument: Any, kind: type, index: int
    ) -> Awaitable[Any]:
        if self._pool is None:
            work = self._work
            self._pool = ThreadPool(self._limit, on_wait=work.on_wait, on_full=work.stop)
        return self._pool.run(function, argument, kind, index)

    def resize(self, limit: int) -> None:
        """Have a thread for each of `limit` instances, but never fewer threads than before."""
        self._limit = max(limit, self._limit)
        if self._pool is not None:
            self._pool.resize(limit)

    async def drain(self) -> None:
        """Do nothing: an instance that has ended leaves nothing."""

    def abandoned(self) -> list[AbandonedCall]:
        """Return the abandoned calls of sync nodes that have not returned."""
        return [] if self._pool is None else self._pool.abandoned()

    def close(self) -> None:
        """Let the threads end when their calls have returned."""
        if self._pool is not None:
            self._pool.close()


async def _settling(
    way: Way, settle: Callable[[Any], None], view: Any, params: dict[Any, Any], trace: Trace
) -> Any:
    try:
        return await way(view, params, trace)
    finally:
        settle(view)
