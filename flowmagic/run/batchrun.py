"""The handle on one execution of a batch.

All state changes on the loop that started the run. The verbs may be called from any thread: from
elsewhere they are posted to that loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..errors import InstancesFailedError
from ..flow.finding import Finding
from ..limits.adaptive import Aimd
from ..limits.history import LimitChange
from ..limits.limits import Limits
from ..records.batch import Batch
from ..records.frames import frame_of
from ..records.instances import Instance, Instances
from ..records.status import FAILED, RunCounts
from ..records.store import RecordStore
from ..shared.crossings import Crossing
from ..text.formatting import error_text
from ..text.redact import secrets_of
from .end_waiters import Waiters, running_loop
from .event_loop_monitor import Hold
from .lifecycle import Lifecycle, Post
from .options import Options
from .status import RunStatus

if TYPE_CHECKING:
    from ..journal.recorder import Recorder


async def join(run: BatchRun) -> BatchRun:
    """Await a run that belongs to the caller: if the caller is cancelled, so is the run, to its end."""
    try:
        return await run
    except asyncio.CancelledError:
        run.cancel()
        await run.settled()
        raise


class BatchRun:
    """A batch being run, or that was. Await it to wait for its end; it gives itself.

    Made by `batchflow`; needs a running event loop.

    Attributes:
        flow, shared, options: what was given.
        name: what to call it: the class name of the flow; `%%batchflow` takes the name in its cell.
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
        self.name: str = type(flow).__name__
        self.shared = shared
        self.options = options
        self.started_at = datetime.now(timezone.utc).astimezone()
        self._limits = options.limits
        self._waiters = Waiters(asyncio.get_running_loop())
        self._lock = threading.Lock()
        self._observers: list[Callable[[BatchRun], None]] = []
        self._lifecycle = Lifecycle(
            flow,
            batch,
            shared=shared,
            options=options,
            post=post,
            on_limits=self._follow,
            on_status=self._tell_observers,
            on_end=self._waiters.release,
        )
        self._loop = self._lifecycle.loop

    # What one sees

    @property
    def status(self) -> RunStatus:
        """Where the run is."""
        return self._lifecycle.status

    @property
    def records(self) -> RecordStore:
        """The store behind `instances`."""
        return self._lifecycle.records

    @property
    def error(self) -> BaseException | None:
        """What broke the run itself (its source, prep or post); failures of instances are results."""
        return self._lifecycle.run_end.error

    @property
    def action(self) -> Any:
        """What the flow's post returned."""
        return self._lifecycle.action

    @property
    def reason(self) -> str:
        """Why the run stopped by itself (`max_errors`, a used-up quota); empty if it did not."""
        return self._lifecycle.run_end.reason

    @property
    def holds(self) -> list[Hold]:
        """Which nodes held the event loop for more than 0.1 s: the longest 20 times."""
        return [] if self._lifecycle.lag is None else self._lifecycle.lag.holds

    def audit(self) -> list[Finding]:
        """Return what may have been lost in silence; see `flowmagic.run.audit`."""
        from .audit import audit  # noqa: PLC0415 - it reads sources, which a run need not

        return audit(self.flow, self.records)

    @property
    def journal(self) -> Recorder | None:
        """What writes the run down, with its path and its troubles; None: nothing does."""
        return self._lifecycle.journal

    @property
    def adaptive(self) -> Aimd | None:
        """What moves an adaptive limit, and has counted so far; None if it moves only by hand."""
        return self._lifecycle.limit_controller.aimd

    @property
    def cooling(self) -> float:
        """Seconds for which nothing more starts because a provider asked to wait; 0 if none did."""
        return self._lifecycle.limit_controller.cooling

    @property
    def ended(self) -> bool:
        """Whether the run is over (until `retry_failed()` takes it up again)."""
        return self._lifecycle.ended

    @property
    def ok(self) -> bool:
        """Whether the run has ended and every instance succeeded."""
        counts = self.counts
        return self.status == RunStatus.FINISHED and counts.succeeded == counts.total

    @property
    def total(self) -> int | None:
        """Number of rows; None until a generator is exhausted or prep has given the batch."""
        return self.records.total

    @property
    def counts(self) -> RunCounts:
        """How many instances are in each status."""
        return self.records.counts

    @property
    def elapsed(self) -> float:
        """Seconds from the run's beginning to now, or to its end."""
        lifecycle = self._lifecycle
        if lifecycle.ended_after is None:
            return lifecycle.clock() - lifecycle.began
        return lifecycle.ended_after

    @property
    def instances(self) -> Instances:
        """Every instance, in the order of the params."""
        return Instances(self.records)

    def __getitem__(self, index: int) -> Instance:
        return self.instances[index]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def results(self) -> list[Any]:
        """In the order of the params: the last action, or the exception; None while not ended."""
        return list(self.records.results)

    @property
    def failures(self) -> list[Instance]:
        """The instances that failed."""
        return [self[index] for index in self.records.with_status(FAILED)]

    @property
    def crossings(self) -> list[Crossing]:
        """Where instances met at a key of `shared`, the worse first; empty if all is well.

        One for each key and pair of node classes, at most 100. A key that instances only add to is
        no crossing, and neither is one of `allow_shared`.
        """
        return self._lifecycle.store.crossings()

    def raise_for_failures(self) -> None:
        """Raise if anything failed.

        Raises:
            InstancesFailedError: instances failed; it names the count and the first few.
            Exception: anything that broke the run itself.
        """
        __tracebackhide__ = True
        self._self_or_error()
        failures = [(each.index, each.result) for each in self.failures]
        if failures:
            raise InstancesFailedError(failures, len(self), self._said) from failures[0][1]

    def _said(self, index: int, error: BaseException) -> str:
        # A saved notebook keeps what a cell raised: no secret may stand in it.
        records = self.records
        return error_text(error, secrets_of(records.merged(index)) | records.secrets)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame: the params as columns, then status, seconds, attempts, result.

        Of isolated instances their `writes` follow, a dict each. Its index is the instances'. A param
        named like one of these keeps its name, and the other one gets an underscore (`status_`).

        Raises:
            MissingExtraError: pandas is not installed.
        """
        own = ("writes",) if self.options.sharing.isolate else ()
        return frame_of(self.instances, ("status", "seconds", "attempts", "result", *own))

    def __repr__(self) -> str:
        counts = self.counts
        parts = [
            f"{number} {name}"
            for name in ("succeeded", "failed", "cancelled", "running", "pending")
            if (number := getattr(counts, name))
        ]
        text = ", ".join(parts) or "no instances"
        return f"<BatchRun of {self.name}: {self.status}, {text}>"

    # What one waits for

    def __await__(self) -> Generator[Any, None, BatchRun]:
        return self._finished().__await__()

    async def _finished(self) -> BatchRun:
        __tracebackhide__ = True
        await self.settled()
        return self._self_or_error()

    def _self_or_error(self) -> BatchRun:
        __tracebackhide__ = True  # IPython then shows the user's frames only
        if self.error is not None:
            # Raised anew each time, and not with the frames of everybody who awaited it before.
            raise self.error.with_traceback(self._lifecycle.run_end.traceback)
        return self

    async def settled(self) -> None:
        """Wait for the end and raise nothing, whatever the end. From any loop."""
        await self._waiters.settled()

    def wait(self, timeout: float | None = None) -> BatchRun:
        """Block until the run has ended; for plain synchronous code, where `await` is impossible.

        Inside the running loop this needs nest-asyncio2, which patches that loop.

        Args:
            timeout: seconds after which TimeoutError is raised; the run goes on.

        Raises:
            RuntimeError: the run's loop is closed, or nobody can block in the loop that runs here
                (uvloop's; in a browser, pyodide's).
        """
        __tracebackhide__ = True
        self._waiters.block(timeout)
        return self._self_or_error()

    # What one does with it

    @property
    def limits(self) -> Limits:
        """The limits in force, as one value."""
        return self._limits

    @property
    def limit_history(self) -> list[LimitChange]:
        """Which limits were in force since when: those of the start, and the latest 1,000 changes."""
        return self._lifecycle.limit_controller.limit_history.kept()

    @property
    def limit(self) -> int:
        """How many instances run at once. Assign to change it while the run goes on.

        Raised, new instances start at once; lowered, the running ones finish and then no more than
        the new limit run. LimitError (a ValueError) for anything but a positive integer. An adaptive
        limit moves by itself, and goes on from what is assigned.
        """
        return self._limits.concurrency

    @limit.setter
    def limit(self, value: int) -> None:
        self._change(concurrency=value)

    @property
    def per_minute(self) -> float | None:
        """How many instances may start within any 60 seconds, or None. Assign to change it."""
        return self._limits.per_minute

    @per_minute.setter
    def per_minute(self, value: float | None) -> None:
        self._change(per_minute=value)

    def _change(self, **changes: Any) -> None:
        with self._lock:  # two threads may each change one of the two
            self._limits = replace(self._limits, **changes)
        self._on_loop(lambda: self._lifecycle.change(**changes))

    def _follow(self, limits: Limits) -> None:
        """Take over the limits that are in force now."""
        with self._lock:
            self._limits = limits

    def pause(self) -> None:
        """Start no more instances until `resume()`; the running ones go on."""
        self._on_loop(self._lifecycle.pause)

    def resume(self) -> None:
        """Go on after `pause()`."""
        self._on_loop(self._lifecycle.resume)

    def stop(self) -> None:
        """Start no more instances; let the running ones finish. What never started is cancelled."""
        self._on_loop(self._lifecycle.stop)

    def cancel(self, index: int | None = None) -> None:
        """Start no more instances and cancel the running ones; with an index, cancel only that one.

        What a thread is executing cannot be interrupted: its row ends at once, its post never runs.

        Raises:
            IndexError: there is no such instance.
        """
        if index is None:
            self._on_loop(self._lifecycle.cancel)
        else:
            position = self.instances[index].index
            self._on_loop(lambda: self._lifecycle.cancel_one(position))

    def retry_failed(self) -> None:
        """Run the failed instances again, each with the params it had; results go to the same rows.

        During a run they are taken next; after its end the run is taken up again, and can be awaited
        again. Asked for while post runs, they run when it has returned, and then post does. Rows that
        a stop or a cancellation kept from starting are not taken up.

        Raises:
            RuntimeError: the run's event loop is closed.
        """
        if self._loop.is_closed():
            raise RuntimeError(
                "The event loop of this run is closed, so it cannot go on. Start a new run with "
                "[each.params for each in run.failures]."
            )
        if self.ended and self.failures:
            # Now, for who calls wait() next in another thread; `_retry_failed` answers for it.
            self._waiters.hold()
        self._on_loop(self._retry_failed)

    def _retry_failed(self) -> None:
        if self._lifecycle.retry_failed():
            if not self.ended:
                self._waiters.hold()
        elif self.ended:
            self._waiters.release()

    def observe(self, observer: Callable[[BatchRun], None]) -> None:
        """Call `observer(run)` on the run's loop whenever its status has changed.

        An observer that raises is told nothing more, and the loop's exception handler is told of it.
        """
        self._observers.append(observer)

    def _tell_observers(self) -> None:
        for observer in list(self._observers):
            try:
                observer(self)
            except Exception as error:  # noqa: BLE001 - a consumer's bug must not end the run
                self._observers.remove(observer)
                message = "An observer of a flowmagic run raised, and was detached"
                self._loop.call_exception_handler({"message": message, "exception": error})

    def _on_loop(self, act: Callable[[], None]) -> None:
        if running_loop() is self._loop:
            act()
        else:
            with contextlib.suppress(RuntimeError):  # its loop is closed, perhaps just now
                self._loop.call_soon_threadsafe(act)
