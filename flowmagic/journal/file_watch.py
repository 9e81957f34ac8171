"""Watches the files of a journal that is being written.

SQLite goes on writing to a file that was deleted or moved, where nobody finds it. And it believes what
it reads from the file beside the journal, `runs.journal-wal`: if that was truncated or overwritten, the
next checkpoint would copy garbage into the journal.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ..errors import JournalError
from .database import copy_to

_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # how a -wal begins that is not empty


class FileWatch:
    """Tells whether the files of a journal are still those that a connection has opened.

    Args:
        file: absolute path of the journal, which is open and has been read or written.

    Attributes:
        wal: the file beside it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.wal = file.with_name(f"{file.name}-wal")
        self._shm = file.with_name(f"{file.name}-shm")
        self._identities = {each: _identity(each) for each in (file, self.wal, self._shm)}
        self._size = 0

    def check(self) -> None:
        """Check that the journal is where it was.

        Raises:
            JournalError: it was deleted or moved.
        """
        if _identity(self._file) != self._identities[self._file]:
            raise JournalError(
                "the file was deleted or moved during the run: put it back, or this run is not kept"
            )

    @property
    def has_wal(self) -> bool:
        """Whether the file beside the journal is still there."""
        return _identity(self.wal) == self._identities[self.wal]

    def is_intact(self, *, thorough: bool = False) -> bool:
        """Whether the file beside the journal is still there, and no shorter than it was.

        Args:
            thorough: also look into it, and at SQLite's index of it.
        """
        try:
            size = self.wal.stat().st_size
            if size < self._size or not self.has_wal:
                return False
            self._size = size
            if not thorough:
                return True
            with self.wal.open("rb") as wal:
                begins = wal.read(len(_MAGIC[0]))
        except OSError:
            return False
        is_indexed = _identity(self._shm) == self._identities[self._shm]
        return is_indexed and (begins in _MAGIC or not size)

    def replace(self, connection: sqlite3.Connection) -> None:
        """Replace the journal by a copy of what it was at its last checkpoint, without files beside it.

        A copy, since SQLite would use its index of the lost -wal for the same file as long as any
        connection of this process is open, and copies nothing into a file that it does not find at
        its path any more.

        A checkpoint that a reader holds back copies some pages of a change and not the others: until the
        next one, the journal alone is damaged. Then the copy is made of what the connection reads, which
        still has a -wal that was deleted.

        Args:
            connection: has the journal open since before the -wal was lost.

        Raises:
            OSError, JournalError: it cannot be copied.
        """
        copy = self._unused_path()
        try:
            descriptor = os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with self._file.open("rb") as source, open(descriptor, "wb") as target:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(descriptor)
            if not _is_sound(copy):
                copy.unlink()
                copy_to(copy, connection)
            self.wal.unlink(missing_ok=True)
            self._shm.unlink(missing_ok=True)
            copy.replace(self._file)
        finally:
            copy.unlink(missing_ok=True)
        self._identities[self._file] = _identity(self._file)

    def _unused_path(self) -> Path:
        """Return a path beside the journal where there is no file."""
        return self._file.with_name(f"{self._file.name}.{secrets.token_hex(4)}")

    @contextlib.contextmanager
    def set_aside(self) -> Iterator[None]:
        """Have the journal at another path, and nothing in the lost -wal, while the connection is closed.

        SQLite would copy the lost -wal into it, but copies nothing into a file that is not at its path.

        Raises:
            JournalError: the journal was deleted or moved.
            OSError: it cannot be moved.
        """
        self.check()
        aside = self._unused_path()
        self._file.rename(aside)
        try:
            yield
            self.wal.unlink(missing_ok=True)
            self._shm.unlink(missing_ok=True)
        finally:
            aside.rename(self._file)


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from any other one at its path; None if there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_sound(file: Path) -> bool:
    """Return whether the pages of a journal that nobody has open fit together."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)
        ) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False
