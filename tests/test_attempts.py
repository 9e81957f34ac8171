"""The earlier attempts of rows, packed for the timeline."""

from __future__ import annotations

import asyncio
import struct

from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook import attempts as module
from flowmagic.notebook.asked import Asked
from flowmagic.notebook.attempts import pack_attempts
from flowmagic.notebook.bars import EARLIER, Bar, bars_of
from flowmagic.notebook.paramlist import ParamList
from flowmagic.notebook.statictimeline import as_html, as_lines
from flowmagic.records import FAILED, SUCCEEDED, Records

from .virtualtime import virtual


def read(packed: bytes) -> dict[int, tuple[int, list[tuple[int, int, float, float]]]]:
    """Return how many attempts were before, and status, number, start and end of each, by row."""
    rows, at = {}, 0
    while at < len(packed):
        index, earlier, told = struct.unpack_from("<IBB", packed, at)
        at += 6
        each = [struct.unpack_from("<BHff", packed, at + 11 * n) for n in range(told)]
        rows[index] = earlier, each
        at += 11 * told
    return rows


def tried(times: int) -> Records:
    """Return two rows: one that has failed so often, a second each, and one that has not started."""
    records = Records({}, 1_000.0, 10)
    records.load([{}, {}])
    for number in range(times):
        records.start(0, 1_000.0 + 2 * number)
        records.finish(0, ValueError(), 1_001.0 + 2 * number, FAILED)
        if number < times - 1:
            records.requeue(0)
    return records


def test_each_earlier_attempt_tells_how_it_ended_and_when_it_ran():
    """The latest is none; a row that was never retried has none."""
    assert read(pack_attempts(tried(3), [0, 1])) == {
        0: (2, [(FAILED, 1, 0, 1), (FAILED, 2, 2, 3)]),
        1: (0, []),
    }


def test_of_very_many_attempts_those_that_are_kept_are_told_with_their_numbers():
    """The page knows from the number before them that it has all there is."""
    [(earlier, each)] = read(pack_attempts(tried(300), [0])).values()
    assert earlier == 255
    assert [number for _, number, _, _ in each] == list(range(280, 300))


def test_a_message_is_bounded(monkeypatch):
    """No further row once there are enough attempts; the page asks for it again."""
    monkeypatch.setattr(module, "MOST_TOLD", 3)
    records = tried(3)
    assert list(read(pack_attempts(records, [0, 0, 1]))) == [0]
    assert len(pack_attempts(records, [0, 0, 0])) == 2 * (6 + 2 * 11)


def test_a_page_is_answered_once():
    """As it is for node copies; of a row that there is not, nothing is told."""
    asked = Asked(
        lambda: tried(2),
        ParamList(None),
        code=lambda *_: "",
        soon=lambda step: step(),
        ready=lambda: None,
    )
    assert asked.take({"type": "attempts", "client": "one", "rows": [0, 9, "x"]})
    assert asked.waiting
    [(name, packed)] = asked.answer({"type": "delta", "seq": 1}, [])
    assert name == "attempts one"
    assert list(read(packed)) == [0]
    assert not asked.waiting
    asked.take({"type": "attempts", "client": "one", "rows": [0]})
    asked.forget()
    assert asked.answer({"type": "delta", "seq": 2}, []) == []


class Second(AsyncNode):
    """Fails at its first attempt."""

    tries = 0

    async def exec_async(self, prepared):
        await asyncio.sleep(self.params["wait"])
        Second.tries += self.params.get("fails", 0)
        if self.params.get("fails") and Second.tries == 1:
            raise ValueError("not yet")


@virtual
async def test_a_saved_notebook_shows_them_pale_where_they_ran():
    """In the same lane, with a title of their own; words say what they are."""
    Second.tries = 0
    run = await flowmagic.batchflow(Second(), [{"wait": 4, "fails": 1}, {"wait": 6}], limit=2)
    run.retry_failed()
    await run
    assert bars_of(run.records, run.elapsed)[0] == Bar(
        0.0, 4.0, EARLIER, "#0 attempt 1 failed, 0.00 s + 4.00 s"
    )
    assert [bar.code for bar in bars_of(run.records, run.elapsed)] == [
        EARLIER,
        SUCCEEDED,
        SUCCEEDED,
    ]
    html, lines = as_html(run), as_lines(run)
    assert "title='#0 attempt 1 failed, 0.00 s + 4.00 s'" in html
    assert "pale earlier attempts" in html
    assert "✗" not in html.partition("<p")[0], "it did not fail in the end"
    assert lines[1].startswith("│····")
    assert any("· earlier attempts" in line for line in lines)
