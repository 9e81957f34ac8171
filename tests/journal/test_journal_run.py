"""One run of a journal: its rows, and its batch to run again."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from enum import Enum
from types import SimpleNamespace

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import JournalError
from flowmagic.journal import open_journal


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


def test_a_closed_journal_says_so(tmp_path):
    """A run that is looked at after the `with` it came from."""
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


def test_a_run_gives_its_batch_again_if_it_is_there_as_it_was(tmp_path):
    """Dates, bytes, paths and numpy too."""
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
    """As a kernel leaves it that was killed right at the beginning of a long list."""
    made(tmp_path / "j", [{"n": 1}, {"n": 2}])
    connection = sqlite3.connect(tmp_path / "j")
    connection.execute("DELETE FROM instances WHERE position = 1")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="1 of 2 rows had been written when its kernel died"):
        open_journal(tmp_path / "j")[-1].batch()


def test_secrets_that_are_kept_come_back(tmp_path):
    """With `journal_secrets`."""
    rows = [{"n": 1, "api_key": "sk-12345678"}]
    assert made(tmp_path / "j", rows, journal_secrets=True).batch() == rows


AT = datetime(2026, 1, 31, 9, 5, tzinfo=timezone.utc)


def run(number, *, flow="AsyncFlow", status="finished", total=3, **counts):
    return SimpleNamespace(
        number=number, flow=flow, began=AT, status=status, total=total, counts=counts
    )
