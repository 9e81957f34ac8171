"""The course of one run, from prep to post: its states, and what moves it from one to the next.

Everything here happens on the run's loop. `BatchRun` is the handle for everybody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..engines.base import Work
from ..flow.graph import secrets_around
from ..limits.history import By
from ..limits.limits import Limits
from ..records.batch import Batch
from ..records.printed import PrintedTexts
from ..records.store import FAILED, PENDING, RUNNING, RecordStore
from ..shared.shared_store import Store
from .event_loop_monitor import HoldRecorder
from .limit_controller import LimitController
from .options import Options
from .prep_post import own_batch, own_post
from .scheduler import Scheduler
from .status import RunEnd, RunStatus
from .workers import WorkerPool

if TYPE_CHECKING:
    from ..journal.recorder import Recorder


Post = Callable[[list[Any]], Awaitable[Any]]
"""Takes the results when all instances have ended, and gives the flow's action."""


class Lifecycle:
    """Takes a batch through prep, limiter, engine and post, as often as it is taken up again.

    Args:
        flow: what runs.
        batch: what it runs over; None lets the flow's own prep give it.
        shared: the shared store.
        options: what it keeps to.
        post: called instead of the flow's own post.
        on_limits: called with the limits whenever they have changed.
        on_status: called whenever the status has changed.
        on_end: called when the end has come and nobody has taken the run up again.
    """

    def __init__(
        self,
        flow: Any,
        batch: Batch | None,
        *,
        shared: Any,
        options: Options,
        post: Post | None,
        on_limits: Callable[[Limits], None],
        on_status: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self.loop = loop = asyncio.get_running_loop()
        self.clock = clock = _clock_of(loop)
        self.began = clock()
        self.ended_after: float | None = None
        """Seconds from the beginning to the end; None before it."""
        self.records = RecordStore(
            flow.params, self.began, options.kept, secrets_around(flow, shared)
        )
        if options.capture:
            self.records.printed = PrintedTexts(self.records.status)
        self.journal = self._recording(flow, batch, shared, options)
        """Where the run is written down; None: nowhere."""
        # A loop whose time is not the world's cannot be told to be late.
        self.lag = HoldRecorder(loop, self.records) if clock is time.monotonic else None
        """What watches for nodes that hold the loop; None where nothing can."""
        self.status = RunStatus.RUNNING
        self.ended = False
        self.run_end = RunEnd()
        self.action: Any = None
        self._flow = flow
        self._shared = shared
        self._batch = batch
        self._post = post
        self._on_limits = on_limits
        self._on_status = on_status
        self._on_end = on_end
        self.limit_controller = LimitController(
            options, self.records, clock=clock, on_change=self._limits_changed
        )
        self.store = Store(shared, options.sharing, self.records)
        self._runner = options.engine.begin(
            Work(
                flow,
                shared,
                view=self.store.view,
                settle=self.store.settle,
                limit=options.limits.concurrency,
                threads=options.threads,
                clock=clock,
                broke=self._engine_broke,
            )
        )
        # The context is taken once, here: each instance starts from it, none sees what another set.
        self._context = contextvars.copy_context()
        self._scheduler = Scheduler(
            self.records,
            self._runner,
            loop=loop,
            context=self._context,
            on_ready=self._pump,
            on_broken=self._source_broke,
            on_interrupt=self._interrupted,
            on_failure=self._failed,
            on_success=None if options.adaptive is None else self.limit_controller.succeeded,
            journal=self.journal,
        )
        if batch is not None:
            self._scheduler.load(batch)
        self._workers = WorkerPool(
            self._scheduler,
            self.limit_controller.limiter,
            loop,
            self._workers_idle,
            clock=clock,
            timeout=options.timeout,
        )
        self._idle = asyncio.Event()
        self._walking = self._draining = False
        """Whether instances run; whether all have ended, and the runner has not given all back."""
        self._in_users_code = False
        """Whether the main task is in the flow's own prep or post, opens the runner, or closes the
        source."""
        self._retry_after_post = False
        self._main_task: asyncio.Task[None] | None = None
        self._begin()

    def _recording(
        self, flow: Any, batch: Batch | None, shared: Any, options: Options
    ) -> Recorder | None:
        if options.journal is None:
            return None
        # Here, since most runs have no journal: these take a third of flowmagic's import time.
        from ..journal.recorder import Recorder  # noqa: PLC0415
        from .journaled_options import options_kept  # noqa: PLC0415

        return Recorder(
            flow,
            self.records,
            self.loop,
            options=options.journal,
            run_options=options_kept(options),
            shared=shared,
            batch=batch,
        )

    # The verbs

    def change(self, **changes: Any) -> None:
        """Keep to other limits from now on, named as in `Limits`."""
        self.limit_controller.change(**changes)
        self._pump()

    def _limits_changed(self, limits: Limits, by: By) -> None:
        if by == "user" and self.journal is not None and not self.ended:
            self.journal.limits_changed(self.limit_controller.limit_history.kept()[-1])
        self._runner.resize(limits.concurrency)
        self._on_limits(limits)
        if by == "adaptive":
            # Not within the end of the instance that is being noted.
            self.loop.call_soon(self._pump)

    def pause(self) -> None:
        """Start no more instances for now."""
        if self.status == RunStatus.RUNNING:
            self._hold()
            self._become(RunStatus.PAUSED)

    def resume(self) -> None:
        """Go on after a pause."""
        if self.status == RunStatus.PAUSED:
            self._workers.held = False
            self._pump()
            self._become(RunStatus.RUNNING)

    def stop(self) -> None:
        """Start no more instances; the running ones finish."""
        if not self.ended and self.run_end.goes_on and not self._draining:
            self.run_end.asked = RunStatus.STOPPED
            self._retry_after_post = False
            self._scheduler.forget_retries()
            self._hold()
            self._pump()
            self._become(RunStatus.STOPPING)

    def cancel(self) -> None:
        """Start no more instances and cancel the running ones."""
        if self.ended or self._draining:
            return
        self.run_end.asked = RunStatus.CANCELLED
        self._retry_after_post = False
        self._scheduler.forget_retries()
        self._hold()
        self._become(RunStatus.STOPPING)
        if self._walking:
            self._workers.cancel()
            self._pump()
        elif self._in_users_code and self._main_task is not None:
            self._main_task.cancel()
        # Else it is about to look at the outcome. Cancelled before its first step, it never would.

    def cancel_one(self, index: int) -> None:
        """Cancel one instance that runs, or one that waits for its turn."""
        code = self.records.status[index]
        if code == RUNNING:
            self._workers.cancel(index)
        elif code == PENDING:
            self._scheduler.drop(index)
            self._pump()  # it may have been the last one that was waited for

    def retry_failed(self) -> bool:
        """Run the failed instances again; return whether there is anything to run."""
        failed = self.records.with_status(FAILED)
        if not failed or self.status == RunStatus.STOPPING:
            return False
        for index in failed:
            self.limit_controller.forgive(index)
        if self.ended:
            self._take_up_again(failed)
        elif self._in_users_code or self._draining:
            self._retry_after_post = True
        else:
            self._scheduler.retry(failed)
            self._idle.clear()
            self._pump()
        return True

    def _take_up_again(self, failed: list[int]) -> None:
        if self.journal is not None:
            self.journal.reopen()
        self._scheduler.retry(failed)
        self.run_end.reopen()
        self.ended = False
        self.ended_after = None
        self._workers.held = False
        self._begin()
        self._become(RunStatus.RUNNING)

    def _become(self, status: RunStatus) -> None:
        if status != self.status:
            self.status = status
            self._on_status()

    def _hold(self) -> None:
        self._workers.held = True
        self._workers.stop_timer()

    def _pump(self) -> None:
        if self._walking:
            self._workers.pump()

    # The course

    def _begin(self) -> None:
        if self.lag is not None:
            self.lag.start()
        # In the run's own context, whoever calls: the flow's post runs there.
        self._main_task = task = self._context.run(self.loop.create_task, self._main())
        task.add_done_callback(self._main_left)

    async def _main(self) -> None:
        # An eager task comes here before `_begin` knows it.
        self._main_task = asyncio.current_task()
        try:
            await self._all()
        except asyncio.CancelledError:
            # Ours (`cancel`), or the loop is being closed around us.
            self.run_end.asked = RunStatus.CANCELLED
        except GeneratorExit:
            # The loop was closed around us, and nothing more may be awaited.
            self.run_end.asked = RunStatus.CANCELLED
            if self.journal is not None:
                self._write_end(self.journal)
            self._end()
            raise
        except BaseException as error:  # noqa: BLE001 - kept, and raised to whoever awaits the run
            self.run_end.keep(error)
        await self._close_source()
        await self._drain()
        if self.journal is not None:
            # First: an instance that is said to have ended is on disk.
            with contextlib.suppress(asyncio.CancelledError):
                await self.journal.all_rows()
            self._write_end(self.journal)
            with contextlib.suppress(asyncio.CancelledError):
                await self.journal.settled()
        self._end()

    def _main_left(self, task: asyncio.Task[None]) -> None:
        # A task that the closing loop cancels before its first step has run nothing of `_main`.
        if not self.ended and task is self._main_task:
            self.run_end.asked = RunStatus.CANCELLED
            self._end()

    async def _all(self) -> None:
        if self._batch is None:
            if not self.run_end.goes_on:
                return
            with self._users_code():
                self._batch = await own_batch(self._flow, self._shared)
            # As PocketFlow merges: with what prep may have made of the flow's params.
            self.records.base = dict(self._flow.params)
            self._scheduler.load(self._batch)
        await self._walk_all()
        if self.run_end.error is None and self.run_end.asked != RunStatus.CANCELLED:
            await self._finish_batch(self._batch)

    async def _walk_all(self) -> None:
        with self._users_code():
            await self._runner.open()
        self._idle.clear()
        self._walking = True
        self._workers.pump()
        try:
            while not self._idle.is_set():
                try:
                    await self._idle.wait()
                except asyncio.CancelledError:
                    self.cancel()
                    # The source was hit first, by the same cancellation.
                    if isinstance(self.run_end.error, asyncio.CancelledError):
                        self.run_end.error = None
        finally:
            self._walking = False

    async def _finish_batch(self, batch: Batch) -> None:
        self.records.cancel_pending()
        results = list(self.records.results)
        with self._users_code():
            await self.store.merge()
            if self._post is not None:
                self.action = await self._post(results)
            else:
                self.action = await own_post(self._flow, self._shared, batch, results)

    @contextlib.contextmanager
    def _users_code(self) -> Iterator[None]:
        self._in_users_code = True
        try:
            yield
        finally:
            self._in_users_code = False

    async def _close_source(self) -> None:
        if self._batch is None:
            return
        try:
            with self._users_code():
                await self._batch.close()
        except asyncio.CancelledError:
            self.run_end.asked = RunStatus.CANCELLED
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - kept, and raised to whoever awaits the run
            self.run_end.keep(error)

    async def _drain(self) -> None:
        self._draining = True
        try:
            await self._runner.drain()
        except asyncio.CancelledError:
            pass  # the loop is being closed around us
        except Exception as error:  # noqa: BLE001 - kept, and raised to whoever awaits the run
            self.run_end.keep(error)
        finally:
            self._draining = False

    def _write_end(self, journal: Recorder) -> None:
        journal.ended(
            self.run_end.status,
            self.clock() - self.began,
            self.limit_controller.limit_history.kept(),
        )
        journal.close()

    def _end(self) -> None:
        self.records.cancel_pending()
        self._scheduler.exhaust()
        self._runner.close()
        if self.lag is not None:
            self.lag.stop()
        self.ended_after = self.clock() - self.began
        self.ended = True
        # Observers first: what they publish must be there when the one who waits goes on.
        self._become(self.run_end.status)
        if self._retry_after_post:
            self._retry_after_post = False
            self.retry_failed()
        if self.ended:  # else it has been taken up again, perhaps by an observer
            self._on_end()

    # What pool and feed tell

    def _workers_idle(self) -> None:
        paused = self.status == RunStatus.PAUSED and self._scheduler.has_next()
        if not (paused or self._scheduler.waiting):
            self._idle.set()

    def _failed(self, index: int, error: BaseException) -> float | None:
        """Note a failure; return in how many seconds the instance is to run again, or None."""
        failure_action = self.limit_controller.failed(index, error)
        if failure_action.stop and not self.ended and self.run_end.goes_on:
            self.run_end.reason = failure_action.stop
            self.stop()
        return failure_action.again_in if self.run_end.goes_on else None

    def _source_broke(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError) and self.run_end.asked == RunStatus.CANCELLED:
            return  # not of the source's own making
        self.run_end.keep(error)
        self.run_end.source_is_broken = True
        if isinstance(error, KeyboardInterrupt):
            self.cancel()
        else:
            self.stop()

    def _engine_broke(self, error: BaseException) -> None:
        self.run_end.keep(error)
        self.stop()

    def _interrupted(self, error: KeyboardInterrupt) -> None:
        self.run_end.keep(error)
        self.cancel()


def _clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return what gives a loop's time, at the least cost."""
    stock = type(loop).time is asyncio.BaseEventLoop.time
    return time.monotonic if stock else loop.time
