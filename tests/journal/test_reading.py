"""A journal opened to look at: runs, exports, and the script that runs one again."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

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


def test_runs_are_listed_and_found_by_number_and_from_the_end(journal):
    """A wrong number is answered with those that there are."""
    assert [run.number for run in journal] == [1, 2]
    assert journal[-1].number == 2
    assert "finished: 1 failed, 2 succeeded" in repr(journal)
    with pytest.raises(IndexError, match="no run 3 in this journal; it has 1, 2"):
        journal[3]
    with pytest.raises(IndexError, match="instance 7"):
        journal[1][7]


def test_two_runs_are_compared_by_their_params(journal):
    """What came out otherwise, what is new, what is no longer run."""
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
    assert (rows[1]["n"], rows[1]["tags"], rows[1]["result"]) == ("7", '["a"]', "passed")
    assert rows[2]["error"] == "ValueError: below zero"
    lines = journal[1].to_jsonl(tmp_path / "a.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["tags"] == ["a"]
    polars = pytest.importorskip("polars")
    table = polars.read_parquet(journal[1].to_parquet(tmp_path / "a.parquet"))
    assert table["n"].to_list() == [1, 7, -1]


def test_the_script_of_a_run_runs_it_again(journal, tmp_path):
    """In a Python of its own, without a notebook, with the node's attributes and the limits."""
    path = tmp_path / "again.py"
    text = journal[2].to_script(path)
    assert "pass_at=8" in text
    ended = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "finished, 3 succeeded" in ended.stdout


def test_a_script_says_what_it_cannot_know(tmp_path):
    """A client is no constant; a secret is not taken along."""
    source = """
import asyncio, json as j
from pocketflow import AsyncNode
import flowmagic, sys
client, API_KEY, PROMPT = object(), "sk-12345678", "Say {}"
def ask(text): return client, j.dumps(text)
class Use(AsyncNode):
    async def exec_async(self, prepared):
        return ask(PROMPT), API_KEY
flowmagic.run_batch(Use(), [{"api_key": "sk-12345678"}], journal=sys.argv[1])
print(flowmagic.journal.open_journal(sys.argv[1])[1].to_script())
"""
    path = tmp_path / "made.py"
    path.write_text(source)
    made = subprocess.run(
        [sys.executable, str(path), str(tmp_path / "j")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    text = made.stdout
    assert "client = ...  # to be defined: it was a object" in text
    assert "API_KEY = ...  # to be defined" in text
    assert "PROMPT = 'Say {}'" in text
    assert "import json as j" in text
    assert "def ask(text)" in text
    assert "sk-12345678" not in text
    assert "Secrets were masked" in text
    compile(text, "script", "exec")


def test_a_journal_cut_in_the_middle_is_told_and_what_can_be_read_is_read(tmp_path):
    """Reading never raises anything but our own error; writing to it is refused."""
    path = tmp_path / "j"
    rows = [{"n": n, "text": "x" * 500} for n in range(400)]
    flowmagic.run_batch(Grade(), rows, journal=path, limit=50)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    read = []
    with pytest.raises(JournalError, match="damaged|no journal"):
        for run in open_journal(path):
            read.extend(run)
    assert len(read) < 400


def test_open_journal_says_what_it_wants():
    """A path, not a run."""
    with pytest.raises(JournalError, match="open_journal\\('runs.journal'\\)"):
        open_journal(None)
