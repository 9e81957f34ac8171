"""One execution of a batch: `batchflow(...)` starts it, `BatchRun` is the handle on it.

All state changes on the loop that started the run. The verbs may be called from any thread: from
elsewhere they are posted to that loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from . import graph
from .engines.local import LocalEngine
from .errors import InstancesFailedError, MissingExtraError, NoRunningLoopError
from .feed import Feed
from .limits import Limiter, Limits
from .params import Batch, BatchLike, as_batch
from .pool import Pool
from .records import FAILED, Instance, Instances, Records, RunCounts, from_users_frame

KEEP = 100_000
"""Of rows drawn from a generator, how many successful ones are kept in full."""


class RunStatus(str, Enum):
    """Where a run is. A string: `run.status == "finished"` holds."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    """Starts no more; the running instances are finishing."""
    FINISHED = "finished"
    """Every row was run, whether it succeeded or failed."""
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """The run itself broke: its param source, prep or post raised. See `run.error`."""

    __str__ = str.__str__


def batchflow(
    flow: Any,
    params: BatchLike | None = None,
    *,
    shared: Any = None,
    limit: int = Limits.concurrency,
    per_minute: float | None = Limits.per_minute,
    threads: bool = True,
    keep: int = KEEP,
) -> BatchRun:
    """Run a flow once per params dict, throttled, in the running event loop; return at once.

    Args:
        flow: any PocketFlow flow or single node, sync or async. It is not altered.
        params: the batch (see `flowmagic.params`); None lets the flow's own prep give it.
        shared: the shared store; None makes an empty dict.
        limit: how many instances run at once.
        per_minute: how many instances may start within any 60 seconds; None: no such limit.
        threads: whether the `exec` of sync nodes runs in worker threads, so that the loop stays free.
        keep: of rows drawn from a generator, how many successful ones are kept in full.

    With explicit params the flow's prep is not called. `post` runs once, and only for BatchFlow
    kinds, as `post(shared, params, results)`; it runs again after `retry_failed()` on an ended run,
    and not after `cancel()`.

    Raises:
        NoRunningLoopError: no event loop runs here; `run_batch` is for scripts.
        FlowError, BatchError, LimitError: before anything has run.
    """
    limits = Limits(limit, per_minute)
    graph.check_flow(flow)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise NoRunningLoopError(
            "batchflow() needs a running event loop, and there is none. In a script write "
            "flowmagic.run_batch(...), with the same arguments."
        ) from None
    if params is None:
        graph.check_own_prep(flow)
        batch = None
    else:
        batch = as_batch(params)
    return BatchRun(
        flow,
        batch,
        shared={} if shared is None else shared,
        limits=limits,
        threads=threads,
        keep=keep,
    )


def run_batch(flow: Any, params: BatchLike | None = None, **options: Any) -> BatchRun:
    """Do as `batchflow`, in an event loop of its own, and return the run when it has ended.

    For scripts, where no event loop runs. Takes the arguments of `batchflow`.

    Raises:
        NoRunningLoopError: an event loop runs here already: use `await batchflow(...)`.
        Anything that the flow's prep or post raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise NoRunningLoopError(
            "run_batch() starts an event loop, and one runs here already. "
            "Write await flowmagic.batchflow(...), with the same arguments."
        )

    async def main() -> BatchRun:
        return await join(batchflow(flow, params, **options))

    return asyncio.run(main())


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
        flow, shared: what was given.
        records: the store behind `instances`.
        started_at: when the run began, as a date with a time zone.
        error: what broke the run itself (its source, prep or post), or None. Failures of instances
            are results.
        action: what the flow's post returned.
    """

    def __init__(
        self,
        flow: Any,
        batch: Batch | None,
        *,
        shared: Any,
        limits: Limits,
        threads: bool,
        keep: int = KEEP,
        post: Callable[[list[Any]], Awaitable[Any]] | None = None,
    ) -> None:
        self.flow = flow
        self.shared = shared
        self.started_at = datetime.now(timezone.utc).astimezone()
        self.error: BaseException | None = None
        self.action: Any = None
        self._loop = loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._ended_after: float | None = None
        self.records = Records(flow.params, self._began, keep)
        self._batch = batch
        self._post = post
        self._limits = limits
        self._limiter = Limiter(limits)
        self._engine = LocalEngine(
            flow, shared, limit=limits.concurrency, threads=threads, clock=loop.time
        )
        # The context is taken once, here: each instance starts from it, none sees what another set.
        context = contextvars.copy_context()
        self._feed = Feed(self.records, self._engine, context, loop.time, self._on_broken)
        if batch is not None:
            self._feed.load(batch)
        self._pool = Pool(self._feed, self._limiter, loop, self._on_idle)
        self._status = RunStatus.RUNNING
        self._outcome = RunStatus.FINISHED
        self._walking = False
        self._idle = asyncio.Event()
        self._over = threading.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()
        self._observers: list[Callable[[BatchRun], None]] = []
        self._main_task = loop.create_task(self._main())

    # What one sees

    @property
    def status(self) -> RunStatus:
        """Where the run is."""
        return self._status

    @property
    def ended(self) -> bool:
        """Whether the run is over (until `retry_failed()` takes it up again)."""
        return self._over.is_set()

    @property
    def ok(self) -> bool:
        """Whether the run has ended and every instance succeeded."""
        counts = self.counts
        return self._status == RunStatus.FINISHED and counts.succeeded == counts.total

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
        return self._loop.time() - self._began if self._ended_after is None else self._ended_after

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
        status = self.records.status
        return [self[index] for index in range(len(status)) if status[index] == FAILED]

    def raise_for_failures(self) -> None:
        """Raise if anything failed.

        Raises:
            InstancesFailedError: instances failed; it names the count and the first few.
            Anything that broke the run itself.
        """
        if self.error is not None:
            raise self.error
        failures = [(each.index, each.result) for each in self.failures]
        if failures:
            raise InstancesFailedError(failures, len(self)) from failures[0][1]

    def to_frame(self) -> Any:
        """Return a pandas DataFrame: the params as columns, then status, seconds, attempts, result.

        Its index is the instances'. A param named like one of the last four keeps its name, and the
        other one gets an underscore (`status_`).

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("to_frame() needs pandas: pip install pandas") from None
        frame = pd.DataFrame([each.params for each in self.instances], index=range(len(self)))
        for name in ("status", "seconds", "attempts", "result"):
            column = [getattr(each, name) for each in self.instances]
            if name == "status":
                column = [str(status) for status in column]
            label = f"{name}_" if name in frame.columns else name
            frame[label] = pd.Series(column, index=frame.index, dtype=_dtype(name))
        return frame

    def __repr__(self) -> str:
        counts = self.counts
        parts = [
            f"{number} {name}"
            for name in ("succeeded", "failed", "cancelled", "running", "pending")
            if (number := getattr(counts, name))
        ]
        text = ", ".join(parts) or "no instances"
        return f"<BatchRun of {type(self.flow).__name__}: {self.status}, {text}>"

    # What one waits for

    def __await__(self) -> Generator[Any, None, BatchRun]:
        return self._finished().__await__()

    async def _finished(self) -> BatchRun:
        await self.settled()
        return self._self_or_error()

    def _self_or_error(self) -> BatchRun:
        if self.error is not None:
            raise self.error
        return self

    async def settled(self) -> None:
        """Wait for the end and raise nothing, whatever the end. From any loop."""
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._over.is_set():
                return
            self._waiters.append(future)
        try:
            await future
        finally:
            with self._lock:
                if future in self._waiters:
                    self._waiters.remove(future)

    def wait(self, timeout: float | None = None) -> BatchRun:
        """Block until the run has ended; for plain synchronous code, where `await` is impossible.

        Inside the running loop this needs nest-asyncio2, which patches that loop.

        Args:
            timeout: seconds after which TimeoutError is raised; the run goes on.
        """
        if self._over.is_set():
            return self._self_or_error()
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is None and self._loop.is_running():
            if not self._over.wait(timeout):
                raise TimeoutError(f"The run has not ended within {timeout} seconds.")
            return self._self_or_error()
        if here is not None:
            import nest_asyncio2

            nest_asyncio2.apply(here)
        loop = self._loop if here is None else here
        try:
            loop.run_until_complete(asyncio.wait_for(self.settled(), timeout))
        except asyncio.TimeoutError:
            raise TimeoutError(f"The run has not ended within {timeout} seconds.") from None
        return self._self_or_error()

    # What one does with it

    @property
    def limit(self) -> int:
        """How many instances run at once. Assign to change it while the run goes on.

        Raised, new instances start at once; lowered, the running ones finish and then no more than
        the new limit run. LimitError (a ValueError) for anything but a positive integer.
        """
        return self._limits.concurrency

    @limit.setter
    def limit(self, value: int) -> None:
        self._retune(replace(self._limits, concurrency=value))

    @property
    def per_minute(self) -> float | None:
        """How many instances may start within any 60 seconds, or None. Assign to change it."""
        return self._limits.per_minute

    @per_minute.setter
    def per_minute(self, value: float | None) -> None:
        self._retune(replace(self._limits, per_minute=value))

    def _retune(self, limits: Limits) -> None:
        self._limits = limits

        def act() -> None:
            self._limiter.limits = self._limits
            self._engine.resize(self._limits.concurrency)
            self._pump()

        self._on_loop(act)

    def pause(self) -> None:
        """Start no more instances until `resume()`; the running ones go on."""

        def act() -> None:
            if self._status == RunStatus.RUNNING:
                self._hold()
                self._become(RunStatus.PAUSED)

        self._on_loop(act)

    def resume(self) -> None:
        """Go on after `pause()`."""

        def act() -> None:
            if self._status == RunStatus.PAUSED:
                self._pool.held = False
                self._pump()
                self._become(RunStatus.RUNNING)

        self._on_loop(act)

    def stop(self) -> None:
        """Start no more instances; let the running ones finish. What never started is cancelled."""
        self._on_loop(self._stop)

    def _stop(self) -> None:
        if not self.ended and self._outcome == RunStatus.FINISHED:
            self._outcome = RunStatus.STOPPED
            self._hold()
            self._pump()
            self._become(RunStatus.STOPPING)

    def cancel(self) -> None:
        """Start no more instances and cancel the running ones.

        What a thread is executing cannot be interrupted: its row ends at once, its post never runs.
        """
        self._on_loop(self._cancel)

    def _cancel(self) -> None:
        if self.ended:
            return
        self._outcome = RunStatus.CANCELLED
        self._hold()
        self._become(RunStatus.STOPPING)
        if self._walking:
            self._pool.cancel()
            self._pump()
        else:
            self._main_task.cancel()  # it is in the flow's own prep or post

    def retry_failed(self) -> None:
        """Run the failed instances again, each with the params it had; results go to the same rows.

        During a run they are taken next; after its end the run is taken up again, and can be awaited
        again.

        Raises:
            RuntimeError: the run's event loop is closed.
        """
        if self._loop.is_closed():
            raise RuntimeError(
                "The event loop of this run is closed, so it cannot go on. Start a new run with "
                "[each.params for each in run.failures]."
            )
        self._on_loop(self._retry_failed)

    def _retry_failed(self) -> None:
        failed = [each.index for each in self.failures]
        if not failed or self._status == RunStatus.STOPPING:
            return
        self._feed.retry(failed)
        if not self.ended:
            self._pump()
            return
        self.error = None
        self._over.clear()
        self._ended_after = None
        self._outcome = RunStatus.FINISHED
        self._pool.held = False
        self._main_task = self._loop.create_task(self._main())
        self._become(RunStatus.RUNNING)

    def observe(self, observer: Callable[[BatchRun], None]) -> None:
        """Call `observer(run)` on the run's loop whenever its status has changed.

        An observer that raises is told nothing more, and the loop's exception handler is told of it.
        """
        self._observers.append(observer)

    def _become(self, status: RunStatus) -> None:
        if status == self._status:
            return
        self._status = status
        for observer in list(self._observers):
            try:
                observer(self)
            except Exception as error:  # noqa: BLE001 - a consumer's bug must not end the run
                self._observers.remove(observer)
                message = "An observer of a flowmagic run raised, and was detached"
                self._loop.call_exception_handler({"message": message, "exception": error})

    def _on_loop(self, act: Callable[[], None]) -> None:
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            act()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)

    def _hold(self) -> None:
        self._pool.held = True
        self._pool.stop_timer()

    def _pump(self) -> None:
        if self._walking:
            self._pool.pump()

    # The course of a run

    async def _main(self) -> None:
        try:
            await self._course()
        except asyncio.CancelledError:
            # Ours (`_cancel`), or the loop is being closed around us.
            self._outcome = RunStatus.CANCELLED
        except BaseException as error:  # noqa: BLE001 - kept, and raised to whoever awaits the run
            self.error = from_users_frame(error)
        await self._end()

    async def _course(self) -> None:
        if self._batch is None:
            self._batch = await graph.own_batch(self.flow, self.shared)
            self._feed.load(self._batch)
        await self._walk_all()
        if self.error is None and self._outcome != RunStatus.CANCELLED:
            await self._finish_batch(self._batch)

    async def _walk_all(self) -> None:
        self._idle.clear()
        self._walking = True
        self._pool.pump()
        try:
            while not self._idle.is_set():
                try:
                    await self._idle.wait()
                except asyncio.CancelledError:
                    self._cancel()
        finally:
            self._walking = False

    async def _finish_batch(self, batch: Batch) -> None:
        self.records.cancel_pending()
        if self._post is not None:
            self.action = await self._post(self.results)
        else:
            self.action = await graph.own_post(self.flow, self.shared, batch, self.results)

    async def _end(self) -> None:
        self.records.cancel_pending()
        self.records.total = len(self.records)
        self._engine.close()
        if self._batch is not None:
            try:
                await self._batch.close()
            except BaseException as error:  # noqa: BLE001 - kept, and raised to whoever awaits the run
                self.error = self.error or from_users_frame(error)
        self._ended_after = self._loop.time() - self._began
        self._over.set()
        # Observers first: what they publish must be there when the one who waits goes on.
        self._become(RunStatus.FAILED if self.error is not None else self._outcome)
        with self._lock:
            waiters, self._waiters = self._waiters, []
        for future in waiters:
            loop = future.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, future)

    def _on_idle(self) -> None:
        if not (self._status == RunStatus.PAUSED and self._feed.has_next()):
            self._idle.set()

    def _on_broken(self, error: BaseException) -> None:
        """End the run: its param source raised, or somebody interrupted a node."""
        if self.error is None:
            self.error = from_users_frame(error)
        if isinstance(error, KeyboardInterrupt):
            self._cancel()
        else:
            self._stop()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _dtype(column: str) -> str:
    return {"seconds": "float64", "attempts": "int64"}.get(column, "object")
