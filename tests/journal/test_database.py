"""The file of a journal: made, opened, refused."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from flowmagic.errors import JournalError
from flowmagic.journal import database
from flowmagic.journal.database import VERSION, copy_to, hash_key, open_file


def test_a_new_journal_belongs_to_its_owner_alone(tmp_path):
    """Whatever the umask is; and so do the files beside it."""
    before = os.umask(0)
    try:
        connection = open_file(tmp_path / "a", write=True)
    finally:
        os.umask(before)
    connection.execute("INSERT INTO meta VALUES ('x', 1)")
    for each in tmp_path.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
    connection.close()


def test_two_kernels_may_write_one_journal(tmp_path):
    """Both find the same tables and the same key."""
    one, other = (open_file(tmp_path / "a", write=True) for _ in range(2))
    assert hash_key(one) == hash_key(other)
    assert len(hash_key(one)) == 32
    one.execute("INSERT INTO meta VALUES ('x', 1)")
    assert other.execute("SELECT value FROM meta WHERE name = 'x'").fetchone() == (1,)
    one.close()
    other.close()


def test_a_journal_of_a_later_version_is_refused_and_left_as_it_is(tmp_path):
    """The message says how to get there."""
    connection = open_file(tmp_path / "a", write=True)
    connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    for write in (True, False):
        with pytest.raises(JournalError, match="later flowmagic.*pip install -U"):
            open_file(tmp_path / "a", write=write)


@pytest.mark.parametrize("write", [True, False])
def test_a_journal_of_an_earlier_version_is_refused_and_left_as_it_is(tmp_path, write):
    """Its columns have other names: it is not damaged, and nothing is written to it."""
    connection = open_file(tmp_path / "a", write=True)
    connection.execute(f"PRAGMA user_version={VERSION - 1}")
    connection.close()
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(JournalError, match="earlier flowmagic.*Write to a new file"):
        open_file(tmp_path / "a", write=write)
    assert (tmp_path / "a").read_bytes() == before


@pytest.mark.parametrize("write", [True, False])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path, write):
    """A text, and another program's database."""
    text = tmp_path / "notes.txt"
    text.write_text("my notes, which are longer than a page header " * 200)
    with pytest.raises(JournalError, match="is not a journal of flowmagic"):
        open_file(text, write=write)
    assert text.read_text().startswith("my notes")
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="is a database, but not a journal of flowmagic"):
        open_file(other, write=write)
    tables = sqlite3.connect(other).execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("mine",)]


def test_impossible_paths_are_refused(tmp_path):
    """A folder, a folder that is not there, no path at all."""
    with pytest.raises(JournalError, match="is a folder.*runs.journal"):
        open_file(tmp_path, write=True)
    with pytest.raises(JournalError, match="no folder"):
        open_file(tmp_path / "there" / "a", write=True)
    with pytest.raises(JournalError, match="not a path"):
        open_file(7, write=True)
    with pytest.raises(JournalError, match="There is no journal"):
        open_file(tmp_path / "a", write=False)
    assert not (tmp_path / "a").exists()
    for impossible in ("a" * 300, "null\0"):
        with pytest.raises(JournalError, match="cannot be opened"):
            open_file(tmp_path / impossible, write=True)


def as_somebody(look):
    """Return what a call returns, or the text of its error, for a user who may not write everywhere."""
    if os.geteuid():
        return told(look)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(writing, told(look).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def told(look):
    try:
        return str(look())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


NOBODY = 65534


@pytest.fixture
def open_folder():
    """A folder that anybody may look into; those of pytest are for its user alone."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written_to_is_refused(open_folder):
    """Before anything runs."""
    open_folder.chmod(0o555)
    said = as_somebody(lambda: open_file(open_folder / "a", write=True))
    assert said.startswith("JournalError")
    assert "cannot be written" in said


def test_a_journal_in_a_read_only_folder_can_be_read(open_folder):
    """Such as a backup; unless another kernel had not finished writing it."""
    path = open_folder / "a"
    open_file(path, write=True).close()
    path.chmod(0o444)
    open_folder.chmod(0o555)

    def look():
        connection = open_file(path, write=False)
        return connection.execute("SELECT count(*) FROM meta").fetchone()

    assert as_somebody(look) == "(1,)"
    open_folder.chmod(0o755)
    (open_folder / "a-wal").write_bytes(b"not finished")
    open_folder.chmod(0o555)
    assert "cannot be read" in as_somebody(look)


def test_a_journal_that_is_being_made_by_another_kernel_is_waited_for(tmp_path, monkeypatch):
    """SQLite itself has no patience at that moment."""
    other = sqlite3.connect(tmp_path / "a", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        other.execute("COMMIT")

    monkeypatch.setattr(database.time, "sleep", sleep)
    assert hash_key(open_file(tmp_path / "a", write=True))
    assert len(slept) == 1
    other.close()
    monkeypatch.setattr(database, "_LOCK_TIMEOUT", 0)
    other = sqlite3.connect(tmp_path / "b", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="cannot be opened: database is locked"):
        open_file(tmp_path / "b", write=True)


def test_an_empty_file_becomes_a_journal(tmp_path):
    """As a kernel leaves one that was killed before it had made the tables."""
    (tmp_path / "a").touch(0o644)
    connection = open_file(tmp_path / "a", write=True)
    assert hash_key(connection)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    connection.close()


@pytest.mark.filterwarnings("error")
def test_a_connection_that_nobody_refers_to_is_closed_silently(tmp_path):
    """A journal that is looked at in a notebook is seldom closed by hand; from Python 3.13 on
    SQLite would warn of it, in whatever cell runs then.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what other tests have left
    open_file(tmp_path / "a", write=True).close()
    connection = open_file(tmp_path / "a", write=False)
    del connection
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        database._connected(str(tmp_path / "nowhere" / "a"))
    gc.collect()


CREATE = """
import os, signal, sys
from flowmagic.journal import database

class Connection(database._Connection):
    left = int(sys.argv[2])

    def execute(self, *arguments):
        Connection.left -= 1
        if Connection.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)

database._Connection = Connection
database.open_file(sys.argv[1], write=True)
"""


def test_a_journal_whose_kernel_was_killed_while_creating_it_has_no_runs(tmp_path):
    """At whatever step. It can be looked at, and written; looking does not change it."""
    sizes = set()
    for step in range(50):
        path = tmp_path / str(step)
        command = [sys.executable, "-c", CREATE, str(path), str(step)]
        killed = subprocess.run(command, check=False).returncode
        if not killed:
            break
        before = path.read_bytes()
        sizes.add(len(before))
        with contextlib.closing(open_file(path, write=False)) as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
        assert path.read_bytes() == before
        with contextlib.closing(open_file(path, write=True)) as connection:
            assert hash_key(connection)
    assert {0, 4096} <= sizes
    assert step > 5


@pytest.mark.parametrize("write", [False, True])
def test_a_journal_whose_computer_lost_its_power_while_creating_it_has_no_runs(tmp_path, write):
    """Half a header was written, which SQLite has to undo first; it refused to where it only reads."""
    path = tmp_path / "a"
    path.write_bytes(b"SQL" + bytes(4093))
    # How to undo it: the file had 0 pages of 4096 bytes, on a disk with sectors of 512.
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 1, 0, 512, 4096)
    (tmp_path / "a-journal").write_bytes(header.ljust(512, b"\0"))
    with contextlib.closing(open_file(path, write=write)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_a_copy_is_one_file_with_all_that_was_written(tmp_path):
    """Also what is still beside the journal; it belongs to its owner alone."""
    connection = open_file(tmp_path / "j", write=True)
    connection.execute("INSERT INTO meta VALUES ('x', 1)")
    (tmp_path / "copy-wal").write_bytes((tmp_path / "j-wal").read_bytes())  # left over from another
    connection.execute("INSERT INTO meta VALUES ('y', 1)")
    assert copy_to(tmp_path / "copy", connection) == tmp_path / "copy"
    assert {each.name for each in tmp_path.iterdir()} == {"j", "j-wal", "j-shm", "copy"}
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    copy = open_file(tmp_path / "copy", write=False)
    assert hash_key(copy) == hash_key(connection)
    assert copy.execute("SELECT count(*) FROM meta").fetchone() == (3,)
    copy.close()
    with pytest.raises(JournalError, match="There is a file .*copy' already. Choose another path"):
        copy_to(tmp_path / "copy", connection)
    with pytest.raises(JournalError, match="There is a file .*j' already"):
        copy_to(tmp_path / "j", connection)
    connection.close()


def test_half_a_copy_is_not_left(tmp_path):
    """If it fails in its midst, and where there is no place for it."""
    connection = open_file(tmp_path / "j", write=True)
    connection.close()
    with pytest.raises(JournalError, match="closed database"):
        copy_to(tmp_path / "copy", connection)
    assert not (tmp_path / "copy").exists()
    with pytest.raises(JournalError, match="no folder"):
        copy_to(tmp_path / "there" / "copy", connection)


def test_a_copy_of_a_journal_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    """Like that journal itself."""
    open_file(tmp_path / "j", write=True).close()
    os.truncate(tmp_path / "j", (tmp_path / "j").stat().st_size - 1)
    with contextlib.closing(open_file(tmp_path / "j", write=False)) as connection:
        copy_to(tmp_path / "copy", connection)
    with contextlib.closing(open_file(tmp_path / "copy", write=False)) as copy:
        assert hash_key(copy)
