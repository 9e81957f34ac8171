"""What the next run of a flow takes over from a journal."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal import recorder
from flowmagic.journal.fingerprint import fingerprint_of
from flowmagic.journal.resume import ResumeIndex, readable, runs_of
from flowmagic.records.trace import Restored

from .test_codec import VALUES

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


def taken(index, key):
    """Return the outcome of the latest row with a key; None if there is none."""
    match = index.match(key)
    return None if match is None else index.take(match)


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
    assert taken(index, two) == Restored(1, 1, "answer 2", None)
    assert taken(index, two) is None
    assert taken(index, "no such key") is None
    assert taken(index, one) == Restored(1, 0, "answer 1", None)
    index.close()
    assert not index


def test_an_index_of_a_flow_that_never_ran_is_empty(tmp_path):
    """So that nothing needs to be looked up in it; nor does it need to be closed."""
    path = tmp_path / "j"
    flowmagic.run_batch(Ask(), [{"i": 1}], journal=path).journal.join(20)
    index = index_of(path)
    assert not index
    assert taken(index, "any") is None
    index.close()


def test_a_closed_index_returns_nothing(tmp_path):
    """A row that is drawn later runs."""
    path = tmp_path / "j"
    ask({"i": 1}, path=path, resume=True).journal.join(20)
    index = index_of(path)
    index.close()
    index.close()
    assert taken(index, keys_in(path)[0]) is None


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
    assert taken(index, key) == Restored(1, 0, "answer 1", None)
    assert len(said) == 2
    assert said[0].startswith("Not compared with the earlier runs: ")
    assert said[1].startswith("Row 0 of run 2 cannot be restored: ")
    assert taken(index, key) is None
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
@settings(max_examples=25)
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
    (said,) = run.journal.warnings
    assert said.startswith("Not compared with the earlier runs: ")
    assert run[0].restored == 1


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
    assert taken(index, one) == Restored(1, 0, "answer 1", None)
    assert index.not_restored == {}
    assert taken(index, two) is None
    assert taken(index, "no such key") is None
    assert index.not_restored == {"Gone.": 1}
    assert taken(index, one) is None
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


NOTEBOOK = '''
import threading
from pocketflow import AsyncFlow, AsyncNode

PROMPT = "Answer in French"
CACHE, COUNT, client, ran = {}, 0, threading.Lock(), []

def build(i):
    """Build a prompt."""
    return f"{PROMPT}: {i}"  # the question

class Ask(AsyncNode):
    style = "short"

    async def exec_async(self, prepared):
        global COUNT
        COUNT += 1
        ran.append(self.params["i"])
        CACHE[self.params["i"]] = build(self.params["i"])
        return client and CACHE[self.params["i"]] + self.style

    async def post_async(self, shared, prepared, answer):
        shared.setdefault("answers", []).append(answer)
        log = shared["log"]
        log.append(answer)
        return answer

ask = Ask()
ask.tone = "kind"
flow = AsyncFlow(start=ask)
shared = {"model": "small", "log": []}
rows = [{"i": 1}, {"i": 2}]
'''
EDITS = {
    "the kernel is started again": ("", "", []),
    "a comment": ("the question", "the number of the question", []),
    "a docstring": ("Build a prompt.", "Make a prompt.", []),
    "a row more": ('{"i": 2}', '{"i": 2}, {"i": 3}', [3]),
    "a row with other params": ('{"i": 2}', '{"i": 4}', [4]),
    "the order of rows": ('[{"i": 1}, {"i": 2}]', '[{"i": 2}, {"i": 1}]', []),
    "a cache that was loaded": ("CACHE, COUNT", "CACHE, COUNT = {1: 2}, 1; _, _", []),
    "another client": ("threading.Lock()", "threading.RLock()", []),
    "a constant": ("French", "German", "PROMPT has changed"),
    "a helper": ("{i}", "{i}?", "build has changed"),
    "a method": ("return answer", "return answer + '!'", "Ask.post_async has changed"),
    "a class attribute": ('"short"', '"long"', "Ask.style has changed"),
    "an attribute": ('"kind"', '"cool"', "Ask().tone has changed"),
    "a key of shared": ('"small"', '"large"', "shared['model'] has changed"),
}  # fmt: skip


def run_notebook(cells, path, old="", new="", **options):
    """Run the notebook after an edit; return its names and the run."""
    assert old in NOTEBOOK
    names = cells.run(NOTEBOOK.replace(old, new) if old else NOTEBOOK)
    run = flowmagic.run_batch(names.flow, names.rows, shared=names.shared, journal=path, **options)
    run.journal.join(20)
    return names, run


@pytest.mark.parametrize(("old", "new", "expected"), EDITS.values(), ids=EDITS)
def test_after_an_edit_rows_are_restored_or_run_or_the_change_is_reported(
    cells, tmp_path, old, new, expected
):
    """A notebook in another kernel, where one thing was edited."""
    run_notebook(cells, tmp_path / "j")
    if isinstance(expected, str):
        with pytest.raises(JournalError) as raised:
            run_notebook(cells, tmp_path / "j", old, new, resume=True)
        assert f" of this journal ran: {expected}. Write resume='anyway'" in str(raised.value)
        assert cells.names["ran"] == []
    else:
        names, run = run_notebook(cells, tmp_path / "j", old, new, resume=True)
        assert names.ran == expected
        assert run.ok


def said_not_compared(run):
    """Return what a run says of the comparison with earlier runs."""
    return [text for text in run.journal.warnings if text.startswith("Not compared")]


def test_what_is_not_compared_is_named_once(cells, tmp_path):
    """Also what nobody saw in the code: the run found it when it ended."""
    run_notebook(cells, tmp_path / "j")
    names, run = run_notebook(cells, tmp_path / "j", resume=True)
    assert names.ran == []
    (said,) = said_not_compared(run)
    assert said == (
        "Not compared with the earlier runs: CACHE, COUNT, ran, shared['answers'], shared['log'] "
        "(changed by the run); client (no exact form)."
    )
    _, run = run_notebook(cells, tmp_path / "j", resume="anyway")
    assert said_not_compared(run) == []


def test_a_run_that_was_killed_is_resumed_though_its_cache_is_gone(cells, tmp_path):
    """It began in a kernel in which others had filled it; what these found is in the journal."""
    names, _ = run_notebook(cells, tmp_path / "j")
    run = flowmagic.run_batch(names.flow, [{"i": 5}], shared=names.shared, journal=tmp_path / "j")
    run.journal.join(20)
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as connection, connection:
        (text,) = connection.execute("SELECT fingerprint FROM runs WHERE number = 2").fetchone()
        written = json.loads(text)
        del written["left_out"]["shared['log']"]  # as it is until the run has ended
        connection.execute(
            "UPDATE runs SET status = 'running', seconds = NULL, fingerprint = ? WHERE number = 2",
            (json.dumps(written),),
        )
    names, _ = run_notebook(cells, tmp_path / "j", '{"i": 2}', '{"i": 5}', resume=True)
    assert names.ran == []


async def edited_run(names, path, edit):
    """Run a batch, and edit the notebook when the first row has ended."""
    run = flowmagic.batchflow(names.flow, names.rows, shared=names.shared, journal=path, limit=1)
    while not run.counts.succeeded:
        await asyncio.sleep(0)
    edit()
    await run
    return run


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_whose_code_was_edited_meanwhile_is_not_resumed(cells, tmp_path, monkeypatch, killed):
    """Its first rows were made by the old code, and the others by the new one."""
    monkeypatch.setattr(recorder, "_LOOK_EVERY", 0.0)
    if killed:
        monkeypatch.setattr(recorder.Recorder, "ended", lambda *_: None)
    names = cells.run(NOTEBOOK)
    edit = lambda: cells.run("PROMPT = 'Answer in German'")
    run = asyncio.run(edited_run(names, tmp_path / "j", edit))
    run.journal.join(20)
    for code in (NOTEBOOK, NOTEBOOK.replace("French", "German")):
        names = cells.run(code)
        with pytest.raises(JournalError, match="run 1 .* ran: PROMPT was changed while it ran"):
            flowmagic.run_batch(
                names.flow, names.rows, shared=names.shared, journal=tmp_path / "j", resume=True
            )


def test_many_changes_are_cut_short(cells, tmp_path):
    """The message stays in sight."""
    run_notebook(cells, tmp_path / "j")
    many = "".join(f"ask.a{n} = {n}\n" for n in range(20))
    with pytest.raises(JournalError, match=r"Ask\(\).a15 is new and 12 more\. Write"):
        run_notebook(cells, tmp_path / "j", "flow = ", f"{many}flow = ", resume=True)


def test_rows_are_taken_from_a_run_that_began_with_the_same_shared(cells, tmp_path):
    """Where none are passed, too."""
    names, _ = run_notebook(cells, tmp_path / "j")
    names = cells.run(NOTEBOOK)
    path = tmp_path / "j"
    run = flowmagic.run_batch(names.flow, shared=names.shared, journal=path, resume=True)
    assert [each.restored for each in run.instances] == [1, 1]
    with pytest.raises(JournalError, match=r"shared\['log'\] is gone|shared\['model'\] is gone"):
        flowmagic.run_batch(names.flow, shared={}, journal=path, resume=True)
