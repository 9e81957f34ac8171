"""The rows of a run, in the file before they run."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import open_journal, row_log


class Ask(AsyncNode):
    """Changes what stands in its params, as one that keeps a conversation there."""

    async def exec_async(self, prepared):
        self.params["said"].append("hello")
        if self.params["i"] == 2:
            raise ValueError("no answer")

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"


def batch(n=5):
    return [{"i": i, "said": []} for i in range(n)]


async def stopped(path, given, *, after):
    """Start a run with a journal, and stop it when `after` instances have ended."""
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), given, limit=1, journal=path)
    while run.counts.ended < after:
        await asyncio.sleep(0)
    run.stop()
    return await run


def test_rows_that_never_started_are_in_the_file(tmp_path):
    """As pending, with their params, unlike those that have ended."""
    asyncio.run(stopped(tmp_path / "j", batch(40), after=2))
    run = open_journal(tmp_path / "j")[-1]
    ended = 40 - run.counts["pending"]
    assert (run.status, run.total) == ("stopped", 40)
    assert [row["i"] for row in run.params] == list(range(40))
    assert [str(each.status) == "pending" for each in run] == [i >= ended for i in range(40)]
    last = run[39]
    assert (last.result, last.attempts, last.copies, last.printed, last.unwritten) == (
        None, 0, [], "", "",
    )  # fmt: skip
    assert repr(run).endswith(f"{run.counts['pending']} pending>")
    flowmagic.run_batch(AsyncFlow(start=Ask()), journal=tmp_path / "j", resume=True)
    changed = open_journal(tmp_path / "j").compare(1, 2)
    assert changed.alike == ended
    assert all(each.what.startswith("pending, now") for each in changed)


@pytest.mark.parametrize("share", [1, 1e-9])
def test_a_long_list_is_written_in_slices_during_the_run(tmp_path, monkeypatch, share):
    """All of it in the end, however short the run was; the loop is held for no longer than a slice."""
    slices = []
    clock = iter(range(10**9))
    monkeypatch.setattr(row_log, "_SLICE", 5)
    monkeypatch.setattr(row_log, "time", type("", (), {"perf_counter": lambda: next(clock)}))
    flush = row_log.RowLog._flush

    def counted(self):
        slices.append(len(self._chunk))
        flush(self)

    monkeypatch.setattr(row_log.RowLog, "_flush", counted)
    monkeypatch.setattr(row_log, "_SHARE", share)
    monkeypatch.setattr(row_log, "_CHUNK", 10)
    asyncio.run(stopped(tmp_path / "j", batch(100), after=1))
    assert max(slices) <= 10 + 6
    assert sum(slices) == len(open_journal(tmp_path / "j")[-1].params) == 100


def test_a_row_is_recognised_by_its_params_before_it_ran(tmp_path):
    """A node may change its params: the row remains the same."""
    for given in (batch(), (row for row in batch()), batch()):
        run = flowmagic.run_batch(
            AsyncFlow(start=Ask()), given, journal=tmp_path / "j", resume=True
        )
    assert [each.restored for each in run.instances] == [1, 1, None, 1, 1]
    assert [row["said"] for row in open_journal(tmp_path / "j")[2].params] == [[]] * 5


def test_rows_of_a_generator_are_written_as_they_end(tmp_path):
    """In full, also where no row is kept; retried ones once."""
    run = flowmagic.run_batch(
        AsyncFlow(start=Ask()), (row for row in batch()), keep=0, retries=flowmagic.Retries(1, 1e-9),
        journal=tmp_path / "j",
    )  # fmt: skip
    assert run.counts.failed == 1
    written = open_journal(tmp_path / "j")[-1]
    assert [(each.params["i"], each.status, each.attempts) for each in written] == [
        (0, "succeeded", 1), (1, "succeeded", 1), (2, "failed", 2), (3, "succeeded", 1),
        (4, "succeeded", 1),
    ]  # fmt: skip
    assert [len(each.copies) for each in written] == [1] * 5


async def test_the_file_knows_the_batch_while_it_runs(tmp_path, monkeypatch):
    """Whoever kills the kernel now finds all rows there, also those of later slices."""
    go, known = asyncio.Event(), asyncio.Event()
    flush = row_log.RowLog._flush

    def written(self):
        flush(self)
        if self._next == 50:
            known.set()

    monkeypatch.setattr(row_log.RowLog, "_flush", written)
    monkeypatch.setattr(row_log, "_SLICE", 0)

    class Wait(AsyncNode):
        async def exec_async(self, prepared):
            await go.wait()

    run = flowmagic.batchflow(Wait(), [{"i": i} for i in range(50)], journal=tmp_path / "j")
    await asyncio.wait_for(known.wait(), 20)
    run.limit = 9
    while run.counts.running < 9:
        await asyncio.sleep(0)
    await run.journal.settled()
    written = open_journal(tmp_path / "j")[-1]
    assert (written.status, written.total) == ("running", 50)
    assert written.counts == {"running": 9, "pending": 41}
    assert written.limit_history[-1][1] == 9
    go.set()
    assert (await run).ok


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_batch_is_written_as_one(tmp_path, n):
    """And one of a single row."""
    flowmagic.run_batch(AsyncFlow(start=Ask()), batch(n), journal=tmp_path / "j")
    assert len(open_journal(tmp_path / "j")[-1]) == n


def test_no_index_slows_down_the_writing(tmp_path):
    """Only the table itself: by hashes, each row would go to another page of the file."""
    flowmagic.run_batch(AsyncFlow(start=Ask()), batch(1), journal=tmp_path / "j")
    connection = sqlite3.connect(tmp_path / "j")
    made = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%'")
    assert made.fetchall() == []
    connection.close()
