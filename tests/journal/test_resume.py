"""What the next run of a flow takes over from a journal."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal.fingerprint import parts_of
from flowmagic.journal.resume import ResumeIndex, readable, runs_of
from flowmagic.records.trace import Restored

from .test_codec import VALUES

ran: list = []
broken = True


@pytest.fixture(autouse=True)
def fresh():
    global broken
    broken = True
    ran.clear()


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        ran.append(self.params["i"])
        if broken and self.params.get("fail"):
            raise ValueError(f"no answer for {self.params.get('api_key')}")

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"


def ask(*rows, path, node=Ask, **options):
    return flowmagic.run_batch(AsyncFlow(start=node()), list(rows), journal=path, **options)


def mended():
    global broken
    broken = False


def test_rows_that_succeeded_do_not_run_again(tmp_path):
    """In whatever order they come, with new rows among them; rows that failed run."""
    ask({"i": 1}, {"i": 2, "fail": True}, {"i": 3}, path=tmp_path / "j")
    ran.clear()
    mended()
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
    with pytest.raises(JournalError, match="the source of Ask has changed.*resume='anyway'"):
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
        "UPDATE runs SET setup = '{', fingerprint = ''",
        "UPDATE runs SET setup = CAST(x'9e' AS TEXT)",
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
    parts = parts_of(AsyncFlow(start=Ask()))
    return ResumeIndex(path, "AsyncFlow", parts, anyway=False, warn=warn)


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
    assert len(said) == 1
    assert said[0].startswith("Row 0 of run 2 cannot be restored: ")
    assert index.take(key) is None
    index.close()


def test_the_runs_of_a_flow_are_found_oldest_first(tmp_path):
    """Those of another flow of that name are left out, or with `anyway` counted."""
    path, changed = tmp_path / "j", AsyncFlow(start=Ask(max_retries=2))
    ask({"i": 1}, path=path)
    flowmagic.run_batch(changed, [{"i": 1}], journal=path)
    ask({"i": 1}, path=path).journal.join(20)
    parts = parts_of(AsyncFlow(start=Ask()))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        mine = runs_of(connection, "AsyncFlow", parts, anyway=False)
        assert [number for number, _ in mine] == [1, 3]
        every = runs_of(connection, "AsyncFlow", parts, anyway=True)
        assert [number for number, _ in every] == [1, 2, 3]
        assert runs_of(connection, "Flow", parts, anyway=False) == []


def test_our_own_errors_are_not_reported_as_damage():
    """They say more than that."""
    with pytest.raises(JournalError, match="^ours$"), readable():
        raise JournalError("ours")
    with pytest.raises(JournalError, match=r"is damaged, .*\(theirs\)"), readable():
        raise sqlite3.DatabaseError("theirs")
    with pytest.raises(ZeroDivisionError), readable():
        raise ZeroDivisionError


class Answer(AsyncNode):
    """Returns its answer from exec, as most nodes do."""

    async def exec_async(self, prepared):
        ran.append(self.params["i"])
        return self.params["answer"]


class Then(Answer):
    async def exec_async(self, prepared):
        return [await super().exec_async(prepared), "more"]


def answer(rows, path, **options):
    first = Answer()
    first >> Then()
    return flowmagic.run_batch(AsyncFlow(start=first), rows, journal=path, **options)


@given(st.lists(VALUES, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_restored_outputs_are_those_that_were_returned(outputs):
    """Of any type that a journal stores, in the row that they belong to, with the same type."""
    rows = [{"i": i, "answer": output} for i, output in enumerate(outputs)]
    with tempfile.TemporaryDirectory() as folder:
        before = answer(rows, Path(folder) / "j")
        ran.clear()
        after = answer(rows[::-1], Path(folder) / "j", resume=True)
        with flowmagic.open_journal(Path(folder) / "j") as journal:
            read = [run.outputs for run in journal]
    assert ran == []
    expected = [[output, "more"] for output in outputs]
    assert before.outputs == after.outputs[::-1] == expected
    assert [type(first) for first, _ in after.outputs[::-1]] == [type(each) for each in outputs]
    assert read == [expected, expected[::-1]]


def test_half_a_batch_that_was_interrupted_has_all_its_answers_after_a_resume(tmp_path):
    """Two hundred rows through two nodes: the restored ones and those that ran, in their order."""
    rows = [{"i": i, "answer": f"answer {i}"} for i in range(200)]
    plain = answer(rows, None)

    async def interrupted():
        first = Answer()
        first >> Then()
        run = flowmagic.batchflow(AsyncFlow(start=first), rows, limit=7, journal=tmp_path / "j")
        while run.counts.succeeded < 100:
            await asyncio.sleep(0)
        await run.cancel()
        return run.counts.succeeded

    done = asyncio.run(interrupted())
    assert 100 <= done < 200
    ran.clear()
    run = answer(rows, tmp_path / "j", resume=True)
    assert len(ran) == 2 * (200 - done)
    assert run.outputs == plain.outputs == [[f"answer {i}", "more"] for i in range(200)]
    assert [run[i].output for i in range(200)] == run.outputs


MASKED = {"answer": "the key is sk-12345678", "api_key": "sk-12345678"}
RAN_AGAIN = "that had succeeded {} again: the journal does not have all that came of {}. {}"


def test_rows_whose_output_is_not_in_the_journal_run_again_and_the_run_says_so(tmp_path):
    """How many, and why, of each resumed run; the first run says it, too, and has the output."""
    rows = [
        {"i": 0, "answer": "fine"},
        {"i": 1, **MASKED},
        {"i": 2, **MASKED},
        {"i": 3, "answer": "x" * 1_100_000},
    ]
    expected = [[row["answer"], "more"] for row in rows]
    run = answer(rows, tmp_path / "j")
    assert run.ok
    assert run.outputs == expected
    own = [each for each in run.journal.warnings if "so resuming will run its row again" in each]
    assert [each.startswith("The output of Then could not be written") for each in own] == [
        True
    ] * 2
    for _ in range(2):
        ran.clear()
        run = answer(rows, tmp_path / "j", resume=True)
        assert sorted(ran) == [1, 1, 2, 2, 3, 3]
        assert run.outputs == expected
        masked, large = run.journal.warnings[:2]
        assert masked == "2 rows " + RAN_AGAIN.format(
            "run", "them", "A secret in the output was masked (journal_secrets=True keeps secrets)."
        )
        assert large.startswith(
            "1 row " + RAN_AGAIN.format("runs", "it", "The output is too large")
        )


def test_that_no_row_at_all_can_be_restored_is_said_too(tmp_path):
    """An empty index is not the same as one that has nothing complete."""
    answer([{"i": 1, **MASKED}], tmp_path / "j")
    run = answer([{"i": 1, **MASKED}], tmp_path / "j", resume=True)
    assert run.journal.warnings[0].startswith("1 row that had succeeded runs again")
    run = answer([{"i": 1, **MASKED}], tmp_path / "k", journal_secrets=True)
    run = answer([{"i": 1, **MASKED}], tmp_path / "k", journal_secrets=True, resume=True)
    assert (run.journal.warnings, run[0].restored) == ([], 1)


def test_a_secret_in_an_earlier_output_keeps_no_row_from_being_restored(tmp_path):
    """Only what the row came to is needed."""

    class Asks(Answer):
        async def exec_async(self, prepared):
            await super().exec_async(prepared)
            return f"as {self.params['api_key']}"

    class Tells(AsyncNode):
        async def exec_async(self, prepared):
            return "told"

    first = Asks()
    first >> Tells()
    rows = [{"i": 1, "answer": "", "api_key": "sk-12345678"}]
    flowmagic.run_batch(AsyncFlow(start=first), rows, journal=tmp_path / "j")
    ran.clear()
    run = flowmagic.run_batch(AsyncFlow(start=first), rows, journal=tmp_path / "j", resume=True)
    assert (ran, run.outputs) == ([], ["told"])
    copies = flowmagic.open_journal(tmp_path / "j")[1][0].copies
    assert isinstance(copies[0].output, flowmagic.OutputLostError)
    assert copies[1].output == "told"


def test_an_index_counts_the_rows_that_it_was_asked_for_and_cannot_restore(tmp_path):
    """Not those whose latest outcome but one is complete."""
    path = tmp_path / "j"
    ask({"i": 1}, {"i": 2}, path=path).journal.join(20)
    ask({"i": 1}, path=path).journal.join(20)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        latest = "(SELECT id FROM runs WHERE number = 2)"
        connection.execute(f"UPDATE instances SET unwritten = 'Lost.' WHERE run = {latest}")
        connection.execute("UPDATE instances SET unwritten = 'Gone.' WHERE position = 1")
    one, two = keys_in(path)[::2]
    index = index_of(path)
    assert index.take(one) == Restored(1, 0, "answer 1", None)
    assert index.not_restored == {}
    assert index.take(two) is None
    assert index.take("no such key") is None
    assert index.not_restored == {"Gone.": 1}
    assert index.take(one) is None
    assert index.not_restored == {"Gone.": 1, "Lost.": 1}
    index.close()


@dataclasses.dataclass
class Reply:
    text: str


def test_objects_that_come_back_as_dicts_are_named(tmp_path):
    """Before anyone reads an attribute of them."""

    class Replies(AsyncNode):
        async def exec_async(self, prepared):
            return [Reply("hi")]

    for _ in range(2):
        run = flowmagic.run_batch(
            AsyncFlow(start=Replies()), [{"i": 1}, {"i": 2}], journal=tmp_path / "j", resume=True
        )
    assert run.outputs == [[{"text": "hi"}]] * 2
    (warning,) = run.journal.warnings
    assert "plain values, such as dicts, in place of objects of class Reply" in warning
