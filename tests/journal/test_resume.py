"""What the next run of a flow takes over from a journal."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal.fingerprint import fingerprint_of
from flowmagic.journal.resume import ResumeIndex, readable, runs_of
from flowmagic.records.trace import Restored

ran: list = []
mended = threading.Event()  # which has no exact form: setting it makes no other flow


@pytest.fixture(autouse=True)
def fresh():
    mended.clear()
    ran.clear()


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        ran.append(self.params["i"])
        if not mended.is_set() and self.params.get("fail"):
            raise ValueError(f"no answer for {self.params.get('api_key')}")

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"


def ask(*rows, path, node=Ask, **options):
    return flowmagic.run_batch(AsyncFlow(start=node()), list(rows), journal=path, **options)


def test_rows_that_succeeded_do_not_run_again(tmp_path):
    """In whatever order they come, with new rows among them; rows that failed run."""
    ask({"i": 1}, {"i": 2, "fail": True}, {"i": 3}, path=tmp_path / "j")
    ran.clear()
    mended.set()
    run = ask(
        {"i": 3}, {"i": 4}, {"i": 2, "fail": True}, {"i": 1}, path=tmp_path / "j", resume=True
    )
    assert sorted(ran) == [2, 4]
    assert run.results == ["answer 3", "answer 4", "answer 2", "answer 1"]
    assert [each.restored for each in run.instances] == [1, None, None, 1]
    assert run.counts.succeeded == 4
    assert run[0].attempts == 0
    ran.clear()
    again = ask({"i": 1}, {"i": 2, "fail": True}, {"i": 4}, path=tmp_path / "j", resume=True)
    assert ran == []
    assert [each.restored for each in again.instances] == [1, 2, 2]


def test_a_row_that_occurs_twice_must_have_succeeded_twice(tmp_path):
    """Nobody knows that the second one would have had the same result."""
    ask({"i": 1}, path=tmp_path / "j")
    ran.clear()
    ask({"i": 1}, {"i": 1}, path=tmp_path / "j", resume=True)
    assert ran == [1]


def test_a_changed_flow_is_refused_unless_the_user_insists(tmp_path):
    """The message names what has changed; nothing has run."""

    class Changed(Ask):
        """Another source."""

    Changed.__name__ = Changed.__qualname__ = "Ask"
    ask({"i": 1}, path=tmp_path / "j")
    ran.clear()
    with pytest.raises(JournalError, match=r"\.Ask has changed\. Write resume='anyway'"):
        ask({"i": 1}, path=tmp_path / "j", node=Changed, resume=True)
    assert ran == []
    run = ask({"i": 1}, path=tmp_path / "j", node=Changed, resume="anyway")
    assert (ran, run.results) == ([], ["answer 1"])


def test_rows_of_a_generator_are_restored_as_they_are_drawn(tmp_path):
    """Sync and async ones."""

    async def later():
        for i in range(4):
            yield {"i": i}

    flow = AsyncFlow(start=Ask())
    flowmagic.run_batch(flow, [{"i": 1}, {"i": 2}], journal=tmp_path / "j")
    ran.clear()
    run = flowmagic.run_batch(
        flow, ({"i": i} for i in range(4)), journal=tmp_path / "j", resume=True
    )
    assert sorted(ran) == [0, 3]
    assert [each.restored for each in run.instances] == [None, 1, 1, None]
    ran.clear()
    flowmagic.run_batch(flow, later(), journal=tmp_path / "j", resume=True)
    assert ran == []


def test_post_gets_restored_results_too(tmp_path):
    """A BatchFlow's post sees all of them, in the order of the params."""
    seen = []

    class Batch(AsyncBatchFlow):
        async def post_async(self, shared, params, results):
            seen.append(results)

    for _ in range(2):
        flow = Batch(start=Ask())
        flowmagic.run_batch(flow, [{"i": 1}, {"i": 2}], journal=tmp_path / "j", resume=True)
    assert seen == [["answer 1", "answer 2"]] * 2
    assert ran == [1, 2]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE runs SET fingerprint = ''",
        "UPDATE runs SET fingerprint = '{}'",
        """UPDATE runs SET fingerprint = '{"digests": [], "packages": {}}'""",
        """UPDATE runs SET fingerprint = '{"digests": {"a": 1}, "packages": {}}'""",
        "UPDATE runs SET fingerprint = CAST(x'9e' AS TEXT)",
        "UPDATE instances SET key = CAST(x'9e9e' AS TEXT)",
        "DROP TABLE instances",
        "DROP TABLE runs",
    ],
)
def test_a_damaged_journal_is_refused_and_nothing_runs(tmp_path, damage):
    """In our own words, and not in those of SQLite alone."""
    ask({"i": 1}, path=tmp_path / "j").journal.join(20)
    connection = sqlite3.connect(tmp_path / "j")
    with connection:
        connection.execute(damage)
    connection.close()
    ran.clear()
    with pytest.raises(JournalError, match="damaged"):
        ask({"i": 1}, path=tmp_path / "j", resume=True)
    assert not ran


def index_of(path, warn=print):
    """Return what a journal has left for `Ask`."""
    now = fingerprint_of(AsyncFlow(start=Ask()), {})
    return ResumeIndex(path, "AsyncFlow", now, anyway=False, warn=warn)


def keys_in(path):
    """Return the keys of all rows in a journal, in the order of their positions."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM instances ORDER BY position")]


def test_an_index_returns_each_row_once(tmp_path):
    """With the run and the position it comes from; for an unknown key, nothing."""
    path = tmp_path / "j"
    ask({"i": 1}, {"i": 2}, path=path, resume=True).journal.join(20)
    one, two = keys_in(path)
    index = index_of(path)
    assert index
    assert index.take(two) == Restored(1, 1, "answer 2", None)
    assert index.take(two) is None
    assert index.take("no such key") is None
    assert index.take(one) == Restored(1, 0, "answer 1", None)
    index.close()
    assert not index


def test_an_index_of_a_flow_that_never_ran_is_empty(tmp_path):
    """So that nothing needs to be looked up in it; nor does it need to be closed."""
    path = tmp_path / "j"
    flowmagic.run_batch(Ask(), [{"i": 1}], journal=path).journal.join(20)
    index = index_of(path)
    assert not index
    assert index.take("any") is None
    index.close()


def test_a_closed_index_returns_nothing(tmp_path):
    """A row that is drawn later runs."""
    path = tmp_path / "j"
    ask({"i": 1}, path=path, resume=True).journal.join(20)
    index = index_of(path)
    index.close()
    index.close()
    assert index.take(keys_in(path)[0]) is None


def test_a_result_that_cannot_be_read_is_replaced_by_an_earlier_one(tmp_path):
    """With a warning: the row is not lost to damage in one place."""
    path, said = tmp_path / "j", []
    ask({"i": 1}, path=path).journal.join(20)
    ask({"i": 1}, path=path).journal.join(20)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        latest = "(SELECT id FROM runs WHERE number = 2)"
        connection.execute(f"UPDATE instances SET result = '{{' WHERE run = {latest}")
    index = index_of(path, said.append)
    key = keys_in(path)[0]
    assert index.take(key) == Restored(1, 0, "answer 1", None)
    assert len(said) == 2
    assert said[0].startswith("Not compared with the earlier runs: ")
    assert said[1].startswith("Row 0 of run 2 cannot be restored: ")
    assert index.take(key) is None
    index.close()


def test_the_runs_of_a_flow_are_found_oldest_first(tmp_path):
    """Those of another flow of that name are left out, or with `anyway` counted."""
    path, changed = tmp_path / "j", AsyncFlow(start=Ask(max_retries=2))
    ask({"i": 1}, path=path)
    flowmagic.run_batch(changed, [{"i": 1}], journal=path)
    ask({"i": 1}, path=path).journal.join(20)
    now = fingerprint_of(AsyncFlow(start=Ask()), {})
    with contextlib.closing(sqlite3.connect(path)) as connection:
        mine = runs_of(connection, "AsyncFlow", now, anyway=False)
        assert [number for number, _ in mine.found] == [1, 3]
        every = runs_of(connection, "AsyncFlow", now, anyway=True)
        assert [number for number, _ in every.found] == [1, 2, 3]
        assert runs_of(connection, "Flow", now, anyway=False).found == []


def test_our_own_errors_are_not_reported_as_damage():
    """They say more than that."""
    with pytest.raises(JournalError, match="^ours$"), readable():
        raise JournalError("ours")
    with pytest.raises(JournalError, match=r"is damaged, .*\(theirs\)"), readable():
        raise sqlite3.DatabaseError("theirs")
    with pytest.raises(ZeroDivisionError), readable():
        raise ZeroDivisionError
