"""One run of a journal: its rows, and its batch to run again."""

from __future__ import annotations

import sqlite3
from enum import Enum

import numpy as np
import pandas as pd
import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError, RemoteError
from flowmagic.journal import open_journal


class Grade(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        if self.params["n"] < 0:
            raise ValueError("below zero")
        return "passed" if self.params["n"] >= 5 else "failed"


def test_a_closed_journal_says_that_it_is_closed(tmp_path):
    """Also if a run is read after the `with` block it came from."""
    with open_journal_of(tmp_path) as journal:
        run = journal[1]
        started = iter(run)
        next(started)
    for look in (lambda: run.counts, lambda: run.instances, lambda: next(started)):
        with pytest.raises(JournalError, match="closed. Open it again"):
            look()


def open_journal_of(folder):
    flowmagic.run_batch(Grade(), [{"n": 1}, {"n": 2}], journal=folder / "j")
    return open_journal(folder / "j")


def made(path, rows, flow=None, **options):
    flowmagic.run_batch(flow or Grade(), rows, journal=path, **options)
    return open_journal(path)[-1]


def test_a_run_returns_its_batch_as_it_was(tmp_path):
    """Dates, bytes, paths and numpy values too."""
    np = pytest.importorskip("numpy")
    rows = [{"n": 1, "a": (b"x", {2}), "x": np.float32(2)}, {"n": -1, "where": tmp_path}]
    again = made(tmp_path / "j", rows).batch()
    assert again == rows
    assert isinstance(again[1]["where"], type(tmp_path))


class Answer(Enum):
    YES = 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"n": 1}, {"n": 2, "api_key": "sk-12345678"}],
            "row 1 cannot be read back as it was: a secret",
        ),
        ([{"n": 1, "o": {"token": "sk-12345678"}}], "row 0 cannot be read back as it was"),
        ([{"n": 1, "answer": Answer.YES}], "row 0 cannot be read back as it was"),
        ([{"n": 1, "o": object()}], "row 0 could not be stored"),
        (({"n": n} for n in range(2)), "they came from a generator"),
    ],
)
def test_a_batch_that_cannot_be_read_back_as_it_was_is_refused(tmp_path, rows, said):
    """Rather than run with a mask, or with another value than the original one."""
    run = made(tmp_path / "j", rows)
    with pytest.raises(
        JournalError, match=f"run 1 cannot be taken.*{said}.*resume\\(path, flow, p"
    ):
        run.batch()


def test_a_batch_that_was_not_written_to_its_end_is_refused(tmp_path):
    """Its kernel was killed right at the beginning of a long list."""
    made(tmp_path / "j", [{"n": 1}, {"n": 2}])
    connection = sqlite3.connect(tmp_path / "j")
    connection.execute("DELETE FROM instances WHERE position = 1")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="1 of 2 rows had been written when its kernel died"):
        open_journal(tmp_path / "j")[-1].batch()


def test_secrets_come_back_if_they_are_kept(tmp_path):
    """With `journal_secrets`."""
    rows = [{"n": 1, "api_key": "sk-12345678"}]
    assert made(tmp_path / "j", rows, journal_secrets=True).batch() == rows


def test_a_run_knows_what_it_was_started_with_and_how_it_ended(tmp_path):
    """Its options, the flow's own params, where its rows came from, and its counts."""
    flow = Grade()
    flow.set_params({"of": "the flow"})
    run = made(tmp_path / "j", [{"n": 7}, {"n": -1}], flow, limit=2)
    assert (run.number, run.flow, run.status, run.total) == (1, "Grade", "finished", 2)
    assert run.options["limit"] == 2
    assert run.base == {"of": "the flow"}
    assert run.drawn_by == "list"
    assert run.counts == {"succeeded": 1, "failed": 1}
    assert run.params == [{"of": "the flow", "n": 7}, {"of": "the flow", "n": -1}]
    assert repr(run).endswith("finished: 1 succeeded, 1 failed>")


def test_the_instances_of_a_run_are_found_by_index(tmp_path):
    """An index that is not there is an IndexError that names the run."""
    run = made(tmp_path / "j", [{"n": n} for n in (7, 1)])
    assert len(run) == 2
    assert [each.result for each in run] == [each.result for each in run.instances]
    assert (run[0].result, run[1].result) == ("passed", "failed")
    with pytest.raises(IndexError, match="Run 1 of this journal has no instance 2"):
        run[2]


def test_a_run_is_exported_as_a_script_that_can_be_written_to_a_file(tmp_path):
    """The file has the same text as the one that is returned."""
    run = made(tmp_path / "j", [{"n": 7}])
    text = run.to_script(tmp_path / "again.py")
    assert (tmp_path / "again.py").read_text(encoding="utf-8") == text
    compile(text, "again.py", "exec")


def test_a_run_of_a_journal_has_the_frame_of_the_run_itself(tmp_path):
    """With the same columns and values, outputs and errors included."""

    class Grade(AsyncNode):
        async def exec_async(self, _):
            return {"mark": np.float32(self.params["n"]), "n": b"x"}

        async def post_async(self, shared, prepared, executed):
            if self.params["n"] < 0:
                raise ValueError("below zero")
            return "passed"

    rows = [{"n": 7, "status": np.float32(0.5)}, {"n": -1}]
    run = flowmagic.run_batch(Grade(), rows, journal=tmp_path / "j", isolate=True)
    again = open_journal(tmp_path / "j")[1]
    pd.testing.assert_frame_equal(again.to_frame(), run.to_frame())
    assert list(again.to_frame().columns) == [
        *("n", "status", "output", "status_", "seconds", "attempts", "action", "error", "writes"),
    ]
    for options in ({"expand": True}, {"nodes": True}):
        pd.testing.assert_frame_equal(again.to_frame(**options), run.to_frame(**options))
    assert list(again.to_frame(nodes=True)["Grade"])[1] == {"mark": -1, "n": b"x"}
    # The times of the file are rounded otherwise.
    assert again.to_polars().drop("seconds").equals(run.to_polars().drop("seconds"))


def test_nodes_are_columns_of_a_frame(tmp_path):
    """As in a run."""
    run = made(tmp_path / "j", [{"n": 7}])
    assert list(run.to_frame(nodes=True).columns)[-1] == "Grade"


def test_a_frame_has_the_indices_of_the_rows_that_were_written(tmp_path):
    """A kernel may have died before some were; those after them keep their places."""
    made(tmp_path / "j", [{"n": n} for n in range(3)])
    with sqlite3.connect(tmp_path / "j") as connection:
        connection.execute("DELETE FROM instances WHERE position = 1")
    frame = open_journal(tmp_path / "j")[1].to_frame()
    assert list(frame.index) == [0, 2]
    assert list(frame["n"]) == [0, 2]


class Fetch(AsyncNode):
    async def exec_async(self, prepared):
        return {"page": self.params["n"]}


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        if self.params["n"] == 1:
            raise ValueError("no answer")
        return None if self.params["n"] == 2 else f"answer {self.params['n']}"


class Tell(AsyncNode):
    pass


def test_outputs_are_read_as_of_a_live_run(tmp_path):
    """Of each instance, and of each of its node copies; an error stands for one that failed."""
    first = Fetch()
    first >> Ask() >> Tell()
    live = flowmagic.run_batch(
        AsyncFlow(start=first), [{"n": n} for n in range(3)], journal=tmp_path / "j"
    )
    run = open_journal(tmp_path / "j")[-1]
    assert [each.output for each in run] == [each.output for each in live.instances]
    assert [[copy.output for copy in each.copies] for each in run] == [
        [{"page": 0}, "answer 0", None], [{"page": 1}, None], [{"page": 2}, None, None],
    ]  # fmt: skip
    assert [copy.params for copy in run[0].copies] == [{"n": 0}] * 3
    answer, error, page = run.outputs
    assert (answer, page) == ("answer 0", {"page": 2}) == (live.outputs[0], live.outputs[2])
    assert isinstance(error, RemoteError)
    assert str(error) == "ValueError: no answer"
