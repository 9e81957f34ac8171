"""The runs that a shell has started, and a table of them and of those in a journal."""

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
_UNBOUND: weakref.WeakKeyDictionary[Any, BatchRun] = weakref.WeakKeyDictionary()
"""The latest run of each shell that was bound to no variable: without a panel nothing else keeps it."""

_MOST_LISTED = 10
_NO_RUNS = "No runs yet. Start one: %%batchflow FLOW"


def add(shell: Any, run: BatchRun, name: str | None) -> None:
    """Add a run that a shell has started, and the variable it was bound to.

    It is kept only while something else refers to it, or while it is the latest without a variable.
    """
    _RUNS.setdefault(shell, []).append((name or "", weakref.ref(run)))
    if name is None:
        _UNBOUND[shell] = run


def find(shell: Any, number: int) -> tuple[str, BatchRun]:
    """Return the variable, or "", and the run with a number.

    Raises:
        UsageError: there is no such run; the message lists the latest ones.
    """
    found = runs(shell)
    if number in found:
        return found[number]
    latest = [f"{number} ({name or run.name})" for number, (name, run) in found.items()]
    listed = ", ".join(["…", *latest[-_MOST_LISTED:]] if len(latest) > _MOST_LISTED else latest)
    hint = f"The runs of this kernel: {listed}." if found else _NO_RUNS
    raise UsageError(f"There is no run {number}. {hint}")


def bind(shell: Any, number: int, name: str) -> None:
    """Bind a run to another variable, and list it with that."""
    _, run = _RUNS[shell][number - 1]
    _RUNS[shell][number - 1] = name, run
    shell.user_ns[name] = run()


def runs(shell: Any) -> dict[int, tuple[str, BatchRun]]:
    """Return the runs of a shell that are still referenced, by number, with their variables or ""."""
    listed = ((name, reference()) for name, reference in _RUNS.get(shell, ()))
    return {number: (name, run) for number, (name, run) in enumerate(listed, 1) if run is not None}


def table(shell: Any, journal: str | os.PathLike[str] | None) -> str:
    """Return a table of the runs of a shell and of the named limits, below the runs of a journal.

    Raises:
        UsageError: the journal cannot be read.
    """
    kernel = "\n".join([*_lines(shell), *(f"limit {each}" for each in named_limits().values())])
    return kernel if journal is None else f"{_journal_table(journal)}\n\nthis kernel:\n{kernel}"


def _lines(shell: Any) -> list[str]:
    lines = [
        f"{number:>3}  {run.started_at.strftime('%H:%M:%S')}  {name or '-':<12} {headline(run)}"
        for number, (name, run) in runs(shell).items()
    ]
    return lines or [_NO_RUNS]


def _journal_table(path: str | os.PathLike[str]) -> str:
    try:
        from ..journal import open_journal  # noqa: PLC0415 - imported when it is first used

        with open_journal(path) as journal:
            return repr(journal)
    except JournalError as error:
        raise UsageError(str(error)) from None
