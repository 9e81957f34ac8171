"""Whether and how a run is to be written down: one of its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import JournalError, describe


@dataclass(frozen=True)
class JournalOptions:
    """What a run keeps, and where.

    Attributes:
        path: of the file; made if there is none.
        resume: whether rows that succeeded in an earlier run of the same flow are not run again;
            "anyway": also if the flow has changed since.
        full: whether each write waits until the disk has it, so that it outlives a loss of power.
        secrets: whether secrets are written as they are.

    Raises:
        JournalError: resume is something else.
    """

    path: Any
    resume: Any = False
    full: bool = False
    secrets: bool = False

    def __post_init__(self) -> None:
        if self.resume not in (True, False, "anyway"):
            raise JournalError(
                f"resume is {describe(self.resume)}. Write resume=True, or resume='anyway' if the flow "
                "has changed."
            )

    @classmethod
    def of(cls, path: Any, resume: Any, sync: str, *, secrets: bool) -> JournalOptions | None:
        """Check what `batchflow` was given; None if no journal is wanted.

        Raises:
            JournalError: it makes no sense.
        """
        if path is None:
            if resume:
                raise JournalError(
                    "There is no journal to resume from. Write journal='runs.journal'."
                )
            return None
        if sync not in ("normal", "full"):
            raise JournalError(f"sync is {describe(sync)}. Write sync='normal' or sync='full'.")
        return cls(path, resume=resume, full=sync == "full", secrets=secrets)
