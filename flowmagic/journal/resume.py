"""The results of earlier runs of a flow, for the next run to restore."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import JournalError
from ..flow.dependencies.reader import CHANGED_BY_RUN
from ..records.trace import Restored
from .assigned import decoded_assignments
from .codec import classes_in, decoded
from .damage import quoted, readable
from .database import open_file
from .fingerprint import Fingerprint
from .in_doubt import rows_in_doubt
from .process import Process


class Match(NamedTuple):
    """A row of an earlier run that is not to run again, or of which the user must know if it does.

    Attributes:
        key: of the row, see `row_key`.
        number, run: number and id of the earlier run; empty unless its outcome is in the journal.
        position: index of the row there.
        incomplete: why its outcome is not in the journal although it succeeded; empty otherwise.
        in_doubt: number of the run that left it in doubt; 0 if none did.
    """

    key: str
    number: int = 0
    run: str = ""
    position: int = 0
    incomplete: str = ""
    in_doubt: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether it succeeded, and its outcome is in the journal."""
        return bool(self.run)


_Found = tuple[int, int, Any]
"""Number of the run and index of a row, and the row with the same key before it, or None.

As plain tuples, which the garbage collector does not look at again: there may be very many.
"""


class ResumeIndex:
    """Finds the results of rows that succeeded in earlier runs of a flow, by the keys of the rows.

    It holds the keys in memory, and reads an outcome from the file when it is taken. It also has the
    keys of the rows that are in doubt. It is false if it has none.

    Args:
        flow: the class name of the flow.
        now: its fingerprint.
        anyway: whether runs from before the flow was changed count as well.
        warn: called with a sentence for the user when a result cannot be read.
        reuse: whether a changed flow is no error, since its nodes may be reused.

    Attributes:
        runs: the ids of the earlier runs, by number.
        not_restored: how many rows were looked for that had succeeded, but whose outcome is not
            completely in the journal, by the reason.

    Raises:
        JournalError: there are runs of the flow, but it has changed since the last one, or one of them
            is still running.
    """

    def __init__(
        self,
        path: Any,
        flow: str,
        now: Fingerprint,
        *,
        anyway: bool,
        warn: Callable[[str], None],
        reuse: bool = False,
    ) -> None:
        self._warn = warn
        self.not_restored: Counter[str] = Counter()
        self._found: dict[str, _Found] = {}
        """The latest row with a key."""
        self._incomplete: dict[str, list[str]] = {}
        """The reasons why the rows with a key that succeeded cannot be restored."""
        with contextlib.closing(open_file(path, write=False)) as connection, readable():
            runs = runs_of(connection, flow, now, anyway=anyway, reuse=reuse)
            self.runs = dict(runs.found)
            refuse_running(connection, runs.found)
            for number, run in runs.found:
                for key, position, unwritten in connection.execute(
                    "SELECT key, position, unwritten FROM instances"
                    " WHERE run = ? AND status = 'succeeded' AND key != ''",
                    (run,),
                ):
                    if unwritten:
                        self._incomplete.setdefault(key, []).append(unwritten)
                    else:
                        self._found[key] = number, position, self._found.get(key)
            self._in_doubt = rows_in_doubt(connection, runs.found)
        if self._found and not anyway and runs.left_out:
            warn(_not_compared(runs.left_out))
        self._connection: sqlite3.Connection | None = (
            open_file(path, write=False)
            if self._found or self._incomplete or self._in_doubt
            else None
        )

    def __bool__(self) -> bool:
        return self._connection is not None

    def match(self, key: str) -> Match | None:
        """Return the latest row with this key that succeeded, each once; None if none is left.

        A row that occurs twice in the batch needs two that succeeded. If none did, a row in doubt is
        returned, and one whose outcome is incomplete.
        """
        if (found := self._found.pop(key, None)) is not None:
            number, position, before = found
            if before is not None:
                self._found[key] = before
            return Match(key, number, self.runs[number], position)
        if in_doubt := self._in_doubt.get(key):
            return Match(key, in_doubt=in_doubt.pop())
        if incomplete := self._incomplete.get(key):
            return Match(key, incomplete=incomplete.pop())
        return None

    def take(self, match: Match) -> Restored | None:
        """Return the outcome of a row that was found; None if it has to run.

        If it cannot be read, return that of the row with this key that succeeded before.
        """
        found: Match | None = match
        while found is not None and found.succeeded and self._connection is not None:
            _, number, run, position, *_ = found
            try:
                with readable():
                    result, writes, output, assigned = self._connection.execute(
                        "SELECT result, writes, output, assigned FROM instances"
                        " WHERE run = ? AND position = ?",
                        (run, position),
                    ).fetchone()
                for name in map(quoted, classes_in(f"{result} {writes} {output}")):
                    self._warn(
                        f"Restored rows have plain values, such as dicts, in place of objects of class "
                        f"{name}. To have objects back, write flowmagic.journal.register({name}, ...) "
                        "before they are written."
                    )
                value = output and decoded(output)
                return Restored(
                    number,
                    position,
                    decoded(result),
                    writes and decoded(writes),
                    value,
                    () if assigned is None else tuple(decoded_assignments(assigned, number, value)),
                )
            except JournalError as error:
                self._warn(f"Row {position!r} of run {number} cannot be restored: {error}")
            found = self.match(found.key)
        if found is not None and found.incomplete:
            self.not_restored[found.incomplete] += 1
        return None

    def why_not_restored(self) -> list[str]:
        """Return in words how many rows run again although they had succeeded, and why."""
        return [
            _ran_again(rows, reason)
            for reason, rows in self.not_restored.most_common(_MOST_REASONS)
        ]

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_MOST_REASONS = 3


def _ran_again(rows: int, reason: str) -> str:
    if rows == 1:
        which, them = "1 row that had succeeded runs", "it"
    else:
        which, them = f"{rows:,} rows that had succeeded run", "them"
    return f"{which} again: the journal does not have all that came of {them}. {quoted(reason)}"


class FoundRuns(NamedTuple):
    """The earlier runs of a flow.

    Attributes:
        found: number and id of each, oldest first.
        left_out: what was not compared, each name with the reason.
    """

    found: list[tuple[int, str]]
    left_out: dict[str, str]


def runs_of(
    connection: sqlite3.Connection,
    flow: str,
    now: Fingerprint,
    *,
    anyway: bool,
    reuse: bool = False,
) -> FoundRuns:
    """Return the earlier runs of a flow; with `anyway`, also those from before it was changed.

    Raises:
        JournalError: there are some, but the flow has changed since the last of them; not with `reuse`.
    """
    with readable():
        rows = connection.execute(
            "SELECT number, id, fingerprint FROM runs WHERE flow = ? ORDER BY number", (flow,)
        ).fetchall()
        if anyway or not rows:
            return FoundRuns([(number, run) for number, run, _ in rows], {})
        runs = [(number, run, Fingerprint.from_json(text)) for number, run, text in rows]
    # Of a run whose kernel died, nobody knows what it had changed itself; others may tell.
    by_run = {name for *_, earlier in runs for name in earlier.changed_by_run}
    same = [each for each in runs if not each[2].differences(now, left_out=by_run)]
    if not same and reuse:
        return FoundRuns([], {})
    if not same:
        number, _, earlier = runs[-1]
        raise JournalError(
            f"{flow} is not the flow that run {number} of this journal ran: "
            f"{_listed(earlier.differences(now, left_out=by_run))}. "
            "Write resume='anyway' to take over its results all the same, or leave resume out to run "
            "all rows."
        )
    left_out = {**now.left_out, **dict.fromkeys(by_run, CHANGED_BY_RUN)}
    there = set(now.digests)
    for *_, earlier in same:
        left_out.update(earlier.left_out)
        there |= earlier.digests.keys()
    for name in [name for name, why in left_out.items() if why == CHANGED_BY_RUN]:
        # What a run itself puts into `shared`, such as its answers, was not there to be compared.
        if name.startswith("shared[") and name not in there:
            del left_out[name]
    return FoundRuns([(number, run) for number, run, _ in same], left_out)


def refuse_running(connection: sqlite3.Connection, runs: list[tuple[int, str]]) -> None:
    """Check that none of these runs, given by number and id, is still running.

    Raises:
        JournalError: one is, in this process or another one.
    """
    for number, run in reversed(runs):
        with readable():
            status, process, beat = connection.execute(
                "SELECT status, process, beat FROM runs WHERE number = ?", (number,)
            ).fetchone()
            if status == "running":
                Process.read(process).refuse_if_running(number, run, beat)


_MOST_LISTED = 8


def _listed(texts: list[str]) -> str:
    more = len(texts) - _MOST_LISTED
    return ", ".join(map(quoted, texts[:_MOST_LISTED])) + (f" and {more} more" if more > 0 else "")


def _not_compared(left_out: dict[str, str]) -> str:
    reasons: dict[str, list[str]] = {}
    for name, reason in sorted(left_out.items()):
        reasons.setdefault(reason, []).append(name)
    groups = [f"{_listed(names)} ({quoted(reason)})" for reason, names in reasons.items()]
    return f"Not compared with the earlier runs: {'; '.join(groups)}."
