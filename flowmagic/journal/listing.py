"""The runs of a journal as lines to read, in a terminal and under a cell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ..errors import JournalError
from ..showing import cut

_LATEST = 20
_FLOW = 15  # characters of a flow's name, so that a line fits into 80 with two counts
_NUMBER = 3


class _Run(Protocol):
    number: int
    flow: str
    began: datetime
    status: str
    total: int | None

    @property
    def counts(self) -> dict[str, int]: ...


def listed(path: object, runs: Sequence[_Run]) -> str:
    """Return a heading, and a line for each of the latest runs, oldest first."""
    many = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    lines = [f"journal {str(path)!r}: {many}"]
    earlier = len(runs) - _LATEST
    if earlier > 0:
        lines.append(f"{'…':>{_NUMBER}}  {earlier} earlier")
    lines += [_line(run) for run in runs[-_LATEST:]]
    return "\n".join(lines)


def _line(run: _Run) -> str:
    # Of a kernel that died, nobody wrote down that it did.
    status = "not ended" if run.status == "running" else run.status
    flow = cut(run.flow, _FLOW)
    return (
        f"{run.number:>{_NUMBER}}  {run.began:%Y-%m-%d %H:%M}  {flow:<{_FLOW}}  {status:<9}  "
        f"{_counted(run)}"
    )


def _counted(run: _Run) -> str:
    try:
        counts = run.counts
    except JournalError:
        return "damaged"
    rows = run.total if run.total is not None else sum(counts.values())
    text = ", ".join(f"{number:,} {status}" for status, number in counts.items())
    return f"{rows:,}: {text}" if text else f"{rows:,}"
