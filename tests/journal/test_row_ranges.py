"""Rows of a resumed run, of which the file has only the place in an earlier run."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal import open_journal
from flowmagic.journal.row_ranges import RangeLog, RowRange, _without

N = 30


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        if self.params.get("wait"):
            await asyncio.sleep(1_000)
        return {"answer": self.params["i"]}

    async def post_async(self, shared, prepared, executed):
        return f"action {self.params['i']}"


def ask(rows, path, **options):
    run = flowmagic.run_batch(AsyncFlow(start=Ask()), rows, journal=path, resume=True, **options)
    run.journal.join(20)
    return run


def rows(n=N):
    return [{"i": i, "text": "x" * 1_000} for i in range(n)]


def in_file(path, table):
    with closing(sqlite3.connect(path)) as connection:
        sql = f"SELECT * FROM {table} WHERE run IN (SELECT max(number) FROM runs)"
        if table == "instances":
            sql = "SELECT position FROM instances WHERE run = (SELECT id FROM runs ORDER BY number DESC)"
        return connection.execute(sql).fetchall()


def same(one, other):
    """Whether two runs have the same rows with the same outcomes."""
    return [(each.index, each.params, each.status, each.result, each.output) for each in one] == [
        (each.index, each.params, each.status, each.result, each.output) for each in other
    ]


def test_a_resume_with_nothing_to_do_writes_no_row_again(tmp_path):
    """Nor does the resume of a resume: both refer to the run that ran the rows."""
    path = tmp_path / "j"
    ask(rows(), path)
    for number in (2, 3):
        size = path.stat().st_size
        ask(rows(), path)
        assert path.stat().st_size - size <= 4096
        assert in_file(path, "instances") == []
        assert in_file(path, "ranges") == [(number, 0, 0, N, 1, 0), (number, 1, 0, N, 1, 0)]
    with open_journal(path) as journal:
        first, _, last = journal
        assert same(first, last)
        assert journal.compare(1, 3) == []
        assert (last.counts, len(last), last.total) == ({"succeeded": N}, N, N)
        assert last.batch() == last.params == rows()
        assert last.outputs == first.outputs
        seven = last[7]
        assert (seven.restored, seven.attempts, seven.seconds, seven.copies) == (
            (1, 7),
            0,
            None,
            [],
        )
        assert list(last)[7] == seven
        assert last.to_script().count("'text': 'xxx") == N
        with pytest.raises(IndexError, match=f"no instance {N}"):
            last[N]
    assert flowmagic.run_batch(AsyncFlow(start=Ask()), journal=path, resume=True).outputs == [
        {"answer": i} for i in range(N)
    ]


def test_rows_from_several_runs_in_another_order_are_found_again(tmp_path):
    """With new ones, which run, among them."""
    path, every = tmp_path / "j", rows()
    ask(every[:10], path)
    ask(every[5:20], path)  # five of them restored
    mixed = [*every[20:], *reversed(every[:20])]
    run = ask(mixed, path)
    assert [each.restored for each in run.instances] == [None] * 10 + [2] * 10 + [1] * 10
    with open_journal(path) as journal:
        last = journal[-1]
        assert last.params == mixed
        assert [each.output for each in last] == run.outputs
        assert last[12].restored == (2, 12)
        assert last[25].restored == (1, 4)
        assert [last[i] for i in range(N)] == last.instances
    assert len(in_file(path, "instances")) == 10


def test_rows_that_were_recognised_but_not_reached_are_pending(tmp_path):
    """As when the kernel dies, or the run is stopped: the batch is in the file all the same."""
    path, slow = tmp_path / "j", {"i": -1, "wait": True}
    ask(rows(), path)

    async def stop_early():
        batch = [*rows(3), slow, *rows()[3:]]
        run = flowmagic.batchflow(AsyncFlow(start=Ask()), batch, limit=1, journal=path, resume=True)
        while not run.counts.running:
            await asyncio.sleep(0)
        run.cancel()
        await run
        run.journal.join(20)
        return batch

    batch = asyncio.run(stop_early())
    assert in_file(path, "instances") == [(3,)]
    with open_journal(path) as journal:
        last = journal[-1]
        assert last.batch() == batch
        assert last.counts == {"succeeded": 3, "cancelled": 1, "pending": N - 3}
        assert [each.status for each in last][2:6] == [
            "succeeded",
            "cancelled",
            "pending",
            "pending",
        ]
        pending = last[5]
        assert pending == last.instances[5]
        assert (pending.params, pending.result, pending.output, pending.restored) == (
            batch[5], None, None, None,
        )  # fmt: skip
    assert ask(rows(), path).counts.succeeded == N
    assert in_file(path, "ranges")[-1] == (3, 1, 0, N, 1, 0)


def test_a_row_whose_outcome_cannot_be_read_is_a_row_of_its_own(tmp_path):
    """It runs again, and has its params and its new outcome; those around it are restored."""
    path = tmp_path / "j"
    ask(rows(), path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE instances SET output = '{' WHERE position = 4")
    run = ask(rows(), path)
    assert [each.index for each in run.instances if each.restored is None] == [4]
    assert in_file(path, "instances") == [(4,)]
    with open_journal(path) as journal:
        last = journal[-1]
        assert last.batch() == rows()
        assert last.outputs == run.outputs == [{"answer": i} for i in range(N)]
        assert (last.counts, last[4].restored) == ({"succeeded": N}, None)
    assert [each.restored for each in ask(rows(), path).instances] == [1] * 4 + [2] + [1] * (N - 5)


def test_restored_rows_of_a_generator_are_not_written_again(tmp_path):
    """Those that run are."""
    path = tmp_path / "j"
    ask(rows(5), path)
    ask((row for row in rows(8)), path)
    assert in_file(path, "instances") == [(5,), (6,), (7,)]
    with open_journal(path) as journal:
        assert journal[-1].params == rows(8)
        assert journal[-1].counts == {"succeeded": 8}


def test_rows_of_an_earlier_run_that_are_missing_are_not_passed_over(tmp_path):
    """The file is damaged: what comes before them is read."""
    path = tmp_path / "j"
    ask(rows(), path)
    ask(rows(), path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM instances WHERE position = 4")
    with open_journal(path) as journal:
        for look in (
            lambda: journal[-1].instances,
            lambda: journal[-1].params,
            lambda: journal[-1][4],
        ):
            with pytest.raises(JournalError, match="damaged.*rows of run 1 are missing"):
                look()


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3)), max_size=30), st.integers(0, 7))
def test_what_is_added_is_what_the_ranges_cover(places, flushes):
    """Each row once, in as few ranges as there are breaks, however often they are written."""
    written = {}

    def write(each):
        written[each.first] = each

    log = RangeLog(write)
    for index, (source, position) in enumerate(places):
        log.add(index, source, position)
        if flushes and index % flushes == 0:
            log.flush()
    log.flush()
    rows = [
        (each.source, each.source_first + n)
        for _, each in sorted(written.items())
        for n in range(each.size)
    ]
    assert rows == places
    breaks = sum(b != (a[0], a[1] + 1) for a, b in itertools.pairwise(places))
    assert len(written) == (breaks + 1 if places else 0)


def intervals(draw_from):
    """Return disjoint intervals in order, as first and end."""
    return st.lists(st.integers(0, draw_from), max_size=12, unique=True).map(
        lambda cuts: list(zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False))
    )


@given(intervals(40), intervals(40))
def test_what_is_left_of_ranges_is_what_was_not_taken(ranges, taken):
    """Each row with its place in the earlier run."""
    rows = [RowRange(first, end - first, 1, first + 100) for first, end in ranges]
    left = [i for each in _without(rows, taken) for i in range(each.first, each.end)]
    gone = {i for first, end in taken for i in range(first, end)}
    assert left == [i for first, end in ranges for i in range(first, end) if i not in gone]
    assert all(each.source_first == each.first + 100 for each in _without(rows, taken))
