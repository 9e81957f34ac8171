"""The node copies of rows, packed for the timeline."""

from __future__ import annotations

import asyncio
import math
import struct

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook import segments as module
from flowmagic.notebook.asked import Asked
from flowmagic.notebook.paramlist import ParamList
from flowmagic.notebook.segments import pack_segments

from .virtualtime import virtual


class Wait(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params["wait"])


class Last(Wait):
    pass


def graph() -> AsyncFlow:
    """Two nodes, the first in a flow of its own."""
    inner, last = AsyncFlow(start=Wait()), Last()
    inner >> last
    return AsyncFlow(start=inner)


def read(packed: bytes) -> dict[int, list[tuple[int, int, float, float]]]:
    """Return node, depth, start and end of each copy, by row."""
    rows, at = {}, 0
    while at < len(packed):
        index, copies = struct.unpack_from("<IH", packed, at)
        at += 6
        rows[index] = [struct.unpack_from("<HBff", packed, at + 11 * n) for n in range(copies)]
        at += 11 * copies
    return rows


def asked_of(run) -> Asked:
    return Asked(
        lambda: run.records,
        ParamList(None),
        code=lambda *_: "",
        soon=lambda step: step(),
        ready=lambda: None,
    )


@virtual
async def test_each_copy_tells_its_node_its_depth_and_when_it_ran():
    """A copy that runs has no end yet; a row that has not started has no copies."""
    run = flowmagic.batchflow(graph(), [{"wait": 1}, {"wait": 10}, {"wait": 1}], limit=2)
    await asyncio.sleep(1.5)
    rows = read(pack_segments(run.records, [0, 1, 2]))
    names = run.records.node_names
    seen = [(names[node], depth, start, end) for node, depth, start, end in rows[0]]
    assert seen == [("AsyncFlow", 0, 0, 1), ("Wait", 1, 0, 1), ("Last", 0, 1, seen[2][3])]
    assert math.isnan(seen[2][3])
    assert [(node, math.isnan(end)) for node, _, _, end in rows[1]] == [
        (names.index("AsyncFlow"), True),
        (names.index("Wait"), True),
    ]
    assert rows[2] == []
    await run
    rows = read(pack_segments(run.records, [1, 2]))
    assert [(start, end) for _, _, start, end in rows[1]] == [(0, 10), (0, 10), (10, 20)]
    assert [(start, end) for _, _, start, end in rows[2]][-1] == (3, 4)


def test_long_rows_and_many_rows_are_told_in_part(monkeypatch):
    """A row's first copies; and no further row once there are enough of them."""
    monkeypatch.setattr(module, "MOST_COPIES", 2)
    monkeypatch.setattr(module, "MOST_TOLD", 4)
    run = flowmagic.run_batch(graph(), [{"wait": 0}] * 5)
    rows = read(pack_segments(run.records, range(5)))
    assert {index: len(copies) for index, copies in rows.items()} == {0: 2, 1: 2}


def test_a_page_is_answered_once_with_what_it_asked_for_last():
    """Rows that are none are left out, and nothing waits once the answer is given."""
    run = flowmagic.run_batch(graph(), [{"wait": 0}] * 3)
    asked = asked_of(run)
    assert asked.take({"type": "segments", "client": "one", "rows": [0]})
    asked.take({"type": "segments", "client": "one", "rows": [2, 7, -1, "x", None, 1]})
    asked.take({"type": "segments", "client": "two", "rows": [0]})
    assert asked.waiting
    packed = dict(asked.answer({"type": "delta", "seq": 1}, []))
    assert list(packed) == ["segments one", "segments two"]
    assert list(read(packed["segments one"])) == [2, 1]
    assert list(read(packed["segments two"])) == [0]
    assert not asked.waiting
    assert asked.answer({"type": "delta", "seq": 2}, []) == []


def test_a_question_that_makes_no_sense_is_answered_with_nothing():
    """A page may send anything."""
    asked = asked_of(flowmagic.run_batch(graph(), [{"wait": 0}]))
    for rows in (None, "0", {"0": 1}, 3):
        asked.take({"type": "segments", "client": "page", "rows": rows})
        [(_, packed)] = asked.answer({"type": "delta", "seq": 1}, [])
        assert packed == b""


def test_of_very_many_rows_the_first_are_told():
    """A message stays small whatever a page asks for."""
    run = flowmagic.run_batch(Wait(), [{"wait": 0}] * 300)
    asked = asked_of(run)
    asked.take({"type": "segments", "client": "page", "rows": list(range(300))})
    [(_, packed)] = asked.answer({"type": "delta", "seq": 1}, [])
    assert len(read(packed)) == 200


def test_pages_beyond_the_most_are_forgotten_oldest_first():
    """One that asks under ever new names does not fill the memory."""
    asked = asked_of(flowmagic.run_batch(graph(), [{"wait": 0}]))
    for n in range(10):
        asked.take({"type": "segments", "client": f"page {n}", "rows": [0]})
    names = [name for name, _ in asked.answer({"type": "delta", "seq": 1}, [])]
    assert names == [f"segments page {n}" for n in range(6, 10)]
