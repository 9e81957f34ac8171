"""Instances in the loop that started the run; the `exec` of sync nodes in threads."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from ..flow.walker import Walker, Way
from ..records.trace import Trace
from .base import Work
from .redirects import Installation


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
        self._flow = work.flow
        self._shared = work.shared
        self._view = work.view
        self._settle = work.settle
        self._limit = work.limit
        self._executor: ThreadPoolExecutor | None = None
        self._walker = Walker(work.clock, self._in_thread if work.threads else None)
        self._way: Way | None = None

    async def open(self) -> None:
        """Do nothing: the loop is there."""

    def run(self, params: dict[Any, Any], trace: Trace) -> Coroutine[Any, Any, Any]:
        """Return the walk of one instance; see `Runner`."""
        way, view = self._way, self._view
        if way is None:
            # Only now: the flow's own prep may have changed the flow before the first instance.
            way = self._way = self._find_way()
        return way(self._shared if view is None else view(trace), params, trace)

    def _find_way(self) -> Way:
        way = self._walker.way(self._flow)
        if self._settle is None:
            return way
        return functools.partial(_settling, way, self._settle)

    async def _in_thread(self, function: Callable[[Any], Any], argument: Any) -> Any:
        # asyncio's default executor has only a few threads more than there are cores.
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._limit, thread_name_prefix="flowmagic")
        return await run_in_thread(self._executor, function, argument)

    def resize(self, limit: int) -> None:
        """Have a thread for each of `limit` instances; threads at work finish what they do."""
        if limit > self._limit:
            self.close()
            # At least doubled: an adaptive limit rises by one, and threads start only when needed.
            self._limit = max(limit, 2 * self._limit)

    async def drain(self) -> None:
        """Do nothing: an instance that has ended leaves nothing."""

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


_UNSET: Any = object()


async def run_in_thread(executor: Executor, function: Callable[[Any], Any], argument: Any) -> Any:
    """Return what `function(argument)` returns in a thread of `executor`.

    When this is cancelled, it raises at once; the thread finishes, and what it returns is dropped.
    """
    context = contextvars.copy_context()

    def boxed() -> tuple[Any, BaseException | None]:
        # A future cannot hold a StopIteration: whoever awaited it would wait forever.
        try:
            return context.run(function, argument), None
        except BaseException as error:  # noqa: BLE001 - raised below
            return None, error

    future = executor.submit(boxed)
    try:
        result, error = await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        # The thread may still redirect a stream, perhaps after the end of the run.
        redirects = Installation()
        future.add_done_callback(lambda _: redirects.remove())
        raise
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)
    if error is not None:
        try:
            raise error
        finally:
            # Its traceback refers to this frame: a cycle that would keep the user's locals.
            del error
    return result
