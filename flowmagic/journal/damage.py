"""Reading a file that may be damaged: what goes wrong becomes a JournalError."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from ..errors import JournalError
from ..text.formatting import short_repr, truncate

DAMAGE = (
    sqlite3.Error, ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError,
    RecursionError, MemoryError,
)  # fmt: skip
"""What reading anything else in place of what was written may raise."""

_LONGEST = 300  # characters


def quoted(text: object) -> str:
    """Return a text of the file on one line, without characters that would change what is shown."""
    return truncate(" ".join(str(text).split()), _LONGEST)


@contextlib.contextmanager
def readable(
    lack: str = "the results of earlier runs cannot be read",
    advice: str = " Write to another path, and leave resume out.",
) -> Iterator[None]:
    """Raise JournalError for what reading a damaged file raises.

    Args:
        lack: what cannot be read.
        advice: what to do, as a sentence that begins with a space.
    """
    try:
        yield
    except JournalError:
        raise
    except DAMAGE as error:
        reason = quoted(error) or type(error).__name__
        raise JournalError(f"The journal is damaged, and {lack} ({reason}).{advice}") from None


def expect(value: Any, *kinds: type, name: str) -> Any:
    """Return a value that was read, if it is of one of these very classes.

    Raises:
        ValueError: it is of another one.
    """
    if type(value) not in kinds:
        raise ValueError(f"its {name} is {short_repr(value, 40)}")
    return value


def query(connection: sqlite3.Connection, sql: str, *values: Any) -> Iterator[Any]:
    """Yield the rows of a query, as far as they can be read.

    Raises:
        JournalError: the journal is closed, or damaged.
    """
    with readable("the rest of it cannot be read", ""):
        try:
            for row in connection.execute(sql, values):  # noqa: UP028 - that would close the cursor too
                yield row
        except sqlite3.ProgrammingError:
            raise JournalError(
                "This journal is closed. Open it again: flowmagic.open_journal(path)."
            ) from None
