"""The file of a journal: an SQLite database in WAL mode, which one kernel writes and many may read.

A process that is killed leaves it whole: what was committed stays. Only its owner may read it.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import JournalError, describe

VERSION = 2
"""Of the tables; a file with a greater one is refused."""

_APPLICATION = (
    0x666C6F77  # "flow", in the header of the file: what tells a journal from other databases
)
_PATIENCE = 10.0  # seconds to wait for another kernel that writes
_AGAIN = 0.01  # seconds between two attempts where SQLite does not wait by itself

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB);
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    flow TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    sources TEXT NOT NULL,
    options TEXT NOT NULL,
    base TEXT,
    began REAL NOT NULL,
    status TEXT NOT NULL,
    seconds REAL,
    total INTEGER,
    limit_history TEXT
);
CREATE TABLE instances (
    run TEXT NOT NULL,
    position INTEGER NOT NULL,
    key TEXT NOT NULL,
    params TEXT,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    started REAL,
    ended REAL,
    copies TEXT,
    result TEXT,
    unwritten TEXT,
    error TEXT,
    printed TEXT,
    writes TEXT,
    restored TEXT,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;
"""


def open_file(path: Any, *, write: bool, full: bool = False) -> sqlite3.Connection:
    """Open a journal; make one if it is to be written and there is none.

    Args:
        full: whether each transaction waits until the disk has it, so that it outlives a loss of
            power and not only the end of the process.

    Raises:
        JournalError: it is no journal, or one of a later flowmagic, or cannot be opened.
    """
    place = _checked(path)
    existed = place.exists() and place.stat().st_size > 0
    if not existed and not write:
        raise JournalError(f"There is no journal {str(place)!r}.")
    try:
        if write:
            return _opened(place, existed=existed, full=full)
        return _opened_to_read(place)
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        raise JournalError(_reason(place, error, write=write)) from None


def watched(path: Any) -> Callable[[], bool]:
    """Return what tells whether a journal that is open is still found under its path.

    One that was deleted or moved meanwhile is still written to by SQLite, and nobody would find it.
    """
    place = _checked(path).absolute()

    def now() -> tuple[int, int] | None:
        try:
            found = place.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    opened = now()
    return lambda: now() == opened


def _opened(place: pathlib.Path, *, existed: bool, full: bool) -> sqlite3.Connection:
    if not existed:
        os.close(os.open(place, os.O_CREAT | os.O_RDWR, 0o600))
        place.chmod(0o600)  # it may have been there, empty
    connection = _connected(str(place.absolute()))
    with _closed_if_refused(connection):
        _use_wal(connection)
        connection.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
        if not existed or _is_empty(connection):
            _make(connection)
        _check(connection, place)
    return connection


def _opened_to_read(place: pathlib.Path) -> sqlite3.Connection:
    address = f"{place.absolute().as_uri()}?mode=ro"
    connection = _connected(address)
    try:
        with _closed_if_refused(connection):
            _read_what_is_there(connection)
            _check(connection, place)
    except sqlite3.OperationalError:
        # To read it, SQLite makes files beside it; where it cannot (a read-only disk), it reads what
        # nobody writes to meanwhile, which is so if no such file is there.
        if place.with_name(f"{place.name}-wal").exists():
            raise
        connection = _connected(f"{address}&immutable=1")
        with _closed_if_refused(connection):
            _read_what_is_there(connection)
            _check(connection, place)
    return connection


class _Connection(sqlite3.Connection):
    """One that is closed when nobody has it any more: a journal may be looked at without `with`."""

    def __del__(self) -> None:
        # SQLite's own does so, too, but since Python 3.13 with a ResourceWarning.
        with contextlib.suppress(sqlite3.ProgrammingError):  # it could not be opened at all
            self.close()


def _connected(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address,
        factory=_Connection,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
        uri=address.startswith("file:"),
    )


@contextlib.contextmanager
def _closed_if_refused(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # SQLite has no patience here, and another kernel may be making the same journal.
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_AGAIN)
        else:
            return


def _checked(path: Any) -> pathlib.Path:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise JournalError(
            f"journal is {describe(path)}, not a path. Write for example journal='runs.journal'."
        )
    place = pathlib.Path(os.path.expanduser(os.fspath(path)))
    try:
        place.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # too long, with a null in it, through a file
        raise JournalError(f"{str(place)!r} cannot be opened: {error}.") from None
    if place.is_dir():
        raise JournalError(
            f"{str(place)!r} is a folder. Write for example journal={str(place / 'runs.journal')!r}."
        )
    if not place.parent.is_dir():
        raise JournalError(f"There is no folder {str(place.parent)!r} to write a journal to.")
    return place


def _check(connection: sqlite3.Connection, place: pathlib.Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise JournalError(
            f"{str(place)!r} is a database, but no journal of flowmagic. Choose another path."
        )
    if version > VERSION:
        raise JournalError(
            f"{str(place)!r} was written by a later flowmagic (version {version} of its tables; "
            f"this one knows {VERSION}). Upgrade: pip install -U jupyter-flowmagic"
        )
    if version < VERSION:
        raise JournalError(
            f"{str(place)!r} was written by an earlier flowmagic (version {version} of its tables; "
            f"this one reads version {VERSION}). Write to a new file."
        )


def _read_what_is_there(connection: sqlite3.Connection) -> None:
    """See that a file which was cut off can be read up to there."""
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.DatabaseError as error:
        if "malformed" not in str(error):
            raise
        # The one switch that has SQLite not insist on the length of the file.
        connection.execute("PRAGMA writable_schema=ON")


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables == 0)


def _make(connection: sqlite3.Connection) -> None:
    # Two kernels may do so at once: the second one finds the tables.
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('key', ?)", (secrets.token_bytes(32),))
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
            connection.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _reason(place: pathlib.Path, error: Exception, *, write: bool) -> str:
    text = str(error)
    if "not a database" in text:
        return f"{str(place)!r} is no journal of flowmagic. Choose another path."
    # What SQLite says of a damaged file may quote it, and then be no text.
    if "malformed" in text or isinstance(error, UnicodeDecodeError):
        return (
            f"{str(place)!r} is damaged ({text}). It is left as it is; write to another path, and read "
            "what can be read of it with flowmagic.open_journal."
        )
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
        return f"{str(place)!r} cannot be {'written' if write else 'read'} ({text})."
    return f"{str(place)!r} cannot be opened: {text}."


def key_of(connection: sqlite3.Connection) -> bytes:
    """Return the key of the hashes by which params are recognised."""
    (key,) = connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
    return bytes(key)
