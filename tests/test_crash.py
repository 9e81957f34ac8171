"""A sample of what kills and losses of power leave of a journal.

`python -m benchmarks crash` tries a state at every step of its writing, and shows which bugs it finds.
"""

from __future__ import annotations

import os
import random
import sqlite3

import pytest

from benchmarks import crash
from benchmarks.disk import Disk
from benchmarks.put_back import put_back
from benchmarks.recorded_run import record
from benchmarks.recording import NotRecordableError, Op, recording


@pytest.fixture
def recordable(tmp_path_factory):
    """Skip a test where Python hides its SQLite."""
    folder = tmp_path_factory.mktemp("recordable")
    try:
        with recording(folder, id):
            sqlite3.connect(folder / "a").close()
    except NotRecordableError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("recordable")
@pytest.mark.parametrize("sync", ["normal", "full"])
def test_no_crash_breaks_a_promise(sync):
    """Whatever was reported is in the file, and at most `limit` rows repeat; a failure names its step."""
    found = crash.tried(record(8, sync), every=17)
    assert found.broken == []
    assert set(found.states) == {
        "killed",
        "killed halfway",
        *(f"power lost: {loss}" for loss in ("dropped", "reordered", "torn")),
    }


@pytest.mark.usefixtures("recordable")
@pytest.mark.parametrize("bug", crash.BUGS[:2], ids=lambda bug: bug.name)
def test_a_bug_that_is_put_back_is_found(bug):
    """A report that comes too early, and a write that waits for no disk."""
    with put_back(bug):
        recorded = record(4, "full")
    assert crash.tried(recorded, every=15).broken


@pytest.mark.parametrize("bug", crash.BUGS, ids=lambda bug: bug.name)
def test_every_bug_can_still_be_put_back(bug):
    """The lines that it edits are there."""
    with put_back(bug):
        pass


# The recording


def used(path):
    """Use a database in all ways that a journal does; return its connection."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE texts (text TEXT)")
    for size in (10, 10_000, 100_000):
        connection.execute("INSERT INTO texts VALUES (?)", ["x" * size])
    connection.execute("PRAGMA wal_checkpoint")
    connection.execute("DELETE FROM texts WHERE length(text) > 50000")
    connection.execute("VACUUM")
    return connection


@pytest.mark.usefixtures("recordable")
@pytest.mark.parametrize("is_closed", [False, True])
def test_what_was_recorded_makes_the_files_that_are_there(tmp_path, is_closed):
    """Nothing is missing from the recording; only the index of the -wal is left out."""
    ops = []
    with recording(tmp_path, ops.append):
        connection = used(tmp_path / "a")
        if is_closed:
            connection.close()
        there = {
            each.name: each.read_bytes()
            for each in tmp_path.iterdir()
            if not each.name.endswith("-shm")
        }
        connection.close()
    # What closing it did comes after.
    disk = Disk()
    found = []
    for op in ops:
        disk.apply(op)
        found.append(disk.after_kill())
    assert there in found
    assert found[-1].keys() == {"a"}
    assert {op.kind for op in ops} == {"create", "write", "truncate", "sync", "delete"}


@pytest.mark.usefixtures("recordable")
def test_what_python_does_to_the_files_is_recorded_too(tmp_path):
    """As where a journal is replaced: what was not synced is written, but may be gone with the power."""
    ops, copy = [], tmp_path / "copy"
    with recording(tmp_path, ops.append):
        connection = used(tmp_path / "a")
        (tmp_path / "a-wal").unlink()
        connection.execute("INSERT INTO texts VALUES ('to a file that nobody finds')")
        before = len(ops)
        with copy.open("wb") as file:
            file.write(b"synced")
            file.flush()
            os.fsync(file.fileno())
            file.write(b", not synced")
        copy.replace(tmp_path / "a")
        connection.close()
    disk = Disk()
    for op in ops:
        disk.apply(op)
    whole = b"synced, not synced"
    assert disk.after_kill() == {"a": whole} == {"a": (tmp_path / "a").read_bytes()}
    assert left(disk, "reordered", "a") >= {b"synced", whole}
    assert [op.kind for op in ops[before:]] == ["create", "write", "sync", "write", "rename"]


@pytest.mark.usefixtures("recordable")
def test_other_files_and_later_connections_are_not_recorded(tmp_path):
    """The recording is over with its block."""
    ops = []
    (tmp_path / "seen").mkdir()
    with recording(tmp_path / "seen", ops.append):
        used(tmp_path / "b").close()
        used(tmp_path / "seen" / "a").close()
    before = len(ops)
    used(tmp_path / "seen" / "c").close()
    assert before == len(ops)
    assert {op.name for op in ops} == {"a", "a-journal", "a-wal"}


def test_a_python_whose_sqlite_cannot_be_reached_is_said_to_be_one(monkeypatch, capsys):
    """Where SQLite is built in, there is a sentence in the table in place of figures."""
    monkeypatch.delattr("_sqlite3.__file__")
    with pytest.raises(NotRecordableError, match="cannot be recorded in this Python"):
        record(2, "full")
    crash.measure(rows=2, bug_rows=2, every=1)
    assert "not measured" in capsys.readouterr().out


# What a loss of power leaves


def written(*ops):
    """Return a disk after some operations; the file is there."""
    disk = Disk()
    for op in (Op("create", "a-wal"), Op("sync", "a-wal"), *ops):
        disk.apply(op)
    return disk


def left(disk, loss, name="a-wal"):
    """Return what was found of a file in many losses of power; None: there was none."""
    return {disk.without_power(loss, random.Random(n)).get(name) for n in range(300)}


ONE, OTHER = Op("write", "a-wal", 0, b"1" * 1024), Op("write", "a-wal", 1024, b"2" * 512)


def test_of_what_was_not_synced_nothing_or_anything_may_be_there():
    """Dropped: nothing. Reordered: each write or not, and zeros before the end where one is missing."""
    disk = written(ONE, Op("sync", "a-wal"), OTHER)
    assert left(disk, "dropped") == {ONE.data}
    assert left(disk, "reordered") == {ONE.data, ONE.data + OTHER.data}
    disk = written(ONE, OTHER)
    assert left(disk, "reordered") == {
        b"", ONE.data, bytes(1024) + OTHER.data, ONE.data + OTHER.data,
    }  # fmt: skip
    assert left(written(ONE, Op("sync", "a-wal"), Op("truncate", "a-wal", 3)), "reordered") == {
        ONE.data, b"111",
    }  # fmt: skip


def test_a_write_is_torn_at_sectors_and_changes_nothing_beside_it():
    """Some sectors of it are old, some new, some garbage; bytes of the same sector around it stay."""
    around = Op("write", "a-wal", 0, b"0" * 1536)
    inner = Op("write", "a-wal", 500, b"1" * 24)  # 12 bytes on each side of the border
    found = left(written(around, Op("sync", "a-wal"), inner), "torn")
    assert all(each[:500] + each[524:] == b"0" * 1512 for each in found)
    sides = {each[500:512] for each in found}, {each[512:524] for each in found}
    assert all({b"0" * 12, b"1" * 12} < side for side in sides)
    assert any(each[500:524] == b"0" * 12 + b"1" * 12 for each in found)


def test_a_new_or_deleted_file_is_there_or_not_until_its_folder_is_synced():
    """SQLite syncs it with the next new file beside the database."""
    disk = Disk()
    disk.apply(Op("create", "a"))
    disk.apply(Op("create", "a-wal"))
    assert left(disk, "reordered") == {None, b""}
    assert left(disk, "dropped") == {None}
    disk.apply(Op("sync", "a-wal"))
    assert left(disk, "reordered") == {b""}
    assert disk.is_synced
    disk.apply(Op("delete", "a-wal"))
    assert not disk.is_synced
    assert left(disk, "reordered") == {None, b""}


def test_a_kill_halfway_through_a_write_leaves_its_first_half():
    """What was written before is there, synced or not."""
    assert written(ONE).after_kill(OTHER) == {"a-wal": ONE.data + b"2" * 256}
    assert written(ONE).after_kill() == {"a-wal": ONE.data}
