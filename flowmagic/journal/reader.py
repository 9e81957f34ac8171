"""A journal opened to look at its runs, to compare them, or to resume one."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import JournalError, MissingIndexError, describe
from ..text.formatting import error_line, short_repr, truncate
from .damage import query, quoted, readable
from .database import copy_to, open_file
from .fingerprint import FILLED, fingerprint_of
from .journal_instance import JournalInstance
from .journal_run import SELECT_RUNS, JournalRun, status_text
from .resume import runs_of
from .row_key import NoRowKeyError, canonical_text


class Journal:
    """A journal that is open for reading, also while runs write to it.

    `journal[-1]` is the latest run, `journal[3]` the one with the number 3.
    """

    def __init__(self, path: Any) -> None:
        self.path = pathlib.Path(path) if isinstance(path, (str, os.PathLike)) else path
        self._connection = open_file(path, write=False)

    @property
    def runs(self) -> list[JournalRun]:
        """All runs, oldest first."""
        with readable("its runs cannot be listed", ""):
            rows = query(self._connection, SELECT_RUNS)
            return [JournalRun(self._connection, row) for row in rows]

    def __getitem__(self, number: int) -> JournalRun:
        runs = self.runs
        if number < 0 and -number <= len(runs):
            return runs[number]
        for run in runs:
            if run.number == number:
                return run
        raise MissingIndexError(
            f"There is no run {number} in this journal; it has "
            f"{', '.join(str(run.number) for run in runs) or 'none'}."
        )

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[JournalRun]:
        return iter(self.runs)

    def runs_of(self, flow: Any, shared: Any = None, *, anyway: bool = False) -> list[int]:
        """Return the numbers of the runs of a flow, oldest first.

        Args:
            shared: the shared store that the next run begins with.
            anyway: whether to include the runs from before the flow was changed.

        Raises:
            JournalError: the flow has changed since the last of its runs.
        """
        now = fingerprint_of(flow, {} if shared is None else shared)
        now.left_out[FILLED] = "an option of the next run"
        runs = runs_of(self._connection, type(flow).__name__, now, anyway=anyway)
        return [number for number, _ in runs.found]

    def compare(self, before: int, after: int) -> Comparison:
        """Return what changed between two runs, given by number; rows are matched by their params.

        Raises:
            MissingIndexError (an IndexError): there is no such run.
        """
        return compare(self[before], self[after])

    def backup(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a copy of the journal as it is at this moment, and return its path.

        Runs may be writing meanwhile. A plain copy of the file lacks what they wrote in the last
        seconds, and may be damaged.

        Raises:
            JournalError: there is a file at this path already, it cannot be written, or the journal
                is damaged or closed.
        """
        list(query(self._connection, "PRAGMA user_version"))  # raises if it is closed
        return copy_to(path, self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Journal:  # noqa: PYI034 - Self is not there in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return listed(self.path, self.runs)


def open_journal(path: str | os.PathLike[str]) -> Journal:
    """Open a journal to look at its runs; the file is not changed.

    Raises:
        JournalError: there is no file at this path, or it is not a journal.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise JournalError(f"The path is {describe(path)}. Write open_journal('runs.journal').")
    return Journal(path)


def rows_to_resume(
    path: Any, flow: Any, shared: Any, *, anyway: bool
) -> list[dict[Any, Any]] | None:
    """Return the params of the latest run of a flow; None if the flow's own prep gave them.

    Args:
        path: of the journal.
        shared: the shared store that the next run begins with; None: an empty one.
        anyway: whether it may be a run from before the flow was changed.

    Raises:
        JournalError: there is no such run, the flow has changed, or the params cannot be read back as
            they were.
    """
    with open_journal(path) as journal:
        numbers = journal.runs_of(flow, shared, anyway=anyway)
        if not numbers:
            raise JournalError(
                f"There is no run of {type(flow).__name__} in {str(path)!r} to resume. "
                "Pass the params: flowmagic.resume(path, flow, params)."
            )
        run = journal[numbers[-1]]
        run.refuse_if_running()
        return None if run.drawn_by == "prep" else run.batch()


_LATEST = 20
_FLOW_WIDTH = 15  # characters: with two counts, a line then fits into 80
_STATUS_WIDTH = 9
_NUMBER_WIDTH = 3


def listed(path: object, runs: Sequence[JournalRun]) -> str:
    """Return a heading, and a line for each of the latest runs, oldest first."""
    many = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    lines = [f"journal {str(path)!r}: {many}"]
    earlier = len(runs) - _LATEST
    if earlier > 0:
        lines.append(f"{'…':>{_NUMBER_WIDTH}}  {earlier} earlier")
    lines += [_line(run) for run in runs[-_LATEST:]]
    return "\n".join(lines)


def _line(run: JournalRun) -> str:
    flow = truncate(quoted(run.flow), _FLOW_WIDTH)
    head = f"{run.number:>{_NUMBER_WIDTH}}  {run.began:%Y-%m-%d %H:%M}  {flow:<{_FLOW_WIDTH}}"
    return f"{head}  {truncate(status_text(run), _STATUS_WIDTH):<{_STATUS_WIDTH}}  {_counted(run)}"


def _counted(run: JournalRun) -> str:
    try:
        counts = run.counts
    except JournalError:
        return "damaged"
    rows = run.total if run.total is not None else sum(counts.values())
    text = ", ".join(f"{number:,} {status}" for status, number in counts.items())
    return f"{rows:,}: {text}" if text else f"{rows:,}"


_MOST_SHOWN = 50


class Change(NamedTuple):
    """A row that differs between two runs.

    Attributes:
        params: of the row.
        before, after: its index in each run; None where the run did not have it.
        what: the difference in words.
    """

    params: Any
    before: int | None
    after: int | None
    what: str


class Comparison(list[Change]):
    """What changed from one run to another: rows, outcomes and durations.

    Attributes:
        alike: how many rows came out the same.
        faster: the median duration before, divided by that after, of rows that both ran; None: unknown.
    """

    alike: int = 0
    faster: float | None = None

    def __str__(self) -> str:
        lines = [f"{len(self)} rows differ, {self.alike} came out the same."]
        if self.faster:
            lines.append(f"The median instance took {1 / self.faster:.2f} times as long.")
        lines += [f"  {short_repr(each.params, 100)}: {each.what}" for each in self[:_MOST_SHOWN]]
        if len(self) > _MOST_SHOWN:
            lines.append(f"  … and {len(self) - _MOST_SHOWN} more")
        return "\n".join(lines)


def compare(before: Iterable[JournalInstance], after: Iterable[JournalInstance]) -> Comparison:
    """Return what changed between two runs, also of two journals; rows are matched by their params."""
    changes = Comparison()
    unmatched: dict[str, list[JournalInstance]] = {}
    for old in before:
        unmatched.setdefault(_comparable(old.params), []).append(old)
    durations: list[tuple[float, float]] = []
    for new in after:
        candidates = unmatched.get(_comparable(new.params))
        if not candidates:
            changes.append(Change(new.params, None, new.index, f"new: {_shown(new)}"))
            continue
        old = candidates.pop(0)
        if old.seconds and new.seconds:
            durations.append((old.seconds, new.seconds))
        if _outcome(old) == _outcome(new):
            changes.alike += 1
        else:
            was, now = _shown(old), _shown(new)
            # Two long results may differ after the point where they are cut.
            what = f"{was}, now {now}" if was != now else f"{now}, which differs further on"
            changes.append(Change(new.params, old.index, new.index, what))
    changes += [
        Change(old.params, old.index, None, f"no longer run; it was {_shown(old)}")
        for candidates in unmatched.values()
        for old in candidates
    ]
    if durations:
        middle = len(durations) // 2
        old_times, new_times = (sorted(times)[middle] for times in zip(*durations, strict=True))
        changes.faster = old_times / new_times
    return changes


def _comparable(value: Any) -> str:
    """Return a text that is the same for values that are equal as `row_key` has it."""
    try:
        return canonical_text(value)
    except NoRowKeyError:  # nested too deep
        return repr(value)


def _outcome(instance: JournalInstance) -> tuple[object, ...]:
    error = instance.error
    error_text = None if error is None else (error["type"], error["text"])
    output, result = _comparable(instance.output), _comparable(instance.result)
    return instance.status, error_text, output, result, instance.unwritten


def _shown(instance: JournalInstance) -> str:
    if instance.error is not None:
        error = error_line(instance.error["type"], instance.error["text"], 80)
        return f"{instance.status}: {error}"
    values = [
        short_repr(value, 80) for value in (instance.output, instance.result) if value is not None
    ]
    return f"{instance.status}: {', '.join(values)}" if values else instance.status
