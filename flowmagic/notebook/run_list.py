"""The runs that a shell has started, and those of a journal, as a table."""

from __future__ import annotations

import os
import weakref
from typing import Any

from IPython.core.error import UsageError

from ..errors import JournalError
from ..limits.calls.named import named_limits
from ..run.batchrun import BatchRun
from .summary.summary import headline

_RUNS: weakref.WeakKeyDictionary[Any, list[tuple[str, weakref.ref[BatchRun]]]] = (
    weakref.WeakKeyDictionary()
)


def note(shell: Any, run: BatchRun, name: str | None) -> None:
    """Note a run that a shell has started, and the name it was bound to; it is not kept alive."""
    _RUNS.setdefault(shell, []).append((name or "", weakref.ref(run)))


def runs(shell: Any) -> dict[int, tuple[str, BatchRun]]:
    """Return the runs of a shell that somebody still has, by number, each with its name or ""."""
    noted = ((name, reference()) for name, reference in _RUNS.get(shell, ()))
    return {number: (name, run) for number, (name, run) in enumerate(noted, 1) if run is not None}


def table(shell: Any, journal: str | os.PathLike[str] | None) -> str:
    """Return the runs of a shell and the named limits, below the runs of a journal if one is given.

    Raises:
        UsageError: the journal cannot be read.
    """
    here = "\n".join([*_lines(shell), *(f"limit {each}" for each in named_limits().values())])
    return here if journal is None else f"{_resume_index(journal)}\n\nthis kernel:\n{here}"


def _lines(shell: Any) -> list[str]:
    lines = [
        f"{number:>3}  {run.started_at.strftime('%H:%M:%S')}  {name or '-':<12} {headline(run)}"
        for number, (name, run) in runs(shell).items()
    ]
    return lines or ["No runs yet. Start one: %%batchflow FLOW"]


def _resume_index(path: str | os.PathLike[str]) -> str:
    try:
        from ..journal import open_journal  # noqa: PLC0415 - imported when it is first used

        with open_journal(path) as journal:
            return repr(journal)
    except JournalError as error:
        raise UsageError(str(error)) from None
