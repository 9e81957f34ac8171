"""What earlier runs of a flow have left in a journal, to be taken over by the next one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import JournalError
from ..records.attempts import Restored
from .codec import decoded
from .database import open_file
from .fingerprint import Part, differences, fingerprint


class ResumeIndex:
    """The rows that have succeeded, in all runs of one flow in a journal.

    Args:
        path: of the journal.
        flow: class name of the flow.
        parts_of: gives its parts; `masks`: with secrets masked.
        anyway: whether runs of a flow that was another one then count, too.
        say: is told of what cannot be restored.

    Raises:
        JournalError: there are runs of the flow, but it has changed.
    """

    def __init__(
        self,
        path: Any,
        flow: str,
        parts_of: Callable[..., list[Part]],
        *,
        anyway: bool,
        say: Callable[[str], None],
    ) -> None:
        self._say = say
        self._left: dict[str, list[tuple[int, str, int]]] = {}
        with contextlib.closing(open_file(path, write=False)) as connection, readable():
            for number, run in runs_of(connection, flow, parts_of, anyway=anyway):
                for key, position in connection.execute(
                    "SELECT key, position FROM instances WHERE run = ? AND status = 'succeeded'"
                    " AND key != '' AND result IS NOT NULL AND restored IS NULL",
                    (run,),
                ):
                    self._left.setdefault(key, []).append((number, run, position))
        self._reader: sqlite3.Connection | None = (
            open_file(path, write=False) if self._left else None
        )

    def __bool__(self) -> bool:
        return self._reader is not None

    def take(self, key: str) -> Restored | None:
        """Return what is left of a row with this key, once; None: nothing is.

        A row that stands in the batch twice needs two that succeeded.
        """
        left = self._left.get(key)
        while left and self._reader is not None:
            number, run, position = left.pop()
            try:
                with readable():
                    row = self._reader.execute(
                        "SELECT result, writes FROM instances WHERE run = ? AND position = ?",
                        (run, position),
                    ).fetchone()
                return Restored(number, position, decoded(row[0]), row[1] and decoded(row[1]))
            except JournalError as error:
                self._say(f"Row {position} of run {number} cannot be restored: {error}")
        return None

    def close(self) -> None:
        """Let the file go."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Say of a damaged file that it is one.

    Raises:
        JournalError: what is asked of it cannot be read.
    """
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
        raise JournalError(
            f"The journal is damaged, and what earlier runs have left cannot be read ({error}). "
            "Write to another path, and leave resume out."
        ) from None


def runs_of(
    connection: sqlite3.Connection,
    flow: str,
    parts_of: Callable[..., list[Part]],
    *,
    anyway: bool,
) -> list[tuple[int, str]]:
    """Return number and id of the runs of a flow, oldest first.

    Raises:
        JournalError: there are some, but the flow has changed since the last of them.
    """
    with readable():
        runs = connection.execute(
            "SELECT number, id, fingerprint, sources FROM runs WHERE flow = ? ORDER BY number",
            (flow,),
        ).fetchall()
    mark = fingerprint(parts_of(masks=True))
    same = [(number, run) for number, run, its, _ in runs if anyway or its == mark]
    if runs and not same:
        number, _, _, text = runs[-1]
        with readable():
            sources = json.loads(text)
            before = [Part(*each) for each in sources["parts"]]
        changed = differences(before, parts_of(masks=not sources.get("secrets")))
        raise JournalError(
            f"{flow} is not the flow that run {number} of this journal ran: "
            f"{', '.join(changed) or 'something of it has changed'}. Write resume='anyway' to take "
            "over its results all the same, or leave resume out to run all rows."
        )
    return same
