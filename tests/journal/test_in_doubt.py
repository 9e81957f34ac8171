"""Rows that were under way when a kernel died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import open_journal
from flowmagic.journal.in_doubt import notice, rows_in_doubt, skipped_text

NODE = """
import asyncio, json, os, signal
from pocketflow import AsyncFlow, AsyncNode

class Call(AsyncNode):
    async def exec_async(self, prepared):
        number = self.params["i"]
        with open(os.environ["BEGAN"], "a") as began:
            began.write(f"{number} ")
        what = json.loads(os.environ["DOING"]).get(str(number))
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "hang":
            await asyncio.sleep(1_000)
        if what == "fail":
            raise ValueError("no answer")
        await asyncio.sleep(0)

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"
"""
RUN = """
import sys
sys.path.insert(0, {folder!r})
import called, flowmagic
flow = called.AsyncFlow(start=called.Call())
flowmagic.run_batch(flow, {batch}, journal={journal!r}, **{options!r})
"""


class Kernels:
    """Runs a flow in processes that kill themselves, and in this one."""

    def __init__(self, folder: Path, monkeypatch):
        self.path = folder / "j"
        self._folder = folder
        self._began = folder / "began"
        self._environ = monkeypatch.setenv
        (folder / "called.py").write_text(NODE)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, "called", raising=False)
        self._environ("BEGAN", str(self._began))

    def killed(self, batch="[{'i': i} for i in range(10)]", *, doing, **options):
        """Run a batch in a process that is killed by one of its rows; return the rows that began."""
        self._begin(doing)
        code = RUN.format(
            folder=str(self._folder), batch=batch, journal=str(self.path), options=options
        )
        self._environ("PYTHONPATH", str(Path(flowmagic.__file__).parents[1]))
        process = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
        assert process.returncode == -9, process.stderr
        return self._numbers()

    def resumed(self, rows, *, doing=None, **options):
        """Resume here; return the run, and the rows that began in their order."""
        import called

        self._begin(doing or {})
        run = flowmagic.run_batch(
            AsyncFlow(start=called.Call()), rows, journal=self.path, resume=True, **options
        )
        return run, self._numbers()

    def _begin(self, doing):
        self._began.write_text("")
        self._environ("DOING", json.dumps(doing))

    def _numbers(self):
        return [int(number) for number in self._began.read_text().split()]


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    yield Kernels(tmp_path, monkeypatch)
    sys.modules.pop("called", None)


ROWS = [{"i": i} for i in range(10)]
DOING = {1: "hang", 4: "hang", 6: "kill"}


def statuses(run):
    return {each.index: each.status for each in run if each.status != "pending"}


@pytest.mark.parametrize(
    "batch", ["[{'i': i} for i in range(10)]", "({'i': i} for i in range(10))"]
)
def test_each_row_that_was_under_way_is_in_doubt(kernels, batch):
    """In the list of runs, the run, its instances and its frame; with its params."""
    began = kernels.killed(batch, doing=DOING, limit=3)
    assert began == list(range(7))
    journal = open_journal(kernels.path)
    (run,) = journal
    in_doubt = {1, 4, 6}
    assert statuses(run) == {i: "in doubt" if i in in_doubt else "succeeded" for i in range(7)}
    assert "4 succeeded, 3 in doubt" in repr(journal)
    assert "4 succeeded, 3 in doubt" in repr(run)
    assert run.counts["in doubt"] == 3
    assert (run[4].params, run[4].attempts, run[4].copies, run[4].seconds) == (
        {"i": 4},
        1,
        [],
        None,
    )
    pytest.importorskip("pandas")
    assert list(run.to_frame()["status"])[4:7] == ["in doubt", "succeeded", "in doubt"]


def test_rows_in_doubt_run_again_after_all_others(kernels):
    """The summary, and the panel with it, say so; the next time they are restored."""
    kernels.killed(doing=DOING, limit=3)
    run, began = kernels.resumed([*reversed(ROWS), {"i": 10}], limit=1)
    assert began == [9, 8, 7, 10, 6, 4, 1]
    assert run.ok
    assert [each.restored for each in run.instances] == [None] * 4 + [1, None, 1, 1, None, 1, None]
    (warning,) = run.journal.warnings
    assert warning.startswith(
        "3 rows in doubt run again, last. They were under way when the kernel of"
    )
    again, began = kernels.resumed(ROWS)
    assert (began, again.journal.warnings, again.counts.succeeded) == ([], [], 10)


def test_rows_of_a_generator_that_are_in_doubt_run_last_too(kernels):
    """When it is exhausted."""
    kernels.killed(doing=DOING, limit=3)
    run, began = kernels.resumed((row for row in ROWS), limit=1)
    assert (began, run.ok) == ([7, 8, 9, 1, 4, 6], True)


def test_rows_in_doubt_can_be_left_out(kernels):
    """They are cancelled, with the reason, also in the journal; they stay in doubt."""
    kernels.killed(doing=DOING, limit=3)
    run, began = kernels.resumed(ROWS, in_doubt="skip")
    assert sorted(began) == [7, 8, 9]
    assert (run.status, run.counts.succeeded, run.counts.cancelled) == ("finished", 7, 3)
    assert run.left == 0
    assert isinstance(run[1].error, asyncio.CancelledError)
    assert str(run[1].error) == skipped_text(1)
    (warning,) = run.journal.warnings
    assert warning.startswith("3 rows in doubt are skipped. They were under way when the kernel of")
    written = open_journal(kernels.path)[2]
    assert (written[1].status, written[1].error["text"]) == ("cancelled", skipped_text(1))
    _, began = kernels.resumed(ROWS)
    assert sorted(began) == [1, 4, 6]


def test_a_retry_that_was_under_way_is_in_doubt(kernels):
    """It failed before, and the new attempt may have been paid for: what is shown is not the failure."""
    kernels.killed(
        "[{'i': 0}, {'i': 1}]", doing={0: "fail", 1: "kill"}, limit=1, retries=9,
    )  # fmt: skip
    (run,) = open_journal(kernels.path)
    assert run[1].status == "in doubt"
    first = run[0]
    # The first row was waiting for its second attempt, or had begun it.
    assert first.status in ("failed", "in doubt")
    assert (first.error is None) == (first.status == "in doubt")


def test_a_row_that_failed_since_is_not_in_doubt_any_more(kernels):
    """It runs in its place, as other rows that have failed; one that never had its turn still is."""
    kernels.killed(doing=DOING, limit=3)
    run, _ = kernels.resumed(ROWS, doing={1: "fail"}, max_errors=0, limit=1)
    assert (run.status, run.counts.failed, run.counts.cancelled) == ("stopped", 1, 2)
    run, began = kernels.resumed(ROWS, limit=1)
    assert began == [1, 4, 6]
    assert list(run.journal.in_doubt.items()) == [(4, 1), (6, 1)]


def test_a_row_is_marked_before_it_starts(kernels):
    """Whatever row kills the process first, in its first step."""
    assert kernels.killed(doing={0: "kill"}, limit=5) == [0]
    (run,) = open_journal(kernels.path)
    marked = {index for index, status in statuses(run).items() if status == "in doubt"}
    # Those that have their slots, and were about to start, are marked too.
    assert {0} <= marked <= set(range(5))


def test_a_live_run_has_rows_that_are_running(tmp_path):
    """Not in doubt; when it has ended, none is left."""

    class Look(AsyncNode):
        async def exec_async(self, prepared):
            if self.params["i"] == 2:
                (run,) = open_journal(tmp_path / "j")
                return run.counts, run[2].status, repr(run)

    run = flowmagic.run_batch(
        AsyncFlow(start=Look()), [{"i": i} for i in range(4)], limit=1, journal=tmp_path / "j"
    )
    counts, status, text = run[2].output
    assert counts == {"succeeded": 2, "running": 1, "pending": 1}
    assert status == "running"
    assert "1 running" in text
    assert open_journal(tmp_path / "j")[1].counts == {"succeeded": 4}


# Rows that are claimed and do not start


class Wait(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params.get("seconds", 0))


def on_claim(run, act):
    """Call `act` once, when the next row has its slot and waits for the journal."""
    scheduler = run._lifecycle.parts.scheduler
    recorded = scheduler.recorded

    async def acted():
        scheduler.recorded = recorded
        act()
        await recorded()

    scheduler.recorded = acted


ACTS = {
    "pause": lambda run: run.pause(),
    "stop": lambda run: run.stop(),
    "cancel": lambda run: run.cancel(),
    "limit": lambda run: setattr(run, "limit", 2),
    "cancel the row": lambda run: run.cancel(2),
}


@pytest.mark.parametrize("act", ACTS)
async def test_a_row_that_is_held_back_before_it_starts_is_not_in_doubt(tmp_path, act):
    """Its slot was ready, and the journal was still being written."""
    run = flowmagic.batchflow(
        AsyncFlow(start=Wait()), [{"i": i, "seconds": 1_000} for i in range(9)], limit=2,
        journal=tmp_path / "j",
    )  # fmt: skip
    while run.counts.running < 2:
        await asyncio.sleep(0)
    on_claim(run, lambda: ACTS[act](run))
    run.limit = 3
    for _ in range(50):
        await asyncio.sleep(0.001)
        await run.journal.settled()
    (written,) = open_journal(tmp_path / "j")
    under_way = {each.index for each in written if each.status in ("running", "in doubt")}
    assert under_way == set(run.records.live)
    assert 2 not in under_way
    assert written[2].attempts == 0
    await run.cancel()
    (written,) = open_journal(tmp_path / "j")
    assert {each.status for each in written} <= {"cancelled", "pending"}


@pytest.mark.parametrize("act", ["pause", "cancel"])
async def test_a_failed_row_whose_retry_is_held_back_stays_failed(tmp_path, act):
    """In the file, too."""

    class Fail(AsyncNode):
        async def exec_async(self, prepared):
            raise ValueError

    run = flowmagic.batchflow(AsyncFlow(start=Fail()), [{"i": 0}], journal=tmp_path / "j")
    await run
    on_claim(run, lambda: ACTS[act](run))
    run.retry_failed()
    for _ in range(50):
        await asyncio.sleep(0.001)
        await run.journal.settled()
    (written,) = open_journal(tmp_path / "j")
    assert (written[0].status, written[0].attempts) == ("failed", 1)
    assert written[0].error["type"] == "ValueError"
    if act == "pause":
        run.resume()
        await run
        (written,) = open_journal(tmp_path / "j")
        assert (written[0].status, written[0].attempts) == ("failed", 2)


# What is found in the file


def found(*runs):
    """Return the rows in doubt after runs, each given as (key, status, attempts) for its rows."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE instances (run, position, key, status, attempts)")
        for number, rows in enumerate(runs, 1):
            for position, row in enumerate(rows):
                connection.execute(
                    "INSERT INTO instances VALUES (?, ?, ?, ?, ?)",
                    (f"run {number}", position, *row),
                )
        return rows_in_doubt(connection, [(n, f"run {n}") for n in range(1, len(runs) + 1)])


def test_the_latest_run_of_a_row_decides():
    """A row that ended is not in doubt; one that did not run, was restored or skipped is as before."""
    left = ("a", "running", 1)
    assert found([left]) == {"a": [1]}
    assert found([left], [("a", "pending", 0)]) == {"a": [1]}
    assert found([left], [("a", "cancelled", 0)]) == {"a": [1]}
    for status in ("succeeded", "failed", "cancelled"):
        assert found([left], [("a", status, 1)]) == {}
    assert found([left], [left]) == {"a": [2]}
    assert found([("a", "failed", 1)], [left]) == {"a": [2]}
    assert found([left, left, ("a", "succeeded", 1)]) == {"a": [1, 1]}
    assert found([left, ("b", "running", 2)], [("b", "failed", 1)]) == {"a": [1]}


def test_a_row_without_a_key_cannot_be_found():
    """It runs again in its place."""
    assert found([("", "running", 1)]) == {}


@pytest.mark.parametrize(
    ("numbers", "skips", "first", "kernel", "last"),
    [
        ([2], False, "1 row in doubt runs again, last. It was", "the kernel of run 2", "it"),
        (
            [2, 2],
            False,
            "2 rows in doubt run again, last. They were",
            "the kernel of run 2",
            "them",
        ),
        (
            [1] * 2_000,
            True,
            "2,000 rows in doubt are skipped. They were",
            "the kernel of run 1",
            "",
        ),
        ([1, 2], True, "2 rows in doubt are skipped. They were", "an earlier kernel", ""),
        ([3], True, "1 row in doubt is skipped. It was", "the kernel of run 3", ""),
    ],
)
def test_the_notice_says_what_happens_to_them(numbers, skips, first, kernel, last):
    """And why that may matter."""
    text = f"{first} under way when {kernel} died, and may have been paid for."
    if not skips:
        text += f" To leave {last} out, write --in-doubt skip (in_doubt='skip')."
    assert notice(numbers, skips=skips) == text


def test_there_is_no_notice_without_rows_in_doubt():
    """Most resumed runs have none."""
    assert notice([], skips=False) == notice({}.values(), skips=True) == ""
