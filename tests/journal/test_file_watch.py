"""Whether the files of a journal are still there, and what they were."""

from __future__ import annotations

import os
import stat

import pytest

from flowmagic.errors import JournalError
from flowmagic.journal.database import open_file
from flowmagic.journal.file_watch import FileWatch


@pytest.fixture
def watch(tmp_path):
    """A watch on a journal, what the journal holds, and how to write to it."""
    connection = open_file(tmp_path / "j", write=True)
    watch = FileWatch(tmp_path / "j")

    def put(name):
        connection.execute("INSERT INTO meta VALUES (?, ?)", (name, "x" * 10_000))

    yield watch, connection, put
    connection.close()


def names(path):
    connection = open_file(path, write=False)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM meta")} - {"key"}
    finally:
        connection.close()


def test_a_journal_in_use_is_intact(watch):
    """Before the first transaction, after it, and after a checkpoint, when its -wal begins anew."""
    watch, connection, put = watch
    for name in "abc":
        watch.check()
        assert watch.is_intact(thorough=True)
        put(name)
        assert watch.is_intact(thorough=True)
        assert connection.execute("PRAGMA wal_checkpoint").fetchone()[0] == 0


def test_a_journal_that_was_moved_is_reported(watch, tmp_path):
    """Or deleted, or replaced by another file, until it is back."""
    watch, *_ = watch
    (tmp_path / "j").rename(tmp_path / "k")
    with pytest.raises(JournalError, match="deleted or moved"):
        watch.check()
    (tmp_path / "j").touch()
    with pytest.raises(JournalError, match="deleted or moved"):
        watch.check()
    (tmp_path / "k").replace(tmp_path / "j")
    watch.check()


def deleted(file):
    file.unlink()


def replaced(file):
    copy = file.with_name("copy")
    copy.write_bytes(file.read_bytes())
    copy.replace(file)


def truncated(file):
    os.truncate(file, 0)


def cut(file):
    os.truncate(file, file.stat().st_size - 1)


def zeroed(file):
    with file.open("r+b") as opened:
        opened.write(bytes(file.stat().st_size))


DAMAGE = [deleted, replaced, truncated, cut, zeroed]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_lost_wal_is_noticed(watch, damage):
    """That it was overwritten shows only a thorough look."""
    watch, _, put = watch
    put("a")
    assert watch.is_intact()
    damage(watch.wal)
    assert watch.is_intact() is (damage is zeroed)
    assert not watch.is_intact(thorough=True)


def test_a_lost_index_is_noticed(watch, tmp_path):
    """Another process would make a second one, and write over what this one has written."""
    watch, *_ = watch
    (tmp_path / "j-shm").unlink()
    assert not watch.is_intact(thorough=True)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_journal_is_replaced_by_what_it_was_at_its_last_checkpoint(watch, tmp_path, damage):
    """Also while others look at it; closing the old connections does not change the new file."""
    watch, connection, put = watch
    put("a")
    connection.execute("PRAGMA wal_checkpoint").fetchone()
    put("b")
    reader = open_file(tmp_path / "j", write=False)
    reader.execute("SELECT count(*) FROM meta").fetchone()
    damage(watch.wal)
    watch.replace(connection)
    watch.check()
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["j"]
    connection.close()
    again = open_file(tmp_path / "j", write=True)
    again.execute("INSERT INTO meta VALUES ('c', 1)")
    reader.close()
    assert again.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again.close()
    assert names(tmp_path / "j") == {"a", "c"}


def test_a_copy_that_cannot_be_made_leaves_the_journal_as_it_is(watch, tmp_path, monkeypatch):
    """As on a full disk; and no half of a copy."""
    watch, connection, put = watch
    put("a")

    def full(*_):
        raise OSError("no space")

    monkeypatch.setattr("flowmagic.journal.file_watch.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="no space"):
        watch.replace(connection)
    watch.check()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["j", "j-shm", "j-wal"]


def test_the_whole_copy_is_on_disk_before_it_replaces_the_journal(watch, tmp_path, monkeypatch):
    """Or a loss of power right then would leave a journal without its end."""
    watch, connection, put = watch
    # The last part of a copy, in 64 kB, has one page: few enough to wait in a buffer.
    while (tmp_path / "j").stat().st_size % 65_536 != 4_096:
        put(str(connection.total_changes))
        connection.execute("PRAGMA wal_checkpoint").fetchone()
    size = (tmp_path / "j").stat().st_size
    synced, sync = [], os.fsync

    def note(descriptor):
        assert (tmp_path / "j").stat().st_ino != os.fstat(descriptor).st_ino  # not in its place yet
        synced.append(os.fstat(descriptor).st_size)
        sync(descriptor)

    monkeypatch.setattr("flowmagic.journal.file_watch.os.fsync", note)
    watch.replace(connection)
    assert synced == [size] == [(tmp_path / "j").stat().st_size]
