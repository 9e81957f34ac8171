"""What writes to the file, in a thread of its own."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from flowmagic.journal import writer
from flowmagic.journal.database import open_file
from flowmagic.journal.statements import Group, Statement
from flowmagic.journal.writer import Writer

from .test_file_watch import DAMAGE, deleted, truncated

PUT = Statement("INSERT INTO meta VALUES", "(?, ?)", "ON CONFLICT (name) DO NOTHING")


def numbered(n):
    """Return rows that are put together."""
    return Group(PUT, tuple(value for i in range(n) for value in (f"row {i}", i)))


def rows_in(path):
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, value FROM meta WHERE name != 'key'").fetchall()
    connection.close()
    return sorted(found)


@pytest.mark.parametrize("n", [1, 2, 3, 450, 451, 2_000, 2_001])
def test_all_rows_are_written_in_their_order(tmp_path, n):
    """However many come at once; other statements among them."""
    made = Writer(tmp_path / "j", full=False, on_progress=lambda: None)
    made.put([numbered(n)])
    made.put([Group(Statement("UPDATE meta SET value = -1 WHERE name = ?"), ("row 0",))])
    made.put([Group(PUT, ("row 0", 5, "last", 7))])
    made.end()
    made.join(20)
    assert made.written == n + 3
    expected = [("row 0", -1), ("last", 7), *((f"row {i}", i) for i in range(1, n))]
    assert rows_in(tmp_path / "j") == sorted(expected)


def test_a_transaction_is_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    """A failed one is reported, and tried again as it was."""
    monkeypatch.setattr(writer, "_RETRY_EVERY", 0.01)
    troubled = threading.Event()
    made = Writer(
        tmp_path / "j", full=False, on_progress=lambda: troubled.set() if made.error else None
    )
    late = Statement("INSERT INTO later VALUES", "(?)")
    made.put([Group(PUT, ("a", 1)), Group(late, ("b",))])
    assert troubled.wait(20)
    assert rows_in(tmp_path / "j") == []
    assert "no such table" in made.error
    other = open_file(tmp_path / "j", write=True)
    other.execute("CREATE TABLE later (x)")
    made.end()
    made.join(20)
    assert (made.error, made.lost, made.written) == ("", 0, 2)
    assert rows_in(tmp_path / "j") == [("a", 1)]
    assert other.execute("SELECT * FROM later").fetchall() == [("b",)]
    other.close()


def test_a_file_that_was_moved_is_reported_and_written_to_when_it_is_back(tmp_path, monkeypatch):
    """SQLite would go on writing to what nobody finds any more."""
    monkeypatch.setattr(writer, "_RETRY_EVERY", 0.01)
    told = threading.Condition()

    def tell():
        with told:
            told.notify_all()

    def put(name):
        made.put([Group(PUT, (name, 1))])

    def until(so):
        with told:
            return told.wait_for(so, 20)

    made = Writer(tmp_path / "j", full=False, on_progress=tell)
    put("a")
    assert until(lambda: made.written == 1)
    (tmp_path / "j").rename(tmp_path / "elsewhere")
    put("b")
    assert until(lambda: "deleted or moved" in made.error)
    (tmp_path / "elsewhere").rename(tmp_path / "j")
    assert until(lambda: made.written == 2)
    assert not made.error
    made.end()
    made.join(20)
    assert rows_in(tmp_path / "j") == [("a", 1), ("b", 1)]


def test_instances_that_can_never_be_written_are_given_up_and_counted(tmp_path, monkeypatch):
    """After a while, with the reason; the file is closed."""
    monkeypatch.setattr(writer, "_RETRY_EVERY", 0.01)
    monkeypatch.setattr(writer, "_GIVE_UP_AFTER", 0)
    made = Writer(tmp_path / "j", full=False, on_progress=lambda: None)
    lost = Statement("INSERT INTO nowhere VALUES", "(?)", is_end=True)
    made.put([Group(lost, (1, 2)), Group(PUT, ("a", 1))])
    made.end()
    made.join(20)
    assert (made.lost, made.written, made.error) == (2, 3, "")
    assert "no such table" in made.loss_reason


LOCKED = """
import atexit, sqlite3, sys
from pocketflow import AsyncNode
import flowmagic
from flowmagic.journal import database, writer

database._LOCK_TIMEOUT = writer._RETRY_EVERY = 0.01
writer._GIVE_UP_AFTER = float(sys.argv[2])
flowmagic.run_batch(AsyncNode(), [{"i": 0}], journal=sys.argv[1])
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
if sys.argv[3] == "let go":
    atexit.register(other.rollback)
run = flowmagic.run_batch(AsyncNode(), [{"i": 1}, {"i": 2}], journal=sys.argv[1])
assert run.ok and run.journal.write_error
"""


@pytest.mark.parametrize(("seconds", "how", "written"), [("20", "let go", 3), ("0", "hold", 1)])
def test_a_script_does_not_end_before_all_is_written_or_given_up(tmp_path, seconds, how, written):
    """Another process may lock the file at the end; what could not be written is reported."""
    command = [sys.executable, "-c", LOCKED, str(tmp_path / "j"), seconds, how]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    connection = sqlite3.connect(tmp_path / "j")
    ended = "SELECT count(*) FROM instances WHERE status = 'succeeded'"
    assert connection.execute(ended).fetchone() == (written,)
    connection.close()
    assert ("2 instances are missing in the journal" in told) == (how == "hold")
    assert ("database is locked" in told) == (how == "hold")


@pytest.fixture
def writing(tmp_path, monkeypatch):
    """A writer with a checkpoint when it is asked for one, and how to have rows written."""
    monkeypatch.setattr(writer, "_RETRY_EVERY", 0.01)
    monkeypatch.setattr(writer, "HEARTBEAT", 1_000)
    told = threading.Condition()

    def tell():
        with told:
            told.notify_all()

    made = Writer(tmp_path / "j", full=False, on_progress=tell)
    asked = 0

    def put(*names):
        nonlocal asked
        asked += len(names)
        made.put([Group(ENDED, (name, "x" * 10_000)) for name in names])
        with told:
            assert told.wait_for(lambda: made.written == asked and not made.error, 20)

    yield made, put
    made.end()
    made.join(20)


ENDED = PUT._replace(is_end=True)


def names_of_copy(path):
    """Return the rows of a copy of the journal alone, made by another program."""
    copy = path.with_name("copy")
    subprocess.run(["cp", path, copy], check=True)
    return [name for name, _ in rows_in(copy)]


def test_what_is_written_first_is_in_the_journal_itself_at_once(writing, tmp_path):
    """A copy of that file alone has the run; what follows is in it some seconds later."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    assert names_of_copy(tmp_path / "j") == ["a"]
    put("b")
    assert names_of_copy(tmp_path / "j") == ["a"]
    made._checkpoint_at = 0  # as after some seconds; the next row wakes it
    put("c")
    until(lambda: not made._kept)
    assert names_of_copy(tmp_path / "j") == ["a", "b", "c"]


def test_much_is_in_the_journal_itself_before_that(writing, tmp_path, monkeypatch):
    """So that neither the file beside it nor what is kept in memory becomes large."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    monkeypatch.setattr(writer, "_CHECKPOINT_AFTER", 25_000)
    put("b", "c")
    assert sum(group.size for group in made._kept) == 2
    put("d")
    until(lambda: not made._kept)
    assert names_of_copy(tmp_path / "j") == ["a", "b", "c", "d"]


def test_the_journal_itself_changes_in_checkpoints_only(writing, tmp_path, monkeypatch):
    """SQLite would make some of its own, without a look at what it copies."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    monkeypatch.setattr(writer, "_CHECKPOINT_AFTER", 10_000_000)
    put(*map(str, range(450)))
    assert (tmp_path / "j-wal").stat().st_size > 1_000 * 4096
    assert names_of_copy(tmp_path / "j") == ["a"]


def until(condition):
    latest = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.001)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("ends", [True, False])
def test_what_was_in_a_lost_wal_is_written_again(writing, tmp_path, damage, ends):
    """Nothing is missing, no damage reaches the journal, and the user is told."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    put("b")
    damage(tmp_path / "j-wal")
    if ends:
        made.end()
        made.join(20)
    else:
        made._checkpoint_at = 0
        put("c")
        put("d")
        assert "j-wal' was deleted or overwritten during the run" in made.warning
        made.end()
        made.join(20)
    assert (made.error, made.lost) == ("", 0)
    expected = ["a", "b"] if ends else ["a", "b", "c", "d"]
    assert [name for name, _ in rows_in(tmp_path / "j")] == expected
    connection = open_file(tmp_path / "j", write=True)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("names", [["j"], ["j-wal", "j-shm", "j"], ["j-wal"]])
def test_a_journal_that_is_deleted_after_the_run_delays_nothing(writing, tmp_path, names):
    """Nor does half of it: all that was put had been written, and nothing is reported as lost."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    put("b")
    for name in names:
        (tmp_path / name).unlink()
    made.end()
    made.join(5)
    assert (made.error, made.lost, made.warning, made.written) == ("", 0, "", 2)
    if "j" not in names:
        assert [name for name, _ in rows_in(tmp_path / "j")] == ["a", "b"]


def test_what_was_too_much_to_keep_is_counted_as_lost(writing, tmp_path, monkeypatch):
    """While a reader held the checkpoint back. With its checkpoint it is safe."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    monkeypatch.setattr(writer, "_MOST_KEPT", 25_000)
    reader = open_file(tmp_path / "j", write=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM meta").fetchone()
    made._checkpoint_at = 0
    put("b", "c", "d")
    until(lambda: made._checkpoint_at)
    put("e")
    deleted(tmp_path / "j-wal")
    put("f")
    assert made.lost == 3
    assert "j-wal' was deleted or overwritten" in made.loss_reason
    assert [name for name, _ in rows_in(tmp_path / "j")] == ["a", "e", "f"]
    reader.close()


def test_no_damage_reaches_the_journal_at_the_end_either(writing, tmp_path, monkeypatch):
    """Where nothing is left to be written again, since it was too much to keep."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    monkeypatch.setattr(writer, "_MOST_KEPT", 5_000)
    put("b")
    with (tmp_path / "j-wal").open("r+b") as wal:
        wal.write(bytes((tmp_path / "j-wal").stat().st_size))
    made.end()
    made.join(20)
    assert (made.error, made.lost) == ("", 1)
    assert [name for name, _ in rows_in(tmp_path / "j")] == ["a"]


def test_a_reader_that_holds_checkpoints_back_does_not_cause_more_of_them(
    writing, tmp_path, monkeypatch
):
    """Each waits for the disk."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    monkeypatch.setattr(writer, "_CHECKPOINT_AFTER", 25_000)
    reader = open_file(tmp_path / "j", write=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM meta").fetchone()
    looks, look = [], made._files.is_intact
    monkeypatch.setattr(
        made._files,
        "is_intact",
        lambda *, thorough=False: (looks.append(thorough), look(thorough=thorough))[1],
    )
    for n in range(9):
        put(str(n))
    reader.close()
    assert 2 <= looks.count(True) <= 3


def test_a_wal_is_lost_while_a_reader_holds_the_checkpoint_back(writing, tmp_path):
    """Then the journal alone is damaged: SQLite has copied some pages of a change, and others not."""
    made, _ = writing
    names = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(2_000)]  # so their index is split

    def put(first, end):
        made.put([Group(ENDED, (name, "x")) for name in names[first:end]])
        until(lambda: made.written == end)

    put(0, 500)
    until(lambda: not made._kept)
    put(500, 1_990)
    reader = open_file(tmp_path / "j", write=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM meta").fetchone()
    put(1_990, 1_998)
    made._checkpoint_at = 0
    put(1_998, 1_999)
    until(lambda: made._left_size)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        names_of_copy(tmp_path / "j")
    (tmp_path / "j-wal").unlink()
    put(1_999, 2_000)
    reader.close()
    made.end()
    made.join(20)
    assert (made.error, made.lost) == ("", 0)
    assert "was deleted or overwritten" in made.warning
    assert {name for name, _ in rows_in(tmp_path / "j")} == set(names)


def test_a_lost_wal_that_cannot_be_replaced_is_reported_until_it_can(
    writing, tmp_path, monkeypatch
):
    """As on a full disk. The damage is not copied meanwhile."""
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    full = threading.Event()
    copy = shutil.copyfileobj

    def copied(*files):
        if not full.is_set():
            raise OSError("no space")
        copy(*files)

    monkeypatch.setattr("flowmagic.journal.file_watch.shutil.copyfileobj", copied)
    put("b")
    truncated(tmp_path / "j-wal")
    made.put([Group(ENDED, ("c", "x"))])
    until(lambda: made.error == "no space")
    assert names_of_copy(tmp_path / "j") == ["a"]
    full.set()
    until(lambda: made.written == 3)
    made.end()
    made.join(20)
    assert [name for name, _ in rows_in(tmp_path / "j")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("damage", "ends_first"),
    # SQLite still has a -wal that was deleted, which is enough for the last checkpoint.
    [*((each, False) for each in DAMAGE), *((each, True) for each in DAMAGE[2:])],
)
def test_what_was_in_a_wal_that_is_never_replaced_is_given_up_and_counted(
    writing, tmp_path, monkeypatch, damage, ends_first
):
    """As anything else that can never be written. The process can end, and no damage is copied."""
    monkeypatch.setattr(writer, "_GIVE_UP_AFTER", 0.05)
    made, put = writing
    put("a")
    until(lambda: not made._kept)
    put("b")
    monkeypatch.setattr("flowmagic.journal.file_watch.shutil.copyfileobj", _refused)
    damage(tmp_path / "j-wal")
    if not ends_first:
        made._checkpoint_at = 0  # some damage shows only then
        made.put([Group(ENDED, ("c", "x"))])
        until(lambda: made.error == "no space")
    made.end()
    made.join(20)
    assert not made._thread.is_alive()
    assert (made.lost, made.loss_reason) == (1 if ends_first else 2, "no space")
    assert made.written == (2 if ends_first else 3)
    assert names_of_copy(tmp_path / "j") == ["a"]
    connection = open_file(tmp_path / "j", write=True)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def _refused(*files):
    raise OSError("no space")


def test_a_run_gives_signs_of_life_while_nothing_is_written(tmp_path, monkeypatch):
    """As while it is paused: for whoever cannot see its process."""
    monkeypatch.setattr(writer, "HEARTBEAT", 0.01)
    made = Writer(tmp_path / "j", full=False, on_progress=lambda: None, run="r")
    run = "INSERT INTO runs VALUES (1, 'r', '', '', '', '', '', 0, 'running', '', 0, 0, 0, '', '')"
    made.put([Group(Statement(run), ())])
    looked = open_file(tmp_path / "j", write=False)
    beats = set()

    def several():
        beats.update(looked.execute("SELECT beat FROM runs"))
        return len(beats) > 3

    until(several)
    looked.close()
    made.end()
    made.join(20)


KILLED = """
import sys, time
from flowmagic.journal.statements import Group, Statement
from flowmagic.journal.writer import Writer
put = Statement("INSERT INTO meta VALUES (?, 1)")
made = Writer(sys.argv[1], full=False, on_progress=lambda: None)
for name in "ab":
    made.put([Group(put, (name,))])
    while made._kept or made.written < 1 + (name == "b"):
        time.sleep(0.001)
    made._checkpoint_at = 0 if name == "a" else 1e9
made.put([Group(put, ("c",))])
while made.written < 3:
    time.sleep(0.001)
print("ready", flush=True)
time.sleep(1_000)
"""


@pytest.mark.parametrize("damage", DAMAGE)
def test_after_a_lost_wal_and_a_kill_the_last_checkpoint_is_there(tmp_path, damage):
    """The writer has had no time to notice; what came in the last seconds is missing, no more."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "j")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout.readline() == "ready\n"
        damage(tmp_path / "j-wal")
        killed.kill()
    found = [name for name, _ in rows_in(tmp_path / "j")]
    assert found[:2] == ["a", "b"]
    assert found[2:] in ([], ["c"])  # of a -wal that was cut at its end, the rest is read
