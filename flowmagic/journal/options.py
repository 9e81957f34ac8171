"""The options of a run that concern its journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import JournalError, describe


@dataclass(frozen=True)
class JournalOptions:
    """Where a run is written, and what it takes from earlier runs.

    Attributes:
        path: of the file, which is created if it does not exist.
        resume: whether rows that succeeded in an earlier run of the same flow are not run again;
            "anyway": also if the flow has changed since.
        full: whether each write waits for the disk, so that it survives a loss of power.
        secrets: whether secrets are written as they are, and not masked.
        in_doubt: whether a resumed run runs the rows again that an earlier run left in doubt: "run" or
            "skip".
        reuse: whether execs are not run again whose outputs are in the journal.

    Raises:
        JournalError: resume is none of True, False and "anyway".
    """

    path: Any
    resume: Any = False
    full: bool = False
    secrets: bool = False
    in_doubt: str = "run"
    reuse: bool = False

    def __post_init__(self) -> None:
        if self.resume not in (True, False, "anyway"):
            raise JournalError(
                f"resume is {describe(self.resume)}. Write resume=True, or resume='anyway' if the flow "
                "has changed."
            )

    @classmethod
    def of(
        cls,
        path: Any,
        resume: Any,
        sync: str,
        *,
        secrets: bool,
        in_doubt: str,
        reuse: bool = False,
    ) -> JournalOptions | None:
        """Return the options for the arguments of `batchflow`; None if `path` is None.

        Raises:
            JournalError: resume or reuse without a path, or an argument with another value.
        """
        if path is None:
            if resume:
                raise JournalError(
                    "There is no journal to resume from. Write journal='runs.journal'."
                )
            if reuse:
                raise JournalError(
                    "There is no journal to reuse outputs from. Write journal='runs.journal'."
                )
            return None
        if sync not in ("normal", "full"):
            raise JournalError(f"sync is {describe(sync)}. Write sync='normal' or sync='full'.")
        if in_doubt not in ("run", "skip"):
            raise JournalError(
                f"in_doubt is {describe(in_doubt)}. Write in_doubt='run' or in_doubt='skip'."
            )
        return cls(
            path,
            resume=resume,
            full=sync == "full",
            secrets=secrets,
            in_doubt=in_doubt,
            reuse=reuse,
        )
