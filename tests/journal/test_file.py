"""The file of a journal: made, opened, refused."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest

from flowmagic.errors import JournalError
from flowmagic.journal.file import VERSION, key_of, open_file


def test_a_new_journal_belongs_to_its_owner_alone(tmp_path):
    """Whatever the umask is; and so do the files beside it."""
    before = os.umask(0)
    try:
        connection = open_file(tmp_path / "a", write=True)
    finally:
        os.umask(before)
    connection.execute("INSERT INTO meta VALUES ('x', 1)")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    connection.close()


def test_two_kernels_may_write_one_journal(tmp_path):
    """Both find the same tables and the same key."""
    one, other = (open_file(tmp_path / "a", write=True) for _ in range(2))
    assert key_of(one) == key_of(other)
    assert len(key_of(one)) == 32
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
def test_what_is_no_journal_is_refused_and_left_as_it_is(tmp_path, write):
    """A text, and another program's database."""
    text = tmp_path / "notes.txt"
    text.write_text("my notes, which are longer than a page header " * 200)
    with pytest.raises(JournalError, match="no journal"):
        open_file(text, write=write)
    assert text.read_text().startswith("my notes")
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="no journal of flowmagic"):
        open_file(other, write=write)
    tables = sqlite3.connect(other).execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("mine",)]


def test_paths_that_cannot_be_are_told(tmp_path):
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_is_told(tmp_path):
    """Before anything runs."""
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="cannot be written"):
        open_file(tmp_path / "a", write=True)


def test_an_empty_file_becomes_a_journal(tmp_path):
    """As a kernel leaves one that was killed before it had made the tables."""
    (tmp_path / "a").touch()
    connection = open_file(tmp_path / "a", write=True)
    assert key_of(connection)
    connection.close()
