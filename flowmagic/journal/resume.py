"""The results of earlier runs of a flow, for the next run to restore."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import JournalError
from ..records.trace import Restored
from .codec import classes_in, decoded
from .database import open_file
from .fingerprint import Part, differences, fingerprint


class ResumeIndex:
    """Finds the results of rows that succeeded in earlier runs of a flow, by the keys of the rows.

    It holds the keys in memory, and reads an outcome from the file when it is taken. It is false if
    no row has succeeded.

    Args:
        flow: the class name of the flow.
        parts: the fingerprints of its nodes.
        anyway: whether runs from before the flow was changed count as well.
        warn: called with a sentence for the user when a result cannot be read.

    Attributes:
        runs: the ids of the earlier runs, by number.
        not_restored: how many rows were looked for that had succeeded, but whose outcome is not
            completely in the journal, by the reason.

    Raises:
        JournalError: there are runs of the flow, but it has changed since the last one.
    """

    def __init__(
        self,
        path: Any,
        flow: str,
        parts: list[Part],
        *,
        anyway: bool,
        warn: Callable[[str], None],
    ) -> None:
        self._warn = warn
        self.not_restored: Counter[str] = Counter()
        self._found: dict[str, list[tuple[int, str, int]]] = {}
        """Run number, run id and position of the rows with a key, oldest first."""
        self._incomplete: dict[str, list[str]] = {}
        """The reasons why the rows with a key that succeeded cannot be restored."""
        with contextlib.closing(open_file(path, write=False)) as connection, readable():
            self.runs = dict(runs_of(connection, flow, parts, anyway=anyway))
            for number, run in self.runs.items():
                for key, position, unwritten in connection.execute(
                    "SELECT key, position, unwritten FROM instances"
                    " WHERE run = ? AND status = 'succeeded' AND key != '' AND restored IS NULL",
                    (run,),
                ):
                    if unwritten:
                        self._incomplete.setdefault(key, []).append(unwritten)
                    else:
                        self._found.setdefault(key, []).append((number, run, position))
        self._connection: sqlite3.Connection | None = (
            open_file(path, write=False) if self._found or self._incomplete else None
        )

    def __bool__(self) -> bool:
        return self._connection is not None

    def take(self, key: str) -> Restored | None:
        """Return the latest result of a row with this key, each result once; None if none is left.

        A row that occurs twice in the batch needs two that succeeded.
        """
        found = self._found.get(key)
        while found and self._connection is not None:
            number, run, position = found.pop()
            try:
                with readable():
                    result, writes, output, assigned = self._connection.execute(
                        "SELECT result, writes, output, assigned FROM instances"
                        " WHERE run = ? AND position = ?",
                        (run, position),
                    ).fetchone()
                for name in classes_in(f"{result} {writes} {output}"):
                    self._warn(
                        f"Restored rows have plain values, such as dicts, in place of objects of class "
                        f"{name}. To have objects back, write flowmagic.journal.register({name}, ...) "
                        "before they are written."
                    )
                return Restored(
                    number,
                    position,
                    decoded(result),
                    writes and decoded(writes),
                    output and decoded(output),
                    assigned,
                )
            except JournalError as error:
                self._warn(f"Row {position} of run {number} cannot be restored: {error}")
        if incomplete := self._incomplete.get(key):
            self.not_restored[incomplete.pop()] += 1
        return None

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Raise JournalError for the errors that reading a damaged file raises."""
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
        raise JournalError(
            f"The journal is damaged, and the results of earlier runs cannot be read ({error}). "
            "Write to another path, and leave resume out."
        ) from None


def runs_of(
    connection: sqlite3.Connection, flow: str, parts: list[Part], *, anyway: bool
) -> list[tuple[int, str]]:
    """Return number and id of the runs of a flow, oldest first.

    Raises:
        JournalError: there are some, but the flow has changed since the last of them.
    """
    with readable():
        runs = connection.execute(
            "SELECT number, id, fingerprint, setup FROM runs WHERE flow = ? ORDER BY number",
            (flow,),
        ).fetchall()
    current = fingerprint(parts)
    same = [(number, run) for number, run, earlier, _ in runs if anyway or earlier == current]
    if runs and not same:
        number, *_, setup = runs[-1]
        with readable():
            before = [Part(*each) for each in json.loads(setup)["parts"]]
        changes = ", ".join(differences(before, parts)) or "one of its nodes has changed"
        raise JournalError(
            f"{flow} is not the flow that run {number} of this journal ran: {changes}. "
            "Write resume='anyway' to take over its results all the same, or leave resume out to run "
            "all rows."
        )
    return same
