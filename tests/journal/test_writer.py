"""What writes to the file, in a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading

import pytest

from flowmagic.journal import writer
from flowmagic.journal.database import open_file
from flowmagic.journal.writer import Outbox, Statement, Writer

from ..virtualtime import virtual

PUT = Statement("INSERT INTO meta VALUES", "(?, ?)", "ON CONFLICT (name) DO NOTHING")


def rows_in(path):
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, value FROM meta WHERE name != 'key'").fetchall()
    connection.close()
    return sorted(found)


@pytest.mark.parametrize("n", [1, 2, 3, 450, 451, 2_000, 2_001])
def test_all_rows_are_written_in_their_order(tmp_path, n):
    """However many come at once; other statements among them."""
    made = Writer(tmp_path / "j", full=False, on_progress=lambda: None)
    made.put([(PUT, (f"row {i}", i)) for i in range(n)])
    made.put([(Statement("UPDATE meta SET value = -1 WHERE name = ?"), ("row 0",))])
    made.put([(PUT, ("row 0", 5)), (PUT, ("last", 7))])
    made.end()
    made.join(20)
    assert made.written == n + 3
    expected = [("row 0", -1), ("last", 7), *((f"row {i}", i) for i in range(1, n))]
    assert rows_in(tmp_path / "j") == sorted(expected)


class Counted:
    """Stands in for a connection and counts what is run on it."""

    def __init__(self, connection):
        self._connection = connection
        self.close = connection.close
        self.ran: list = []

    def execute(self, sql, values=()):
        self.ran.append(sql.split()[0])
        return self._connection.execute(sql, values)


def test_many_rows_take_few_steps(tmp_path, monkeypatch):
    """After each step the writer asks for Python's lock again, which a busy loop holds."""
    seen = []

    def counted(*given, **how):
        seen.append(Counted(open_file(*given, **how)))
        return seen[-1]

    monkeypatch.setattr(writer, "open_file", counted)
    made = Writer(tmp_path / "j", full=False, on_progress=lambda: None)
    made.put([(PUT, (f"row {i}", i)) for i in range(500)])
    made.end()
    made.join(20)
    assert len(rows_in(tmp_path / "j")) == 500
    assert len(seen[0].ran) <= 10


def test_a_transaction_is_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    """A failed one is reported, and tried again as it was."""
    monkeypatch.setattr(writer, "_RETRY_EVERY", 0.01)
    troubled = threading.Event()
    made = Writer(
        tmp_path / "j", full=False, on_progress=lambda: troubled.set() if made.error else None
    )
    late = Statement("INSERT INTO later VALUES", "(?)")
    made.put([(PUT, ("a", 1)), (late, ("b",))])
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
        made.put([(PUT, (name, 1))])

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
    made.put([(lost, (1,)), (lost, (2,)), (PUT, ("a", 1))])
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


SEND = Statement("INSERT INTO somewhere VALUES", "(?)")


class Writes:
    """Stands in for a writer: writes when it is told to."""

    def __init__(self, told):
        self.told = told
        self.came: list = []
        self.written = 0
        self.error = ""

    def put(self, given):
        self.came.append([values for _, values in given])

    def write(self):
        self.written = sum(map(len, self.came))
        self.told()


@virtual
async def test_statements_of_one_turn_are_passed_on_together():
    """In its order; the next turn begins anew."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    for n in range(3):
        box.put(SEND, n)
    assert box.writer.came == []
    await asyncio.sleep(0)
    box.send(SEND, 3)
    await asyncio.sleep(0)
    assert box.writer.came == [[(0,), (1,), (2,)], [(3,)]]


@virtual
async def test_settled_waits_only_for_what_was_put_before():
    """Not what came later, nor what is sent along: rows that come all the time would never end."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    box.put(SEND, 0)
    box.send(SEND, 1)
    waiting = asyncio.ensure_future(box.settled())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.writer.write()
    box.put(SEND, 2)
    await asyncio.wait_for(waiting, 1)
    box.flush()
    later = asyncio.ensure_future(box.settled())
    await asyncio.sleep(0.1)
    assert not later.done()
    box.writer.error = "the disk is full"
    box.writer.told()
    await asyncio.wait_for(later, 1)
    await box.settled()


@virtual
async def test_a_reopened_writer_counts_from_zero():
    """As for a run that continues."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    box.put(SEND, 0)
    await asyncio.sleep(0)
    box.writer.write()
    first = box.writer
    box.open()
    assert box.writer is not first
    await asyncio.wait_for(box.settled(), 1)
    box.put(SEND, 1)
    await asyncio.sleep(0)
    assert (first.came, box.writer.came) == ([[(0,)]], [[(1,)]])
