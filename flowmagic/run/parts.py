"""The parts of a run, made from what `batchflow` was called with."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..engines.base import Work
from ..engines.process_state import ProcessState
from ..records.batch import Batch
from ..records.printed import PrintedTexts
from ..records.store import RecordStore
from ..shared.assignments import AssignmentLog
from ..shared.paths import ItemKeys
from ..shared.shared_store import Store
from ..text.user_objects import or_none
from .event_loop_monitor import HoldRecorder
from .limit_controller import LimitController
from .options import Options
from .outcomes import Outcomes
from .scheduler import Scheduler
from .workers import WorkerPool

if TYPE_CHECKING:
    from ..flow.reuse.node_reuse import NodeReuse
    from ..flow.shared_writes import SharedWrites
    from ..journal.recorder import Recorder
    from .lifecycle import Lifecycle


class RunParts:
    """What a run consists of. The parts report to `events`, and know no more of each other than here.

    Attributes:
        clock: returns the loop's time, in seconds.
        context: where each instance starts from, so that none sees what another one has set.
        journal: what writes the run down; None: nothing does.
        holds: what watches for nodes that hold the loop; None where nothing can.
        process: what undoes at the end what the run has changed of its process.
        reuse: what finds outputs of earlier runs; None: all execs run.
        store: the shared store, as the instances see it.
        has_params: whether the run was given its batch, so that it does not call the flow's own prep.
    """

    def __init__(
        self, flow: Any, batch: Batch | None, *, shared: Any, options: Options, events: Lifecycle
    ) -> None:
        self.has_params = batch is not None
        self.loop = asyncio.get_running_loop()
        self.clock = _clock_of(self.loop)
        self.began = self.clock()
        self.context = contextvars.copy_context()
        self.process = ProcessState()
        self.context.run(self.process.enter)
        self.records = RecordStore(
            flow.params,
            self.began,
            options.kept,
            functools.partial(_secrets_of, flow, shared),
            keep_bytes=options.keep_bytes,
            journaled=options.journal is not None,
        )
        if options.capture:
            self.records.printed = PrintedTexts(self.records.status)
        # A virtual clock is never late.
        watches = self.clock is time.monotonic
        self.holds = HoldRecorder(self.loop, self.records) if watches else None
        self.limits = LimitController(
            options.limits, options.adaptive, clock=self.clock, began=self.began
        )
        self.reuse = _node_reuse(self.clock, self.records, options)
        writes = functools.cache(functools.partial(_shared_writes_of, flow))
        log = self._assignment_log(writes, shared, options)
        self.store = Store(
            shared,
            options.sharing,
            self.records,
            log,
            functools.cache(functools.partial(_item_keys, writes)),
        )
        self.runner = options.engine.begin(
            Work(
                flow,
                shared,
                view=self.store.view,
                settle=self.store.settle,
                filled=self.store.filled,
                limit=options.limits.concurrency,
                threads=options.threads,
                clock=self.clock,
                broke=events.engine_broke,
                stop=events.stop_by_itself,
                reuse=self.reuse,
                on_wait=None if options.timeout is None else self._on_wait,
            )
        )
        try:  # after what may fail: a run that does not begin is not in the journal either
            self.journal = self._recorder(flow, batch, shared, log, options)
        except BaseException:
            self.runner.close()
            raise
        if self.reuse is not None and self.journal is not None and self.journal.reusable:
            self.reuse.open(self.journal.reusable)
        self.outcomes = Outcomes(
            self.records,
            retries=options.retries,
            max_errors=options.max_errors,
            aimd=self.limits.aimd,
            journal=self.journal,
        )
        self.scheduler = Scheduler(
            self.records,
            self.runner,
            loop=self.loop,
            context=self.context,
            events=events,
            journal=self.journal,
        )
        self.workers = WorkerPool(
            self.scheduler,
            self.outcomes,
            self.limits.limiter,
            self.loop,
            events=events,
            clock=self.clock,
            timeout=options.timeout,
        )

    def end(self) -> None:
        """Release what the run has in use, and look at what it leaves."""
        self.store.end()
        self.runner.close()
        if self.holds is not None:
            self.holds.stop()
        self.process.end()

    def _assignment_log(
        self, writes: Callable[[], SharedWrites], shared: Any, options: Options
    ) -> AssignmentLog | None:
        if options.journal is None or options.sharing.isolate or type(shared) is not dict:
            return None
        found = writes()
        return AssignmentLog(
            shared, self.records.live, found.items, found.objects, self.records.secrets
        )

    def _on_wait(self, index: int, waits: bool) -> None:  # noqa: FBT001 - see `Work.on_wait`
        self.workers.wait_for_engine(index, waits=waits)

    def _recorder(
        self,
        flow: Any,
        batch: Batch | None,
        shared: Any,
        log: AssignmentLog | None,
        options: Options,
    ) -> Recorder | None:
        if options.journal is None:
            return None
        # Most runs have no journal, and these imports are a third of flowmagic's import time.
        from ..journal.recorder import Recorder  # noqa: PLC0415
        from .journaled_options import options_kept  # noqa: PLC0415

        return Recorder(
            flow,
            self.records,
            self.loop,
            options=options.journal,
            run_options=options_kept(options),
            shared=shared,
            log=log,
            unseen=options.sharing.why_unseen(shared),
            batch=batch,
        )


def _item_keys(writes: Callable[[], SharedWrites]) -> ItemKeys:
    """Return the keys to whose values nodes assign items; none if that cannot be found out now.

    A node may be the first to ask, in its thread, and Python 3.11 may fail to parse in two at once.
    """
    found = or_none(writes)
    return ItemKeys() if found is None else ItemKeys(found.items, found.deeper)


def _shared_writes_of(flow: Any) -> SharedWrites:
    """Return the keys of the shared store whose values nodes change in place."""
    from ..flow.shared_writes import shared_writes_of  # noqa: PLC0415 - as below

    return shared_writes_of(flow)


def _node_reuse(
    clock: Callable[[], float], records: RecordStore, options: Options
) -> NodeReuse | None:
    if options.journal is None or not options.journal.reuse:
        return None
    from ..flow.reuse.node_reuse import NodeReuse  # noqa: PLC0415 - as below

    return NodeReuse(clock, lambda: records.secrets)


def _secrets_of(flow: Any, shared: Any) -> frozenset[str]:
    """Return the secrets of a flow and of the shared store."""
    from ..journal.snapshot import secrets_of_flow  # noqa: PLC0415 - it reads sources; a run need not

    return secrets_of_flow(flow, shared)


def _clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the function that returns a loop's time at the least cost."""
    stock = type(loop).time is asyncio.BaseEventLoop.time
    return time.monotonic if stock else loop.time
