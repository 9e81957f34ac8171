"""The outputs of node copies in a journal."""

from __future__ import annotations

import contextlib

import pytest
from pocketflow import AsyncFlow, AsyncNode, Node

import flowmagic
from flowmagic.journal.database import open_file
from flowmagic.journal.outbox import Outbox
from flowmagic.journal.reusable import Reusable, ReusableOutputs, reuse_findings
from flowmagic.journal.writer import Writer


@pytest.fixture
async def opened(tmp_path):
    """Return a function that opens the outputs for a run; what it adds is in the file at the end."""
    import asyncio

    path = tmp_path / "runs.journal"
    open_file(path, write=True).close()
    loop = asyncio.get_running_loop()

    @contextlib.asynccontextmanager
    async def of_run(run, secrets=None):
        outbox = Outbox(loop, lambda progress, _: Writer(path, progress, full=False))
        outputs = ReusableOutputs(path, run, lambda: outbox, secrets)
        try:
            yield outputs
            await outbox.settled()
        finally:
            outbox.close()
            outputs.close()
            outbox.writer.join()

    return of_run


def found(text, key=b"k" * 16):
    return Reusable(key, text, 1.5, 300)


async def test_a_later_run_finds_an_output_and_this_run_does_not(opened):
    """Equal rows of one run never get each other's outputs."""
    async with opened("first") as first:
        first.add(b"code", ("n",), found('"one"'), 3, 0)
        assert first.take(b"k" * 16, 3) is None
    async with opened("second") as second:
        assert second.reads(b"code") == [("n",)]
        assert second.take(b"k" * 16, 3) == found('"one"')
        assert second.take(b"k" * 16, 3) is None


async def test_an_output_of_the_same_row_is_preferred_and_the_latest_comes_first(opened):
    """Each is given once."""
    async with opened("first") as first:
        for row in range(3):
            first.add(b"code", None, found(f'"{row}"'), row, 0)
    async with opened("second") as second:
        second.add(b"code", None, found('"newer"'), 7, 0)
    async with opened("third") as third:
        texts = [third.take(b"k" * 16, row).text for row in (1, 9, 9, 9)]
        assert texts == ['"1"', '"newer"', '"2"', '"0"']
        assert third.reads(b"code") == [None]


async def test_outputs_that_are_read_ahead_are_those_that_are_looked_up(opened):
    """In whatever order the rows come, each output is given once, and large ones come alone."""
    keys = [bytes([n]) * 16 for n in range(120)]
    texts = [f'"{n}"' if n % 40 else f'"{"x" * 20_000}"' for n in range(120)]
    async with opened("first") as first:
        for row, (key, text) in enumerate(zip(keys, texts, strict=True)):
            first.add(b"code", None, found(text, key), row, 0)
    orders = [range(120), range(119, -1, -1), [*range(60, 120), *range(60)]]
    for number, order in enumerate(orders):
        async with opened(f"run {number}") as run:
            assert [run.take(keys[n], n) for n in order] == [
                found(texts[n], keys[n]) for n in order
            ]
            assert [run.take(keys[n], n) for n in order] == [None] * 120


async def test_equal_outputs_are_not_read_ahead(opened):
    """Which of them is given depends on the row."""
    keys = [b"a" * 16, b"b" * 16, b"b" * 16]
    async with opened("first") as first:
        for row, key in enumerate(keys):
            first.add(b"code", None, found(f'"{row}"', key), row, 0)
    async with opened("second") as second:
        texts = [
            second.take(key, row).text for row, key in [(0, keys[0]), (1, keys[1]), (1, keys[1])]
        ]
        assert texts == ['"0"', '"1"', '"2"']


async def test_an_output_with_a_secret_is_not_written(opened):
    """A mask would come back as data."""
    async with opened("first", lambda _: frozenset({"sk-1234567890"})) as outputs:
        assert outputs.encode("the key is sk-1234567890", 0) is None
        assert outputs.encode("the answer", 0) == '"the answer"'
        assert outputs.encode(object(), 0) is None


class Ask(AsyncNode):
    style = "warm"

    async def exec_async(self, _):
        return self.style


class Random(Node):
    reuse = False


async def test_a_check_says_before_the_run_what_would_run_and_why(tmp_path, monkeypatch):
    """Without running anything."""
    path = tmp_path / "runs.journal"
    open_file(path, write=True).close()
    node = Ask()
    node >> Random()
    flow = AsyncFlow(start=node)

    def said():
        return {each.node: each.what for each in reuse_findings(flow, path)}

    assert said()["Ask"] == "Its exec runs: the journal has no earlier run of it with reuse."
    await flowmagic.batchflow(flow, [{}], journal=path, reuse=True)
    assert said()["Ask"] == "Its exec runs only for new inputs: its code is that of the last run."
    assert said()["Random"] == "Its exec is never reused: it says reuse = False."
    monkeypatch.setattr(Ask, "style", "cold")
    assert said()["Ask"].startswith("Its exec runs: ")
    assert "Ask.style changed" in said()["Ask"]


async def test_a_missing_journal_is_no_error_of_a_check(tmp_path):
    """The run would create it."""
    assert [each.what for each in reuse_findings(Ask(), tmp_path / "new.journal")] == [
        "Its exec runs: the journal has no earlier run of it with reuse."
    ]
