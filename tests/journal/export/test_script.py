"""The script that runs a run of a journal again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import open_journal
from flowmagic.text.redact import MASK

PREFIX = "merged"


class Grade(AsyncNode):
    def __init__(self, pass_at=5):
        super().__init__()
        self.pass_at = pass_at

    async def post_async(self, shared, prepared, executed):
        shared["grade"] = self.params["n"]
        return "passed" if self.params["n"] >= self.pass_at else "failed"


class Double(Grade):
    """Derives from a class that stands before it."""


class Own(AsyncBatchFlow):
    async def prep_async(self, shared):
        return [{"n": n} for n in range(shared["rows"])]


def keep_best(shared, instance):
    """Merge what it wrote."""
    shared[f"{PREFIX} {instance.index}"] = instance.writes


def scripted(path, flow, rows=None, **options):
    """Return the script of a run, and what it prints."""
    flowmagic.run_batch(flow, rows, journal=path / "j", **options)
    with open_journal(path / "j") as journal:
        text = journal[-1].to_script(path / "again.py")
    ended = subprocess.run(
        [sys.executable, str(path / "again.py")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return text, ended.stdout + ended.stderr


def text_of(path, flow, rows=None, **options):
    """Return the script of a run."""
    flowmagic.run_batch(flow, rows, journal=path / "j", **options)
    with open_journal(path / "j") as journal:
        return journal[-1].to_script()


def test_a_script_runs_the_run_again(tmp_path):
    """With the nodes' attributes, the values of the params, the store, and every option."""
    flow = AsyncFlow(start=Double(8))
    rows = [{"n": 9, "where": Path("a"), "x": float("nan"), "y": b"z"}, {"n": 9}]
    text, printed = scripted(
        tmp_path,
        flow,
        rows,
        shared={"style": "short", "lock": asyncio.Lock(), "long": "x" * 5_000},
        limit=3,
        per_minute=6000,
        burst=7,
        timeout=2.5,
        max_errors="50%/30",
        retries=flowmagic.Retries(2, wait=0.1, on=ValueError),
        threads=False,
        keep=17,
        isolate=True,
        merge=keep_best,
        allow_shared=["a", 2],
        track_shared=False,
    )
    assert "finished, 2 succeeded" in printed, printed
    for line in (
        "limit=3", "per_minute=6000", "burst=7", "timeout=2.5", "max_errors=(0.5, 30)",
        "retries=flowmagic.Retries(times=2, wait=0.1, on=ValueError)", "threads=False", "keep=17",
        "isolate=True", "merge=keep_best", "allow_shared=['a', 2]", "track_shared=False",
        "shared=shared",
    ):  # fmt: skip
        assert f"        {line},\n" in text
    assert "pass_at=8" in text
    assert "    'style': 'short'," in text
    assert "    'lock': ...,  # to be defined: it was a Lock" in text
    assert "    'long': ...,  # to be defined: it was a str" in text
    assert "PREFIX = 'merged'" in text
    assert '# journal="runs.journal" is left out' in text
    compile(text, "script", "exec")


def test_attributes_of_any_name_are_set_again(tmp_path):
    """Also of one that is no name in Python, or that the script itself uses."""
    node = Grade(3)
    vars(node).update({"class": 1, "not a name": "x", "kind": [2]})
    text, printed = scripted(tmp_path, node, [{"n": 3}])
    assert "**{'not a name': 'x'}" in text
    assert "finished, 1 succeeded" in printed


def test_options_without_a_source_are_left_out_with_their_reason(tmp_path):
    """Where they would stand: whoever runs the script is to know."""
    text = text_of(
        tmp_path,
        Grade(),
        [{"n": 1}],
        isolate=True,
        merge=partial(keep_best),
        allow_shared=[asyncio.Lock],
        retries=flowmagic.Retries(2, on=partial(isinstance)),
    )
    assert "# merge is left out: it was an object of class partial, which has no source" in text
    assert "# allow_shared is left out: its keys have no form in a journal" in text
    assert "retries=flowmagic.Retries(times=2),\n" in text
    assert "# retries is left out in part: on: it was an object of class partial" in text
    compile(text, "script", "exec")


def test_a_lambda_is_written_where_it_stands(tmp_path):
    """With the names that it uses."""
    text = text_of(
        tmp_path,
        Grade(),
        [{"n": 1}],
        isolate=True,
        merge=lambda shared, instance: shared.update({PREFIX: instance.index}),
    )
    assert (
        "        merge=lambda shared, instance: shared.update({PREFIX: instance.index}),\n" in text
    )
    assert "PREFIX = 'merged'" in text


def test_the_limits_are_those_that_the_run_ended_with(tmp_path):
    """Also where they moved by themselves; the bounds stay."""

    async def tuned(**options):
        run = flowmagic.batchflow(Grade(), [{"n": 1}], journal=tmp_path / "j", **options)
        run.limit, run.per_minute = 9, 1200
        await run
        return open_journal(tmp_path / "j")[-1].to_script()

    text = asyncio.run(tuned(limit=2))
    assert "limit=9,\n" in text
    assert "per_minute=1200,\n" in text
    assert "adaptive='2-9-50',\n" in asyncio.run(tuned(adaptive="2-5-50"))
    made = flowmagic.Adaptive(2, 5, 50, backoff=0.7)
    text = asyncio.run(tuned(adaptive=made))
    assert "adaptive=flowmagic.Adaptive(minimum=2, start=9, maximum=50, backoff=0.7),\n" in text
    assert "limit=9" not in text


def test_a_flow_with_its_own_prep_has_it_again(tmp_path):
    """It may do more than to give params: fill the store, for one."""
    text, printed = scripted(tmp_path, Own(start=Grade()), shared={"rows": 3})
    assert "own prep gave these" in text
    assert "3 succeeded" in printed, printed


def test_rows_that_cannot_be_written_are_gaps(tmp_path):
    """The script then says so itself, and runs nothing."""
    text, printed = scripted(tmp_path, Grade(), [{"n": 1}, {"n": 2, "o": object()}])
    assert "    ...,  # to be defined: row 1 has no form in a journal" in text
    assert "BatchError: Item 1 of the batch" in printed


def test_secrets_are_said_to_be_missing(tmp_path):
    """In params, the store, and the attributes of nodes."""
    node = Grade()
    node.api_key = "sk-12345678"
    text = text_of(
        tmp_path, node, [{"n": 1, "token": "tk-12345678"}], shared={"password": "hunter22"}
    )
    assert f"Secrets were masked in the journal: put them in where it says {MASK!r}" in text
    assert "12345678" not in text
    assert "hunter22" not in text
    assert text.count(MASK) == 4


@pytest.mark.parametrize("rows", [[], [{"n": 1}]])
def test_a_generator_is_said_to_be_one(tmp_path, rows):
    """The script holds what was drawn of it."""
    text = text_of(tmp_path, Grade(), (row for row in rows))
    assert "# From a generator" in text or not rows
    compile(text, "script", "exec")
