"""How a run ends: the states that it can be in, and what decides which one is its last."""

from __future__ import annotations

from enum import Enum
from types import TracebackType

from ..errors import from_users_frame


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


class RunEnd:
    """What is known of how a run will end.

    Attributes:
        asked: `FINISHED`, until something asks for it to be `STOPPED` or `CANCELLED`.
        error: what broke the run itself, the first of several; None: nothing did.
        traceback: of the error, from the user's frames on.
        reason: why it stopped by itself; empty if it did not.
        source_is_broken: whether the source of the batch raised: what it did not give will never come.
    """

    def __init__(self) -> None:
        self.asked = RunStatus.FINISHED
        self.error: BaseException | None = None
        self.traceback: TracebackType | None = None
        self.reason = ""
        self.source_is_broken = False
        self._lacking = RunStatus.FINISHED
        """How it had ended before it was taken up again, if that left rows out."""

    @property
    def goes_on(self) -> bool:
        """Whether nothing has asked for less than all."""
        return self.asked == RunStatus.FINISHED

    @property
    def status(self) -> RunStatus:
        """The status that the run ends with, if it ends now."""
        if self.error is not None:
            return RunStatus.FAILED
        return self._lacking if self.goes_on else self.asked

    def keep(self, error: BaseException) -> None:
        """Keep what broke the run, unless something had before."""
        if self.error is None:
            self.error = from_users_frame(error)
            self.traceback = self.error.__traceback__

    def reopen(self) -> None:
        """Begin anew, for a run that is taken up again."""
        if not self.source_is_broken:
            self.error = None
        self.reason = ""
        if not self.goes_on:
            self._lacking = self.asked
        self.asked = RunStatus.FINISHED
