"""What a run writes down."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import threading
import warnings

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal import open_journal
from flowmagic.journal.database import open_file
from flowmagic.text.redact import MASK

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


def test_each_instance_is_written_in_full(tmp_path):
    """Params, copies, result, error; and the run with its options."""
    run = ask({"i": 1}, {"i": 2, "fail": True}, path=tmp_path / "j", limit=3)
    (written,) = open_journal(tmp_path / "j")
    assert (written.flow, written.status, written.total) == ("AsyncFlow", "finished", 2)
    assert written.options["limit"] == 3
    assert written.seconds == pytest.approx(run.elapsed, abs=1)
    one, two = written.instances
    assert (one.params, one.status, one.result, one.attempts) == (
        {"i": 1},
        "succeeded",
        "answer 1",
        1,
    )
    assert [(copy.node, copy.action) for copy in one.copies] == [("Ask", "answer 1")]
    assert one.seconds == pytest.approx(run[0].seconds)
    assert (two.status, two.error["type"], two.result) == ("failed", "ValueError", None)
    assert "no answer for None" in two.error["text"]
    assert "test_recorder.py" in two.error["traceback"]


def test_without_resume_all_rows_run(tmp_path):
    """The journal is only written."""
    ask({"i": 1}, path=tmp_path / "j")
    ask({"i": 1}, path=tmp_path / "j")
    assert ran == [1, 1]
    assert len(open_journal(tmp_path / "j")) == 2


def test_secrets_are_masked_and_rows_are_recognised_by_the_real_values(tmp_path):
    """In params, errors and tracebacks; another key is another row."""
    row = {"i": 1, "api_key": "sk-12345678", "fail": True}
    ask(row, path=tmp_path / "j")
    mended.set()
    ask(row, path=tmp_path / "j").journal.join(20)
    for file in tmp_path.iterdir():
        assert b"sk-12345678" not in file.read_bytes()
    assert open_journal(tmp_path / "j")[1][0].params["api_key"] == MASK
    ran.clear()
    ask(row, path=tmp_path / "j", resume=True)
    assert ran == []
    ask({**row, "api_key": "sk-87654321"}, path=tmp_path / "j", resume=True)
    assert ran == [1]
    ask(row, path=tmp_path / "k", journal_secrets=True)
    assert open_journal(tmp_path / "k")[1][0].params["api_key"] == "sk-12345678"


class Refused(AsyncNode):
    api_key = "sk-of-a-class"

    async def exec_async(self, prepared):
        raise ValueError(
            f"{self.api_key} {self.token} {self.params['password']} refused, {STORE['secret']}"
        )


STORE = {"secret": "sk-of-the-store"}


def test_secrets_of_the_flow_are_masked_wherever_they_are_quoted(tmp_path):
    """Those of its classes, of a node, of the store, and of the row."""
    node = Refused()
    node.token, node.url = "sk-of-a-node", "?sk-of-the-store"
    run = flowmagic.run_batch(
        node, [{"password": "sk-of-a-row"}], shared=STORE, journal=tmp_path / "j"
    )
    run.journal.join(20)
    # Nor do they make another flow of it, whatever else is masked.
    with pytest.raises(JournalError, match="a secret in it was masked"):
        flowmagic.run_batch(node, shared=STORE, journal=tmp_path / "j", resume=True)
    assert "sk-of-a-class" in str(run[0].error)
    (written,) = open_journal(tmp_path / "j")[1]
    assert written.error["text"] == f"{MASK} {MASK} {MASK} refused, {MASK}"
    assert b"sk-of-" not in (tmp_path / "j").read_bytes()


class Give(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        ran.append(self.params["i"])
        return object() if self.params["i"] else b"bytes"


def test_a_result_that_cannot_be_stored_is_warned_of_once_and_runs_again(tmp_path):
    """The others are restored; the run itself is not harmed."""
    rows = [{"i": 0}, {"i": 1}, {"i": 2}]
    flow = Give()
    run = flowmagic.run_batch(flow, rows, journal=tmp_path / "j")
    assert run.ok
    assert len(run.journal.warnings) == 1
    assert "builtins.object" in run.journal.warnings[0]
    written = open_journal(tmp_path / "j")[1]
    assert "builtins.object" in written[1].unwritten
    ran.clear()
    again = flowmagic.run_batch(flow, rows, journal=tmp_path / "j", resume=True)
    assert ran == [1, 2]
    assert again.results[0] == b"bytes"


def test_retried_rows_are_written_with_their_last_attempt(tmp_path):
    """Also when the run continues after its end."""
    run = ask({"i": 1, "fail": True}, path=tmp_path / "j")
    mended.set()

    async def again():
        other = flowmagic.batchflow(
            AsyncFlow(start=Ask()), [{"i": 1, "fail": True}, {"i": 2}], journal=tmp_path / "k"
        )
        mended.clear()
        await other
        mended.set()
        other.retry_failed()
        await other
        return other

    asyncio.run(again())
    assert run.counts.failed == 1
    (written,) = open_journal(tmp_path / "k")
    assert [(each.status, each.attempts) for each in written] == [
        ("succeeded", 2),
        ("succeeded", 1),
    ]
    assert written.status == "finished"


class FullDisk:
    """Stands in for a connection while there is no room on the disk."""

    full = True

    def __init__(self, connection):
        self.connection = connection
        self.close = connection.close

    def execute(self, sql, values=()):
        if FullDisk.full and "INTO instances" in sql:
            raise sqlite3.OperationalError("database or disk is full")
        return self.connection.execute(sql, values)


def test_a_full_disk_is_reported_and_the_run_continues(tmp_path, monkeypatch):
    """What could not be written is written as soon as it can be."""
    monkeypatch.setattr(FullDisk, "full", True)
    monkeypatch.setattr("flowmagic.journal.writer._RETRY_EVERY", 0.01)
    monkeypatch.setattr(
        "flowmagic.journal.writer.open_file",
        lambda *given, **how: FullDisk(open_file(*given, **how)),
    )

    async def lifecycle():
        run = flowmagic.batchflow(
            AsyncFlow(start=Ask()), [{"i": i} for i in range(20)], limit=2, journal=tmp_path / "j"
        )
        await run
        assert "database or disk is full" in run.journal.write_error
        FullDisk.full = False
        run.journal.join(20)
        assert (run.journal.write_error, run.journal.lost) == ("", 0)
        return run

    assert asyncio.run(lifecycle()).ok
    assert open_journal(tmp_path / "j")[1].counts == {"succeeded": 20}


def test_what_a_full_disk_has_cost_is_still_said_when_the_run_is_continued(tmp_path, monkeypatch):
    """The retry has another writer, which writes its own rows only."""
    monkeypatch.setattr(FullDisk, "full", True)
    monkeypatch.setattr("flowmagic.journal.writer._RETRY_EVERY", 0.01)
    monkeypatch.setattr("flowmagic.journal.writer._GIVE_UP_AFTER", 0)
    monkeypatch.setattr(
        "flowmagic.journal.writer.open_file",
        lambda *given, **how: FullDisk(open_file(*given, **how)),
    )

    async def lifecycle():
        rows = [{"i": i, "fail": i == 0} for i in range(5)]
        run = await flowmagic.batchflow(AsyncFlow(start=Ask()), rows, journal=tmp_path / "j")
        run.journal.join(20)
        assert run.journal.lost == 5
        FullDisk.full = False
        mended.set()
        await run.retry_failed()
        run.journal.join(20)
        return run

    run = asyncio.run(lifecycle())
    assert run.ok
    assert open_journal(tmp_path / "j")[1].counts["succeeded"] == 1
    assert run.journal.lost == 5
    assert run.journal.loss_reason == "database or disk is full"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resume": True}, "no journal to resume from"),
        ({"journal": "j", "resume": "yes"}, "resume is a str"),
        ({"journal": "j", "sync": "often"}, "sync is a str"),
        ({"journal": 7}, "not a path"),
    ],
)
def test_wrong_options_start_nothing(options, said):
    """The error has a corrected line."""
    with pytest.raises(JournalError, match=said):
        flowmagic.run_batch(Ask(), [{"i": 1}], **options)
    assert ran == []


def test_an_instance_keeps_its_slot_until_it_is_on_disk(tmp_path):
    """Of the instances that have begun, at most `limit` are not in the file, at any moment."""
    behind = []

    class Look(AsyncNode):
        async def exec_async(self, prepared):
            ran.append(self.params["i"])
            reader = sqlite3.connect(tmp_path / "j")
            (written,) = reader.execute("SELECT count(*) FROM instances").fetchone()
            reader.close()
            behind.append(len(ran) - written)
            await asyncio.sleep(0)

    flowmagic.run_batch(Look(), [{"i": i} for i in range(60)], limit=4, journal=tmp_path / "j")
    assert len(behind) == 60
    assert max(behind) <= 4


def test_two_concurrent_runs_may_write_one_journal(tmp_path):
    """As two notebooks do: each waits for the other, and nothing of either is missing."""

    async def both():
        runs = [
            flowmagic.batchflow(
                AsyncFlow(start=Ask()),
                [{"i": i} for i in range(first, first + 100)],
                limit=7,
                journal=tmp_path / "j",
            )
            for first in (0, 100)
        ]
        for run in runs:
            await run

    asyncio.run(both())
    written = open_journal(tmp_path / "j")
    assert sorted([each.params["i"] for each in run] for run in written) == [
        list(range(100)), list(range(100, 200)),
    ]  # fmt: skip


def test_a_clock_that_jumps_back_does_not_change_the_order_of_runs(tmp_path, monkeypatch):
    """Runs are numbered; the latest is the one that was written last."""
    ask({"i": 1}, path=tmp_path / "j")
    monkeypatch.setattr("time.time", lambda: 1_000.0)
    ask({"i": 2}, path=tmp_path / "j")
    latest = open_journal(tmp_path / "j")[-1]
    assert (latest.number, latest[0].params) == (2, {"i": 2})
    assert latest.began.year == 1970
    assert latest[0].seconds >= 0


def test_ended_instances_are_in_the_file_when_the_loop_was_closed(tmp_path):
    """Without an error about a closed loop; the rest is cancelled, or in doubt, and will run again."""

    class Wait(AsyncNode):
        async def exec_async(self, prepared):
            if self.params["i"]:
                await asyncio.sleep(100)

    loop = asyncio.new_event_loop()

    async def started():
        run = flowmagic.batchflow(
            AsyncFlow(start=Wait()), [{"i": 0}, {"i": 1}, {"i": 2}], limit=2, journal=tmp_path / "j"
        )
        while run.counts.running < 2 or not run.counts.succeeded:
            await asyncio.sleep(0)
        return run

    run = loop.run_until_complete(started())
    tasks = asyncio.all_tasks(loop)
    loop.close()
    for task in tasks:
        task.get_coro().close()
        task._log_destroy_pending = False
    run.journal.join(20)
    (written,) = open_journal(tmp_path / "j")
    assert written.status == "cancelled"
    first, *others = [each.status for each in written]
    assert first == "succeeded"
    assert {"cancelled", "pending", "in doubt"}.issuperset(others)
    assert [each.params["i"] for each in written] == [0, 1, 2]


def test_the_secret_of_a_row_is_masked_in_an_attribute_of_a_node(tmp_path):
    """Whatever the name of the attribute is."""
    node, path = Ask(), tmp_path / "j"
    node.ours = "sk-of-the-rows"
    flowmagic.run_batch(node, [{"i": 1, "api_key": node.ours}], journal=path).journal.join(20)
    assert b"sk-of" not in path.read_bytes()
    assert f"ours={MASK!r}" in open_journal(path)[1].to_script()


NOTEBOOK = """
from pocketflow import AsyncNode
API_KEY, CONF = "sk-of-a-cell-1", {"token": "sk-of-a-cell-2"}
def call(api_key="sk-of-a-cell-3"):
    raise ValueError(f"{API_KEY} {CONF['token']} {api_key} refused")
class Ask(AsyncNode):
    async def exec_async(self, prepared):
        return [call() for _ in (API_KEY, CONF)]
"""


def test_the_secrets_of_a_notebook_are_masked_where_an_error_quotes_them(cells, tmp_path):
    """Constants that a node uses, and defaults of functions that it calls; unless they are kept."""
    ask, path = cells.run(NOTEBOOK).Ask(), tmp_path / "j"
    flowmagic.run_batch(ask, [{"i": 1}], journal=path).journal.join(20)
    assert open_journal(path)[1][0].error["text"] == f"{MASK} {MASK} {MASK} refused"
    assert b"sk-of" not in path.read_bytes()
    flowmagic.run_batch(ask, [{"i": 1}], journal=path, journal_secrets=True)
    assert "sk-of-a-cell-1 sk-of-a-cell-2" in open_journal(path)[2][0].error["text"]


def test_no_source_of_the_user_is_in_the_file(tmp_path):
    """A hash of it tells whether the flow has changed."""
    ask({"i": 1}, path=tmp_path / "j").journal.join(20)
    data = (tmp_path / "j").read_bytes()
    assert b"answer 1" in data
    assert b"def exec_async" not in data
    assert b"broken and" not in data


class Answers(AsyncNode):
    async def exec_async(self, prepared):
        return f"{type(self).__name__} {self.params['i']} " + "x" * self.params.get("times", 0)


class First(Answers):
    pass


@pytest.mark.parametrize(
    "options",
    [
        {"keep_bytes": 0},
        {"keep_bytes": 5_000, "limit": 50},
        {"keep_bytes": 0, "retries": 1},
        {"keep": 0},
        {"keep": 0, "keep_bytes": 0, "limit": 1},
    ],
)
def test_all_outputs_are_written_however_few_stay_in_memory(tmp_path, options):
    """Of every node copy, also of large ones, of rows in a list and of a generator."""
    first = First()
    first >> Answers()
    rows = [{"i": i, "times": 100_000 if i % 20 == 3 else 100} for i in range(100)]
    batch = iter(rows) if "keep" in options else rows
    run = flowmagic.run_batch(AsyncFlow(start=first), batch, journal=tmp_path / "j", **options)
    assert run.ok
    assert run.journal.warnings == []
    assert any(isinstance(each, flowmagic.OutputLostError) for each in run.outputs)
    written = open_journal(tmp_path / "j")[1]
    expected = [f"Answers {row['i']} " + "x" * row["times"] for row in rows]
    assert written.outputs == expected
    assert [[copy.output[:9] for copy in each.copies] for each in written] == [
        [f"First {i} xxx"[:9], f"Answers {i}"[:9]] for i in range(100)
    ]


def test_outputs_of_restored_rows_take_no_more_memory_than_others(tmp_path):
    """The budget holds for them, and the new run has them in the file all the same."""
    rows = [{"i": i, "times": 1_000} for i in range(50)]
    flow = AsyncFlow(start=Answers())
    flowmagic.run_batch(flow, rows, journal=tmp_path / "j")
    run = flowmagic.run_batch(flow, rows, journal=tmp_path / "j", resume=True, keep_bytes=10_000)
    assert run.records.restored == {i: (1, i) for i in range(50)}
    lost = [isinstance(each, flowmagic.OutputLostError) for each in run.outputs]
    assert 35 < sum(lost) < 50
    first, second = open_journal(tmp_path / "j")
    assert first.outputs == second.outputs


# Rows that cannot be recognised


def unknown(rows):
    """Return rows with a param by which no row can be recognised."""
    return [{**row, "client": threading.Lock()} for row in rows]


REASON = (
    "No row can be recognised by the param 'client', which holds an object of class _thread.lock"
)


@pytest.mark.parametrize("own_prep", [False, True])
def test_a_param_that_identifies_no_row_is_reported_before_the_run(tmp_path, own_prep):
    """Once, at the line of the user, with what to pass; the run runs all the same."""
    rows = unknown({"i": i} for i in range(3))

    class Batch(AsyncBatchFlow):
        async def prep_async(self, shared):
            return rows

    heard = []

    def note(message, *where, **others):
        heard.append((str(message), list(ran)))

    flow, batch = (Batch(start=Ask()), None) if own_prep else (AsyncFlow(start=Ask()), rows)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        run = flowmagic.run_batch(flow, batch, journal=tmp_path / "j")
    assert run.ok
    ((text, before),) = heard
    assert before == []
    assert text.startswith(REASON)
    assert "register(lock, write, read)" in text
    assert run.journal.warnings == [text]


async def test_the_report_names_the_line_of_the_user(tmp_path):
    """Not one of flowmagic's."""
    rows = unknown([{"i": 1}])
    with pytest.warns(UserWarning) as caught:
        run = flowmagic.batchflow(AsyncFlow(start=Ask()), rows, journal=tmp_path / "j")
    assert [each.filename for each in caught] == [__file__]
    assert (await run).ok


def test_in_a_generator_it_is_reported_at_the_first_such_row(tmp_path):
    """Before that row runs."""

    def rows():
        yield {"i": 1}
        yield from unknown([{"i": 2}, {"i": 3}])

    with pytest.warns(UserWarning, match=REASON) as caught:
        run = flowmagic.run_batch(AsyncFlow(start=Ask()), rows(), journal=tmp_path / "j", limit=1)
    assert (len(caught), len(run.journal.warnings), run.ok) == (1, 1, True)


def test_where_warnings_are_errors_the_run_runs_all_the_same(tmp_path):
    """The reason is in `run.journal.warnings`, which panel and summary show."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = flowmagic.run_batch(
            AsyncFlow(start=Ask()), unknown({"i": i} for i in range(3)), journal=tmp_path / "j"
        )
    assert run.ok
    assert run.journal.warnings[0].startswith(REASON)


@pytest.mark.filterwarnings("ignore:No row can be recognised")
def test_a_row_that_cannot_be_recognised_runs_again(tmp_path):
    """The others are restored."""
    rows = [{"i": 1}, *unknown([{"i": 2}])]
    flow = AsyncFlow(start=Ask())
    for _ in range(2):
        flowmagic.run_batch(flow, rows, journal=tmp_path / "j", resume=True)
    assert ran == [1, 2, 2]


def test_rows_are_recognised_by_values_that_a_user_calls_equal(tmp_path):
    """Whether they came from a frame, a list or a file; and not by others."""
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    span, when = pd.Timedelta(1, "s"), pd.Timestamp("2026-01-31 12:00:00.000000001")
    first = [
        {"i": 0, "n": np.int64(3)}, {"i": 1, "n": (1, 2)}, {"i": 2, "n": span}, {"i": 3, "n": when},
    ]  # fmt: skip
    second = [
        {"i": 0, "n": 3}, {"i": 1, "n": [1, 2]}, {"i": 2, "n": dt.timedelta(seconds=1)},
        {"i": 3, "n": when + pd.Timedelta(1, "ns")}, {"i": 4, "n": 3.0}, {"i": 5, "n": True},
    ]  # fmt: skip
    flow = AsyncFlow(start=Ask())
    flowmagic.run_batch(flow, first, journal=tmp_path / "j")
    ran.clear()
    run = flowmagic.run_batch(flow, second, journal=tmp_path / "j", resume=True)
    assert sorted(ran) == [3, 4, 5]
    assert run.results == [f"answer {i}" for i in range(6)]
    ran.clear()
    again = flowmagic.run_batch(flow, journal=tmp_path / "j", resume=True)
    assert (ran, again.counts.succeeded) == ([], 6)
    assert again[3].params["n"] == when + pd.Timedelta(1, "ns")


def test_a_run_that_is_continued_elsewhere_writes_to_the_same_file(tmp_path, monkeypatch):
    """The user may have changed the working directory meanwhile."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    async def again():
        run = flowmagic.batchflow(AsyncFlow(start=Ask()), [{"i": 1, "fail": True}], journal="j")
        await run
        mended.set()
        monkeypatch.chdir(tmp_path / "elsewhere")
        await run.retry_failed()
        run.journal.join(20)

    asyncio.run(again())
    assert [each.status for each in open_journal(tmp_path / "j")[1]] == ["succeeded"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
