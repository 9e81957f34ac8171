"""The file of a journal: an SQLite database in WAL mode.

Several kernels may write and read it at once. What was committed survives a process that is killed.
Only the owner of the file may read it.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from ..errors import JournalError, describe
from .damage import expect, readable

VERSION = 4
"""Of the tables; a file with another version is refused. `tests/journal/golden` has a file of each."""

_APPLICATION_ID = 0x666C6F77  # "flow", in the header of the file, tells it from other databases
_LOCK_TIMEOUT = 10.0  # seconds to wait for another kernel that writes
_RETRY_EVERY = 0.01  # seconds, where SQLite itself does not wait for the lock

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB);
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    flow TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    setup TEXT NOT NULL,
    options TEXT NOT NULL,
    base TEXT,
    began REAL NOT NULL,
    status TEXT NOT NULL,
    process TEXT NOT NULL,
    beat REAL NOT NULL,
    seconds REAL,
    total INTEGER,
    limit_history TEXT,
    assigned TEXT
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
    output TEXT,
    earlier_outputs TEXT,
    assigned TEXT,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;
CREATE TABLE ranges (
    run INTEGER NOT NULL,
    is_restored INTEGER NOT NULL,
    first INTEGER NOT NULL,
    size INTEGER NOT NULL,
    source INTEGER NOT NULL,
    source_first INTEGER NOT NULL,
    PRIMARY KEY (run, is_restored, first)
) WITHOUT ROWID;
CREATE TABLE reuse_code (
    code BLOB PRIMARY KEY,
    node TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE reuse_reads (
    code BLOB NOT NULL,
    reads TEXT NOT NULL,
    PRIMARY KEY (code, reads)
) WITHOUT ROWID;
CREATE TABLE reuse_outputs (
    key BLOB NOT NULL,
    run TEXT NOT NULL,
    position INTEGER NOT NULL,
    copy INTEGER NOT NULL,
    output TEXT NOT NULL,
    seconds REAL NOT NULL,
    tokens NUMERIC NOT NULL,
    PRIMARY KEY (key, run, position, copy)
);
"""


def open_file(path: Any, *, write: bool, full: bool = False) -> sqlite3.Connection:
    """Open a journal.

    Args:
        write: whether it will be written; a file that does not exist is then created.
        full: whether each transaction waits for the disk, so that it survives a loss of power and
            not only the end of the process.

    Raises:
        JournalError: the file is not a journal, is one of another version, or cannot be opened.
    """
    file = file_of(path)
    if not write and not file.exists():
        raise JournalError(f"There is no journal {str(file)!r}.")
    with _our_errors(file, write=write):
        return _opened_to_write(file, full=full) if write else _opened_to_read(file)


def copy_to(path: Any, connection: sqlite3.Connection) -> pathlib.Path:
    """Write all that is in a journal to a new file; return its path.

    Raises:
        JournalError: there is a file already, it cannot be written, or the journal is damaged.
    """
    file = file_of(path)
    if file.exists():
        raise JournalError(f"There is a file {str(file)!r} already. Choose another path.")
    with _our_errors(file, write=True):
        _create(file)
        try:
            with contextlib.closing(_connected(str(file.absolute()))) as copy:
                connection.backup(copy)
        except BaseException:
            file.unlink()
            raise
    return file


@contextlib.contextmanager
def _our_errors(file: pathlib.Path, *, write: bool) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        raise JournalError(_reason(file, error, write=write)) from None


def _create(file: pathlib.Path) -> None:
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    file.chmod(0o600)  # it may have existed, empty


def _opened_to_write(file: pathlib.Path, *, full: bool) -> sqlite3.Connection:
    existed = file.exists() and file.stat().st_size > 0
    if not existed:
        _create(file)
    connection = _connected(str(file.absolute()))
    with _closed_on_error(connection):
        _use_wal(connection)
        connection.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
        if not existed or _is_empty(connection):
            _create_tables(connection)
        _check(connection, file)
    return connection


def _opened_to_read(file: pathlib.Path) -> sqlite3.Connection:
    uri = file.absolute().as_uri()
    try:
        return _connected_to_read(f"{uri}?mode=ro", file)
    except sqlite3.OperationalError:
        if file.with_name(f"{file.name}-journal").exists():
            # Its kernel died, or the power was lost, while it was created: SQLite must undo that first.
            return _connected_to_read(f"{uri}?mode=rw", file)
        # SQLite creates files beside the journal. Where it cannot (a read-only disk), `immutable` lets
        # it do without, which is safe if no other process is writing, that is, without a -wal file.
        if file.with_name(f"{file.name}-wal").exists():
            raise
        return _connected_to_read(f"{uri}?mode=ro&immutable=1", file)


def _connected_to_read(uri: str, file: pathlib.Path) -> sqlite3.Connection:
    connection = _connected(uri)
    with _closed_on_error(connection):
        _accept_cut_off_file(connection)
        if _is_new(connection):
            connection.close()
            connection = _connected(":memory:")
            _create_tables(connection)
        _check(connection, file)
    return connection


class _Connection(sqlite3.Connection):
    """A connection that closes itself: a journal may be opened without `with`."""

    def __del__(self) -> None:
        # So does sqlite3's own, but since Python 3.13 with a ResourceWarning.
        with contextlib.suppress(sqlite3.ProgrammingError):  # it could not be opened at all
            self.close()


def _connected(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address,
        factory=_Connection,
        timeout=_LOCK_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
        uri=address.startswith("file:"),
    )


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    until = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # Another kernel may be creating the same journal; here SQLite does not wait for it.
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_RETRY_EVERY)
        else:
            return


def file_of(path: Any) -> pathlib.Path:
    """Return the file that a user has named.

    Raises:
        JournalError: there can be no journal.
    """
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise JournalError(
            f"journal is {describe(path)}, not a path. Write for example journal='runs.journal'."
        )
    file = pathlib.Path(os.path.expanduser(os.fspath(path)))
    try:
        file.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # too long, a null character, a file as a folder
        raise JournalError(f"{str(file)!r} cannot be opened: {error}.") from None
    if file.is_dir():
        raise JournalError(
            f"{str(file)!r} is a folder. Write for example journal={str(file / 'runs.journal')!r}."
        )
    if not file.parent.is_dir():
        raise JournalError(f"There is no folder {str(file.parent)!r} to write a journal to.")
    return file


def _check(connection: sqlite3.Connection, file: pathlib.Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        raise JournalError(
            f"{str(file)!r} is a database, but not a journal of flowmagic. Choose another path."
        )
    if version > VERSION:
        raise JournalError(
            f"{str(file)!r} was written by a later flowmagic (version {version} of its tables; "
            f"this one reads version {VERSION}). Upgrade: pip install -U jupyter-flowmagic"
        )
    if version < VERSION:
        raise JournalError(
            f"{str(file)!r} was written by an earlier flowmagic (version {version} of its tables; "
            f"this one reads version {VERSION}). Write to a new file."
        )


def _accept_cut_off_file(connection: sqlite3.Connection) -> None:
    """Let SQLite read a file that was cut off as far as it goes."""
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.DatabaseError as error:
        if "malformed" not in str(error):
            raise
        # The only setting with which SQLite does not insist on the length of the file.
        connection.execute("PRAGMA writable_schema=ON")


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether there is nothing in a file yet; its kernel may have been killed while it created it."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return not application and _is_empty(connection)


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables == 0)


def _create_tables(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        # Two kernels may do so at once; the second one finds the tables.
        if _is_empty(connection):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('key', ?)", (secrets.token_bytes(32),))
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={VERSION}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all that is executed in it, or nothing; meanwhile no other connection writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _reason(file: pathlib.Path, error: Exception, *, write: bool) -> str:
    text = str(error)
    if "not a database" in text:
        return f"{str(file)!r} is not a journal of flowmagic. Choose another path."
    # SQLite's message about a damaged file may quote bytes of it that are not text.
    if "malformed" in text or isinstance(error, UnicodeDecodeError):
        return (
            f"{str(file)!r} is damaged ({text}). It was not changed; write to another path, and read "
            "what is left of it with flowmagic.open_journal."
        )
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
        return f"{str(file)!r} cannot be {'written' if write else 'read'} ({text})."
    return f"{str(file)!r} cannot be opened: {text}."


def hash_key(connection: sqlite3.Connection) -> bytes:
    """Return the key of the hashes by which rows are recognised, 32 bytes; see `row_key`."""
    with readable("rows cannot be recognised in it"):
        (key,) = connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
        return bytes(expect(key, bytes, name="key"))
