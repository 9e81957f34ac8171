"""A journal opened to look at: runs and exports."""

from __future__ import annotations

import csv
import functools
import json
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal import open_journal
from flowmagic.journal.reader import listed


class Grade(AsyncNode):
    def __init__(self, pass_at=5):
        super().__init__()
        self.pass_at = pass_at

    async def post_async(self, shared, prepared, executed):
        if self.params["n"] < 0:
            raise ValueError("below zero")
        return "passed" if self.params["n"] >= self.pass_at else "failed"


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "j"
    rows = [{"n": n, "tags": ["a"]} for n in (1, 7, -1)]
    flowmagic.run_batch(AsyncFlow(start=Grade()), rows, journal=path, limit=2)
    flowmagic.run_batch(AsyncFlow(start=Grade(8)), [*rows[:2], {"n": 9}], journal=path)
    with open_journal(path) as opened:
        yield opened


def test_runs_are_found_by_number_and_from_the_end(journal):
    """For a wrong number, the error lists those that there are."""
    assert [run.number for run in journal] == [1, 2]
    assert journal[-1].number == 2
    assert "finished: 2 succeeded, 1 failed" in repr(journal[1])
    with pytest.raises(IndexError, match="no run 3 in this journal; it has 1, 2"):
        journal[3]
    with pytest.raises(IndexError, match="instance 7"):
        journal[1][7]


def test_two_runs_are_compared_by_their_params(journal):
    """Rows with another result, new rows, and rows that no longer run."""
    changes = journal.compare(1, 2)
    assert changes.alike == 1
    assert {(each.params["n"], each.before, each.after) for each in changes} == {
        (7, 1, 1), (9, None, 2), (-1, 2, None),
    }  # fmt: skip
    (changed,) = [each for each in changes if each.params["n"] == 7]
    assert changed.what == "succeeded: 'passed', now succeeded: 'failed'"
    assert "3 rows differ, 1 came out the same." in str(changes)


def test_a_run_becomes_a_table(journal, tmp_path):
    """A DataFrame, CSV, JSONL and Parquet, with the params as columns."""
    frame = journal[1].to_frame()
    assert list(frame["n"]) == [1, 7, -1]
    assert list(frame["status"]) == ["succeeded", "succeeded", "failed"]
    with journal[1].to_csv(tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[1]["n"], rows[1]["tags"], rows[1]["action"]) == ("7", '["a"]', "passed")
    assert rows[2]["error"] == "ValueError: below zero"
    lines = journal[1].to_jsonl(tmp_path / "a.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["tags"] == ["a"]
    polars = pytest.importorskip("polars")
    table = polars.read_parquet(journal[1].to_parquet(tmp_path / "a.parquet"))
    assert table["n"].to_list() == [1, 7, -1]


def test_a_truncated_journal_is_read_as_far_as_it_goes(tmp_path):
    """Reading raises no other error than ours; writing to it is refused."""
    path = tmp_path / "j"
    rows = [{"n": n, "text": "x" * 500} for n in range(400)]
    flowmagic.run_batch(Grade(), rows, journal=path, limit=50).journal.join(20)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 7 // 8])
    read = []
    with open_journal(path) as journal:
        assert repr(journal).endswith("damaged")
        assert "damaged" in repr(journal[1])
        with pytest.raises(JournalError, match="The journal is damaged"):
            for each in journal[1]:
                read.append(each)  # noqa: PERF402 - what came before the error is kept
    assert [each.params for each in read] == rows[: len(read)]
    assert 20 < len(read) < 400
    before = path.read_bytes()
    with pytest.raises(JournalError, match="is damaged .* write to another path"):
        flowmagic.run_batch(Grade(), rows, journal=path)
    assert path.read_bytes() == before


def test_open_journal_needs_a_path():
    """Not a run."""
    with pytest.raises(JournalError, match="open_journal\\('runs.journal'\\)"):
        open_journal(None)


@given(st.integers(0, 10**9))
@settings(max_examples=25)
def test_a_journal_truncated_anywhere_is_read_or_refused(cut):
    """Wherever the kernel, the disk or a copy broke off: no other error than ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        path.write_bytes(whole_journal()[: cut % len(whole_journal())])
        try:
            with open_journal(path) as journal:
                repr(journal)
                assert all(each.params["text"] for run in journal for each in run)
        except JournalError as error:
            assert "journal" in str(error)


@functools.cache
def whole_journal():
    """Return the bytes of a journal."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        rows = [{"n": n, "text": "x" * 500} for n in range(100)]
        flowmagic.run_batch(Grade(), rows, journal=path, limit=50).journal.join(20)
        return path.read_bytes()


AT = datetime(2026, 1, 31, 9, 5, tzinfo=timezone.utc)


def run(number, *, flow="AsyncFlow", status="finished", total=3, **counts):
    return SimpleNamespace(
        number=number,
        flow=flow,
        began=AT,
        status=status,
        total=total,
        counts=counts,
        is_running=False,
    )


def test_runs_are_listed_one_a_line_within_the_width_of_a_terminal():
    """With their counts, one below the other; the run of a dead kernel has not ended."""
    text = listed(
        "runs.journal",
        [
            run(1, total=100, status="running", succeeded=42, pending=58),
            run(2, flow="AVeryLongNameOfAFlow", total=1_200, succeeded=1_198, failed=2),
            run(12, status="cancelled", total=None),
        ],
    )
    assert text.splitlines() == [
        "journal 'runs.journal': 3 runs",
        "  1  2026-01-31 09:05  AsyncFlow        not ended  100: 42 succeeded, 58 pending",
        "  2  2026-01-31 09:05  AVeryLongNameO…  finished   1,200: 1,198 succeeded, 2 failed",
        " 12  2026-01-31 09:05  AsyncFlow        cancelled  0",
    ]
    assert max(map(len, text.splitlines()[:2])) <= 80


def test_of_many_runs_the_latest_are_listed():
    """And how many earlier ones there are."""
    lines = listed("j", [run(number, succeeded=3) for number in range(1, 31)]).splitlines()
    assert lines[:2] == ["journal 'j': 30 runs", "  …  10 earlier"]
    assert [int(line.split()[0]) for line in lines[2:]] == list(range(11, 31))
    assert listed("j", [run(1)]).startswith("journal 'j': 1 run\n")
    assert listed("j", []) == "journal 'j': 0 runs"


class Answer(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return shared["answer"]


def two_runs(tmp_path, rows, before, after, again=None):
    for answer, batch in ((before, rows), (after, again or rows)):
        flowmagic.run_batch(Answer(), batch, shared={"answer": answer}, journal=tmp_path / "j")
    return open_journal(tmp_path / "j").compare(1, 2)


def test_results_that_differ_only_far_behind_are_no_longer_alike(tmp_path):
    """What is shown is cut; what is compared is not."""
    changes = two_runs(tmp_path, [{"n": 1}], "x" * 500 + "a", "x" * 500 + "b")
    assert changes.alike == 0
    assert "which differs further on" in str(changes)


@pytest.mark.parametrize("answer", [float("nan"), {1: "a", "b": [2]}, {3, 4}], ids=range(3))
def test_a_result_of_any_form_is_alike_to_itself(tmp_path, answer):
    """Also one that no comparison finds equal."""
    assert str(two_runs(tmp_path, [{"n": 1}], answer, answer)).startswith(
        "0 rows differ, 1 came out the same."
    )


def test_rows_are_matched_by_params_of_any_form(tmp_path):
    """Keys of several types, in any order; 1, True, "1" and (1,) are told apart."""
    rows = [{1: "a", "b": 2}, {"n": 1}, {"n": True}, {"n": (1,)}, {"n": 1.0}, {"n": "1"}]
    turned = [dict(reversed(row.items())) for row in reversed(rows)]
    assert two_runs(tmp_path, rows, "a", "b", turned).alike == 0
    changes = open_journal(tmp_path / "j").compare(1, 2)
    assert {(each.before, each.after) for each in changes} == {(n, 5 - n) for n in range(6)}


def test_numbers_too_large_to_write_are_shown_all_the_same(tmp_path):
    """The list of changes is for reading."""
    assert "n" in str(two_runs(tmp_path, [{"n": 10**5_000}], "a", "b"))


def test_outputs_are_compared_too(tmp_path):
    """Rows whose actions are the same may have other answers."""
    for suffix in ("", " then", ""):
        node = AsyncNode()
        node.exec_async = AsyncMock(side_effect=[f"Paris{suffix}", "Rome"])
        flowmagic.run_batch(node, [{"n": 1}, {"n": 2}], limit=1, journal=tmp_path / "j")
    journal = open_journal(tmp_path / "j")
    (change,) = journal.compare(1, 2)
    assert change.what == "succeeded: 'Paris', now succeeded: 'Paris then'"
    assert journal.compare(1, 3) == []


def test_a_backup_has_what_was_written_up_to_now(tmp_path):
    """While a run goes on; it is a journal that can be read and continued."""
    path, copies = tmp_path / "j", []

    class Look(Grade):
        async def exec_async(self, prepared):
            with open_journal(path) as journal:
                copies.append(journal.backup(tmp_path / f"copy {self.params['n']}"))

    flowmagic.run_batch(Look(), [{"n": n} for n in range(3)], journal=path, limit=1)
    for n, copy in enumerate(copies):
        with open_journal(copy) as journal:
            assert journal[1].counts.get("succeeded", 0) == n
    with open_journal(path) as journal:
        assert journal[1].counts == {"succeeded": 3}
    with pytest.raises(JournalError, match="This journal is closed"):
        journal.backup(tmp_path / "late")
