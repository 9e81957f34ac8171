"""The handle on one execution of a batch.

All state changes happen on the loop that started the run. The verbs may be called from any thread,
which posts them to that loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from datetime import datetime, timezone
from typing import Any

from ..errors import NoRunningLoopError
from ..records.batch import Batch
from ..records.instances import Instance
from ..records.status import FAILED
from .as_completed import AsCompleted
from .end_waiters import Waiters, running_loop
from .lifecycle import Lifecycle, Post
from .options import Options
from .run_view import RunView
from .status import Observers


async def join(run: BatchRun) -> BatchRun:
    """Await a run that belongs to the caller: cancelling the caller cancels the run, to its end."""
    try:
        return await run
    except asyncio.CancelledError:
        run.cancel()
        await run.settled()
        raise


class BatchRun(RunView):
    """A batch that runs, or has run. Await it to wait for its end; it returns itself.

    Made by `batchflow`; needs a running event loop.

    Attributes:
        flow, shared, options: those that the run was started with.
        name: the class name of the flow; `%%batchflow` sets the name that its cell uses.
        started_at: when the run began, as a date with a time zone.
    """

    def __init__(
        self,
        flow: Any,
        batch: Batch | None,
        *,
        shared: Any,
        options: Options,
        post: Post | None = None,
    ) -> None:
        self.flow = flow
        self.name = type(flow).__name__
        self.shared = shared
        self.options = options
        self.started_at = datetime.now(timezone.utc).astimezone()
        self._loop = asyncio.get_running_loop()
        self._waiters = Waiters(self._loop)
        self._observers = Observers(self, self._loop)
        self._lifecycle = Lifecycle(
            flow,
            batch,
            shared=shared,
            options=options,
            post=post,
            observers=self._observers,
            waiters=self._waiters,
        )

    # Waiting

    def __await__(self) -> Generator[Any, None, BatchRun]:
        return self._finished().__await__()

    async def _finished(self) -> BatchRun:
        __tracebackhide__ = True
        await self.settled()
        self._raise_error()
        return self

    async def settled(self) -> None:
        """Wait for the end, and raise nothing, however the run ends. From any loop."""
        await self._waiters.settled()

    def wait(self, timeout: float | None = None) -> BatchRun:
        """Block until the run has ended; for plain synchronous code, where `await` is impossible.

        Inside the running loop this needs nest-asyncio2, which patches that loop.

        Args:
            timeout: seconds after which TimeoutError is raised; the run continues.

        Raises:
            TimeoutError: the run has not ended in time.
            NoRunningLoopError (a RuntimeError): the run's loop is closed.
            BlockedLoopError (a RuntimeError): the loop that runs here cannot block (uvloop; pyodide,
                in some browsers).
            Exception: what broke the run itself.
        """
        __tracebackhide__ = True
        self._waiters.block(timeout)
        self._raise_error()
        return self

    def as_completed(self) -> AsyncIterator[Instance]:
        """Iterate over the instances as they end: `async for instance in run.as_completed()`.

        It gives each instance once: first those that have ended already, in the order in which they
        did, then each as soon as it ends (with a journal: as soon as it is in the file), and stops
        when the run has ended. Restored and cancelled instances have ended, too. One that failed and
        waits for another of its `retries` has not. One that was given and is run again by
        `retry_failed()` is not given a second time.

        Works in any loop in which the run can be awaited. Several can iterate at once, and leave at
        any time.

        Raises:
            Exception: what broke the run itself, after the last instance.
        """
        return AsCompleted(self, self._waiters, self._loop)

    def observe(self, observer: Callable[[BatchRun], None]) -> None:
        """Call `observer(run)` on the run's loop whenever the status has changed.

        An observer that raises is not called again; the loop's exception handler gets its error.
        """
        self._observers.add(observer)

    # Verbs

    @property
    def limit(self) -> int:
        """How many instances run at once. Assign to change it during the run.

        When raised, new instances start at once; when lowered, running ones finish first. Assigning
        anything but a positive integer raises LimitError (a ValueError). An adaptive limit
        continues from the assigned one.
        """
        return self.limits.concurrency

    @limit.setter
    def limit(self, value: int) -> None:
        self._change_limits(concurrency=value)

    @property
    def per_minute(self) -> float | None:
        """How many instances may start within any 60 seconds, or None. Assign to change it."""
        return self.limits.per_minute

    @per_minute.setter
    def per_minute(self, value: float | None) -> None:
        self._change_limits(per_minute=value)

    def _change_limits(self, **changes: Any) -> None:
        self._lifecycle.parts.limits.request(**changes)
        self._on_loop(self._lifecycle.apply_limits)

    def pause(self) -> BatchRun:
        """Start no more instances until `resume()`; the running ones continue.

        Like each verb, it returns the run. Awaiting that waits until somebody has resumed it.
        """
        return self._on_loop(self._lifecycle.pause)

    def resume(self) -> BatchRun:
        """Continue after `pause()`."""
        return self._on_loop(self._lifecycle.resume)

    def stop(self) -> BatchRun:
        """Start no more instances; the running ones finish, and all others are cancelled."""
        return self._on_loop(self._lifecycle.stop)

    def cancel(self, index: int | None = None) -> BatchRun:
        """Start no more instances and cancel the running ones; with an index, cancel only that one.

        `await run.cancel()` waits until the run has ended, also with an index. A thread cannot be
        interrupted: its row ends at once, and the node's post never runs.

        Raises:
            MissingIndexError (an IndexError): there is no such instance.
        """
        if index is None:
            return self._on_loop(self._lifecycle.cancel)
        position = self.instances[index].index
        return self._on_loop(lambda: self._lifecycle.cancel_one(position))

    def retry_failed(self, only: Iterable[int] | None = None) -> BatchRun:
        """Run the failed instances again, with the same params and in the same rows.

        During a run they are taken next. After its end the run continues, and can be awaited again:
        `await run.retry_failed()`. While post runs, they wait until it has returned, and then post
        runs again. Rows that a stop or a cancellation kept from starting do not run: see `run_rest()`.

        Args:
            only: the indices of those to run again; None: all that failed. Indices of instances that
                did not fail are ignored.

        Raises:
            MissingIndexError (an IndexError): there is no such instance.
            NoRunningLoopError (a RuntimeError): the run's event loop is closed.
        """
        chosen = None if only is None else {self.instances[index].index for index in only}

        def failed() -> list[int]:
            rows = self.records.with_status(FAILED)
            return rows if chosen is None else [row for row in rows if row in chosen]

        return self._run_again(failed, "run.failures")

    def run_rest(self) -> BatchRun:
        """Run the rows that were cancelled, or that a stop or a cancellation kept from starting.

        They run in the same rows. After the end the run continues, and can be awaited again:
        `await run.run_rest()`. Rows that a stopped generator had not given yet cannot run, nor do rows
        in doubt that `in_doubt="skip"` leaves out.

        Raises:
            NoRunningLoopError (a RuntimeError): the run's event loop is closed.
        """
        rest = self._lifecycle.parts.scheduler.rest
        return self._run_again(rest, 'run.instances if each.status == "cancelled"')

    def _run_again(self, rows: Callable[[], list[int]], instances: str) -> BatchRun:
        """Run ended rows again.

        Args:
            rows: returns them; called on the run's loop.
            instances: the expression for them, for an error.
        """
        if self._loop.is_closed():
            raise NoRunningLoopError(
                "The event loop of this run is closed, so the run cannot continue. "
                f"Start a new run with [each.params for each in {instances}]."
            )

        def run_again() -> None:
            if self._lifecycle.run_again(rows()):
                if not self.ended:
                    self._waiters.hold()
            elif self.ended:
                self._waiters.release()

        if self.ended and rows():
            # Now, for a `wait()` that follows in another thread; `run_again` releases in turn.
            self._waiters.hold()
        return self._on_loop(run_again)

    def _on_loop(self, action: Callable[[], None]) -> BatchRun:
        """Do something on the run's loop, at once if that runs here; return the run."""
        if running_loop() is self._loop:
            action()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed, perhaps just now
                self._loop.call_soon_threadsafe(action)
        return self
