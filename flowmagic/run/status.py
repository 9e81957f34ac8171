"""Where a run is, what it does at its end, and who is notified when its status changes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..engines.base import Runner
from ..errors import from_users_frame
from ..records.batch import Batch

if TYPE_CHECKING:
    from ..journal.recorder import Recorder
    from .batchrun import BatchRun


class RunStatus(str, Enum):
    """Where a run is. A string: `run.status == "finished"` holds."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    """Nothing more starts; the running instances are finishing."""
    FINISHED = "finished"
    """Every row was run, whether it succeeded or failed."""
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """The run itself broke: its param source, prep or post raised. See `run.error`."""

    __str__ = str.__str__


class RunPhase(Enum):
    """What the main task of a run is doing."""

    BETWEEN = auto()
    """Going to the next phase; it will look at what was requested meanwhile."""
    USER_CODE = auto()
    """In the flow's own prep or post, opening the engine, or closing the source."""
    INSTANCES = auto()
    """Waiting until all instances have ended."""
    DRAINING = auto()
    """All have ended; the engine releases what they used, and the journal is written."""


class RunEnd:
    """What is known about how a run will end.

    Attributes:
        requested: `FINISHED`, until the run is to end early as `STOPPED` or `CANCELLED`.
        error: what broke the run itself, the first of several; None: nothing did.
        traceback: of the error, from the user's frames on.
        reason: why the run stopped by itself; empty if it did not.
        source_is_broken: whether the source of the batch raised: its other rows will never come.
    """

    def __init__(self) -> None:
        self.requested = RunStatus.FINISHED
        self.error: BaseException | None = None
        self.traceback: TracebackType | None = None
        self.reason = ""
        self.source_is_broken = False
        self._earlier_end = RunStatus.FINISHED
        """How the run ended before it was reopened, if that end left rows out."""

    @property
    def is_early(self) -> bool:
        """Whether the run is to end before all rows were run."""
        return self.requested != RunStatus.FINISHED

    @property
    def status(self) -> RunStatus:
        """The status that the run ends with, if it ends now."""
        if self.error is not None:
            return RunStatus.FAILED
        return self.requested if self.is_early else self._earlier_end

    def keep(self, error: BaseException) -> None:
        """Keep what broke the run, unless something had before."""
        if self.error is None:
            self.error = from_users_frame(error)
            self.traceback = self.error.__traceback__

    def cancelled(self, error: asyncio.CancelledError, flow: Any) -> None:
        """Note a CancelledError in the current task: nobody may have cancelled it but its own code."""
        task = asyncio.current_task()
        if sys.version_info >= (3, 11) and task is not None and not task.cancelling():
            self.keep(error)
        else:
            self.cut_off(flow)

    def cut_off(self, flow: Any) -> None:
        """Note that the run is cancelled because its event loop ends, and say so unless it was to end.

        Nobody else would: what forgot to await the run awaits no error either.
        """
        if not self.is_early and sys.stderr is not None:
            sys.stderr.write(
                f"flowmagic: a run of {type(flow).__name__} was cancelled, because its event loop ended. "
                "Write `await run` in the coroutine that starts it.\n"
            )
        self.requested = RunStatus.CANCELLED

    def reopen(self, *, complete: bool) -> None:
        """Forget the end of a run that continues, for good if it now leaves no row out (`complete`)."""
        if not self.source_is_broken:
            self.error = None
        self.reason = ""
        if complete:
            self._earlier_end = RunStatus.FINISHED
        elif self.is_early:
            self._earlier_end = self.requested
        self.requested = RunStatus.FINISHED


class Observers:
    """Calls each observer with the run; removes one that raises, and reports the error to the loop."""

    def __init__(self, run: BatchRun, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._loop = loop
        self._observers: list[Callable[[BatchRun], None]] = []

    def add(self, observer: Callable[[BatchRun], None]) -> None:
        """Call `observer(run)` from the next change on."""
        self._observers.append(observer)

    def notify(self) -> None:
        """Call all observers."""
        for observer in list(self._observers):
            try:
                observer(self._run)
            except Exception as error:  # noqa: BLE001 - a bug in an observer must not end the run
                self._observers.remove(observer)
                message = "An observer of a flowmagic run raised, and was detached"
                self._loop.call_exception_handler({"message": message, "exception": error})


async def close_source(batch: Batch, run_end: RunEnd) -> None:
    """Close the generator that a batch draws from; its `finally` blocks are the user's code."""
    try:
        await batch.close()
    except asyncio.CancelledError:
        run_end.requested = RunStatus.CANCELLED
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - kept
        run_end.keep(error)


async def drain(runner: Runner, run_end: RunEnd) -> None:
    """Wait until nothing of the instances is left where they ran."""
    try:
        await runner.drain()
    except asyncio.CancelledError:
        pass  # the loop is being closed
    except Exception as error:  # noqa: BLE001 - kept
        run_end.keep(error)


async def finish_journal(journal: Recorder, write_end: Callable[[], None]) -> None:
    """Write all rows, then the end, and wait until they are on disk.

    A run that is reported to have ended is on disk, unless the loop is being closed.
    """
    with contextlib.suppress(asyncio.CancelledError):
        await journal.all_rows()
    write_end()
    with contextlib.suppress(asyncio.CancelledError):
        await journal.settled()
