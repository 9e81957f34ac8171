"""The life cycle of one run: its states, what moves it from one to the next, and its main task.

Everything here happens on the run's loop. `BatchRun` is the handle for all other threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context
from functools import partial
from typing import Any

from ..flow import forks
from ..records.batch import Batch
from ..records.status import CANCELLED, PENDING, RUNNING
from .end_waiters import Waiters
from .options import Options
from .outcomes import Decision
from .own_run import calls_own_run, within_own_run
from .parts import RunParts
from .prep_post import own_batch, own_post
from .status import Observers, RunEnd, RunPhase, RunStatus, close_source, drain, finish_journal

Post = Callable[[list[Any]], Awaitable[Any]]
"""Takes the results when all instances have ended, and returns the flow's action."""


class Lifecycle:
    """Takes a batch through prep, its instances, and post, as `Outcomes` decides; again if continued.

    Args:
        batch: what the flow runs over; None: the flow's own prep returns it.
        post: called instead of the flow's own post.
        observers: notified when the status has changed.
        waiters: released when the run has ended and was not continued by an observer.
    """

    def __init__(
        self,
        flow: Any,
        batch: Batch | None,
        *,
        shared: Any,
        options: Options,
        post: Post | None,
        observers: Observers,
        waiters: Waiters,
    ) -> None:
        self.status = RunStatus.RUNNING
        self.ended = False
        self._ended_after: float | None = None
        self.idle = 0.0
        """Seconds between ends of the run and its continuations."""
        self.run_end = RunEnd()
        self.action: Any = None
        self._flow = flow
        self._shared = shared
        self._batch = batch
        self._post = post
        self._observers = observers
        self._waiters = waiters
        self._phase = RunPhase.BETWEEN
        self._idle = asyncio.Event()
        self._again_after_post: list[int] = []
        """Rows to run again when post has returned."""
        self._main_task: asyncio.Task[None] | None = None
        self._text_param = options.sharing.text_param
        self.parts = parts = RunParts(flow, batch, shared=shared, options=options, events=self)
        self._records, self._journal, self._limits = parts.records, parts.journal, parts.limits
        self._runner, self._scheduler, self._workers = parts.runner, parts.scheduler, parts.workers
        if batch is not None:
            self._scheduler.load(batch)
        self._begin()

    def seconds(self) -> float:
        """Return the seconds from the beginning to now, or to the end: the time that records go by."""
        ended = self._ended_after
        return self.parts.clock() - self.parts.began if ended is None else ended

    # Verbs

    def apply_limits(self) -> None:
        """Put the limits in force that were requested from the limit controller."""
        if not self._limits.apply_requested():
            return
        if self._journal is not None and not self.ended:
            self._journal.limits_changed(self._limits.history.kept()[-1])
        self._runner.resize(self._limits.limiter.concurrency)
        self._pump()

    def pause(self) -> None:
        """Start no more instances for now."""
        if self.status == RunStatus.RUNNING:
            self._workers.hold()
            self._become(RunStatus.PAUSED)

    def resume(self) -> None:
        """Continue after a pause."""
        if self.status == RunStatus.PAUSED:
            self._workers.release()
            self._pump()
            self._become(RunStatus.RUNNING)

    def stop(self) -> None:
        """Start no more instances; the running ones finish."""
        if not (self.ended or self.run_end.is_early or self._phase is RunPhase.DRAINING):
            self._end_early(RunStatus.STOPPED)
            self._pump()
            self._become(RunStatus.STOPPING)

    def cancel(self) -> None:
        """Start no more instances and cancel the running ones."""
        if self.ended or self._phase is RunPhase.DRAINING:
            return
        self._end_early(RunStatus.CANCELLED)
        self._become(RunStatus.STOPPING)
        if self._phase is RunPhase.INSTANCES:
            self._workers.cancel()
            self._pump()
        elif self._phase is RunPhase.USER_CODE and self._main_task is not None:
            self._main_task.cancel()
        # Else the main task will see the request. Cancelled before its first step, it never would.

    def cancel_one(self, index: int) -> None:
        """Cancel one instance that runs, or one that waits to start."""
        code = self._records.status[index]
        if code == RUNNING:
            self._workers.cancel(index)
        elif code == PENDING:
            self._scheduler.drop(index)
            self._pump()  # it may have been the last one that the run waited for

    def run_again(self, rows: list[int]) -> bool:
        """Run ended rows again, before all others; return whether there are any to run."""
        if not rows or self.status == RunStatus.STOPPING:
            return False
        for index in rows:
            self.parts.outcomes.forgive(index)
        if self.ended:
            self._continue(rows)
        elif self._phase in {RunPhase.USER_CODE, RunPhase.DRAINING}:
            self._again_after_post = sorted({*self._again_after_post, *rows})
        else:
            self._scheduler.retry(rows)
            self._idle.clear()
            self._pump()
        return True

    def _continue(self, rows: list[int]) -> None:
        if self._journal is not None:
            self._journal.reopen()
        self._scheduler.retry(rows)
        counts = self._records.status_counts
        self.run_end.reopen(complete=not (counts[CANCELLED] or self._records.cut_off))
        self.ended = False
        ended_after, self._ended_after = self.seconds(), None
        self.idle += self.seconds() - ended_after
        self._workers.release()
        self._begin()
        self._become(RunStatus.RUNNING)

    def _become(self, status: RunStatus) -> None:
        if status != self.status:
            self.status = status
            self._observers.notify()

    def _end_early(self, requested: RunStatus) -> None:
        self.run_end.requested = requested
        self._again_after_post = []
        self._scheduler.forget_retries()
        self._workers.hold()

    def _pump(self) -> None:
        if self._phase is RunPhase.INSTANCES:
            self._workers.pump()

    # Events, which the parts report

    def carry_out(self, index: int, decision: Decision) -> None:
        """Do what follows from the end of an instance."""
        if decision.interrupt is not None:
            self.run_end.keep(decision.interrupt)
            self.cancel()
            return
        if decision.cool_down:
            self._limits.cool_down(decision.cool_down)
        if decision.limit is not None:
            self._limits.adapt(decision.limit)
            self._runner.resize(decision.limit)
            self.parts.loop.call_soon(self._pump)  # not here, in the middle of a worker's step
        if decision.stop:
            self.stop_by_itself(decision.stop)
        if decision.retry_in is not None and not self.run_end.is_early:
            self._scheduler.retry_later(index, decision.retry_in)

    def stop_by_itself(self, reason: str) -> None:
        """Start no more instances, for a reason that the run shows."""
        if not (self.ended or self.run_end.is_early):
            self.run_end.reason = reason
            self.stop()

    def retry_is_due(self) -> None:
        """Start workers: a row that waited for its retry may be taken now."""
        self._pump()

    def workers_idle(self) -> None:
        """End the instances' phase, unless rows wait for the end of a pause or for their retry."""
        paused = self.status == RunStatus.PAUSED and self._scheduler.has_next()
        if not (paused or self._scheduler.waits_for_retry):
            self._idle.set()

    def broke(self, error: BaseException) -> None:
        """End the run because the source of its batch raised, or a worker outside any instance."""
        cancelled = self.run_end.requested == RunStatus.CANCELLED
        if cancelled and isinstance(error, asyncio.CancelledError):
            return  # the run's own cancellation, which reached the source
        self.run_end.keep(error)
        self.run_end.source_is_broken = True
        if isinstance(error, KeyboardInterrupt):
            self.cancel()
        else:
            self.stop()

    def engine_broke(self, error: BaseException) -> None:
        """End the run because its engine can run nothing more."""
        self.run_end.keep(error)
        self.stop()

    # The main task

    def _begin(self) -> None:
        if self.parts.holds is not None:
            self.parts.holds.start()
        self.parts.process.begin()
        forks.run_begins(self.parts.loop)
        # In the run's own Context, whoever calls: the flow's post runs there.
        self._main_task = task = self.parts.context.run(self.parts.loop.create_task, self._main())
        task.add_done_callback(self._main_left)

    async def _main(self) -> None:
        # An eager task gets here before `_begin` knows it.
        self._main_task = asyncio.current_task()
        run_end = self.run_end
        try:
            if self._post is None and not run_end.is_early and calls_own_run(self._flow):
                with self._in_phase(RunPhase.USER_CODE):
                    self.action = await within_own_run(self._flow, self._shared, self._run_batch)
            else:
                await self._run_batch()
        except asyncio.CancelledError as error:
            run_end.cancelled(error, self._flow)
        except GeneratorExit:
            # The loop was closed, and nothing more can be awaited.
            run_end.cut_off(self._flow)
            self._write_end()
            self._end()
            raise
        except BaseException as error:  # noqa: BLE001 - kept, and raised to whoever awaits the run
            run_end.keep(error)
        if self._batch is not None:
            with self._in_phase(RunPhase.USER_CODE):
                await close_source(self._batch, run_end)
        with self._in_phase(RunPhase.DRAINING):
            await drain(self._runner, run_end)
            if self._journal is not None:
                await finish_journal(self._journal, self._write_end)
        self._end()

    def _main_left(self, task: asyncio.Task[None]) -> None:
        # A task that the closing loop cancels before its first step has run nothing of `_main`.
        if not self.ended and task is self._main_task:
            self.run_end.cut_off(self._flow)
            self._write_end()
            self._end()

    @contextlib.contextmanager
    def _in_phase(self, phase: RunPhase) -> Iterator[None]:
        before, self._phase = self._phase, phase
        try:
            yield
        finally:
            self._phase = before

    async def _run_batch(self, context: Context | None = None) -> Any:
        if context is not None:
            self._scheduler.inherit(context)
        if self._batch is None:
            if self.run_end.is_early:
                return None
            with self._in_phase(RunPhase.USER_CODE):
                self._batch = await own_batch(self._flow, self._shared, self._text_param)
            # As PocketFlow merges: with the flow's params as prep may have changed them.
            self._records.base = dict(self._flow.params)
            self._scheduler.load(self._batch)
        self.parts.store.begin()
        with self._in_phase(RunPhase.USER_CODE):
            await self._runner.open()
            if self._journal is not None:
                if self._journal.shared.restores_first:
                    await self._scheduler.restore()
                await self._journal.shared.begin()
        await self._run_instances()
        if self._journal is not None:
            with self._in_phase(RunPhase.USER_CODE):
                await self._journal.shared.compare()
        if self.run_end.error is None and self.run_end.requested != RunStatus.CANCELLED:
            self._records.cancel_pending()
            with self._in_phase(RunPhase.USER_CODE):
                await self.parts.store.merge()
                post = self._post or partial(own_post, self._flow, self._shared, self._batch)
                self.action = await post(list(self._records.results))
        return self.action

    async def _run_instances(self) -> None:
        self._idle.clear()
        with self._in_phase(RunPhase.INSTANCES):
            self._workers.pump()
            while not self._idle.is_set():
                try:
                    await self._idle.wait()
                except asyncio.CancelledError:
                    self.run_end.cut_off(self._flow)
                    self.cancel()
                    # The same cancellation may have reached the source first.
                    if isinstance(self.run_end.error, asyncio.CancelledError):
                        self.run_end.error = None

    def _write_end(self) -> None:
        if self._journal is not None:
            self._journal.ended(self.run_end.status, self.seconds(), self._limits.history.kept())
            self._journal.close()

    def _end(self) -> None:
        self._records.cancel_pending()
        self._records.look_for_secrets()
        self._scheduler.exhaust(early=True)
        self.parts.end()
        forks.run_ends(self.parts.loop)
        self._ended_after = self.seconds()
        self.ended = True
        # Observers first: what they publish must be there when whoever waits continues.
        self._become(self.run_end.status)
        rows, self._again_after_post = self._again_after_post, []
        self.run_again(rows)
        if self.ended:  # else the run was continued, perhaps by an observer
            self._waiters.release()
