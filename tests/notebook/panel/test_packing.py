"""The packing of row states."""

from __future__ import annotations

import asyncio
import math
import struct
from array import array
from struct import unpack

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel import packing as module
from flowmagic.notebook.panel.packing import pack_attempts, pack_columns, pack_rows, pack_segments
from flowmagic.notebook.panel.param_list import ParamList
from flowmagic.notebook.panel.queries import Queries
from flowmagic.records.status import FAILED, RUNNING, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.records.trace import Restored

from ...virtualtime import virtual


class Node:
    pass


def some_records() -> RecordStore:
    """Return three rows: one failed at its second attempt, one running, one pending."""
    records = RecordStore({}, 1_000_000.0, 10)
    records.load([{}, {}, {}])
    for _ in range(2):
        records.start(0, 1_000_000.5).open(Node, -1, 1_000_000.5, None)
        records.finish(0, ValueError(), 1_000_000.75, FAILED)
        records.requeue(0)
    records.cancel(0)
    records.start(1, 1_000_002.0)
    return records


def test_a_changed_row_takes_sixteen_bytes():
    """Index, status, earlier attempts, node, started, ended; times from the run's beginning."""
    packed = pack_rows(some_records(), [0, 1])
    assert len(packed) == 32
    assert unpack("<IBBHff", packed[:16]) == (0, FAILED, 1, 1, 0.5, 0.75)
    index, status, _, _, started, ended = unpack("<IBBHff", packed[16:])
    assert (index, status, started) == (1, RUNNING, 2.0)
    assert math.isnan(ended)


def test_a_snapshot_is_columns_and_its_number():
    """Twelve bytes per row, and the sequence number last."""
    packed = pack_columns(some_records(), 77)
    assert len(packed) == 3 * 12 + 4
    assert array("f", packed[:4])[0] == 0.5
    assert array("f", packed[12:16])[0] == 0.75
    assert array("H", packed[24:30]).tolist() == [1, 0, 0]
    assert list(packed[30:33]) == [FAILED, RUNNING, 0]
    assert list(packed[33:36]) == [1, 0, 0]
    assert packed[36:] == (77).to_bytes(4, "little")


def test_a_restored_row_has_succeeded_and_never_started():
    """By which the page knows it, since nothing else that has succeeded is like that."""
    records = RecordStore({}, 0.0, 10)
    records.load([{}, {}])
    records.restore(0, Restored(1, 0, "done", None))
    records.start(1, 2.0)
    records.finish(1, None, 3.0)
    _, *first = unpack("<IBBHff", pack_rows(records, [0]))
    assert first[:3] == [SUCCEEDED, 0, 0]
    assert all(map(math.isnan, first[3:]))
    assert not any(map(math.isnan, unpack("<IBBHff", pack_rows(records, [1]))))


def test_a_snapshot_of_no_rows_is_its_number_alone():
    """An empty batch is no special case."""
    assert pack_columns(RecordStore({}, 0.0, 0), 5) == b"\5\0\0\0"


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


def queries_of(run) -> Queries:
    return Queries(
        lambda: run.records,
        ParamList(None),
        rerun_cell=lambda *_: "",
        call_soon=lambda callback: callback(),
        call_on_loop=lambda *_: None,
        on_ready=lambda: None,
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


class Break(Wait):
    async def post_async(self, shared, prepared, executed):
        raise ValueError("broken")


def test_a_copy_that_raised_is_marked_and_so_are_the_flows_around_it():
    """The node before it, which returned, is not."""
    first, broken = Wait(), Break()
    first >> broken
    run = flowmagic.run_batch(AsyncFlow(start=AsyncFlow(start=first)), [{"wait": 0}])
    names = run.records.node_names
    [copies] = read(pack_segments(run.records, [0])).values()
    seen = [(names[node], depth & 0x7F, depth > 0x7F) for node, depth, _, _ in copies]
    assert seen == [("AsyncFlow", 0, True), ("Wait", 1, False), ("Break", 1, True)]


def test_long_rows_and_many_rows_are_told_in_part(monkeypatch):
    """A row's first copies; and no further row once there are enough of them."""
    monkeypatch.setattr(module, "MAX_COPIES", 2)
    monkeypatch.setattr(module, "MAX_COPIES_PER_MESSAGE", 4)
    run = flowmagic.run_batch(graph(), [{"wait": 0}] * 5)
    rows = read(pack_segments(run.records, range(5)))
    assert {index: len(copies) for index, copies in rows.items()} == {0: 2, 1: 2}


def test_a_page_is_answered_once_with_what_it_asked_for_last():
    """Rows that are none are left out, and nothing waits once the answer is given."""
    run = flowmagic.run_batch(graph(), [{"wait": 0}] * 3)
    queries = queries_of(run)
    queries.handlers["segments"]({"type": "segments", "client": "one", "rows": [0]})
    queries.handlers["segments"](
        {"type": "segments", "client": "one", "rows": [2, 7, -1, "x", None, 1]}
    )
    queries.handlers["segments"]({"type": "segments", "client": "two", "rows": [0]})
    assert queries.has_answers
    packed = dict(queries.add_answers({"type": "delta", "seq": 1}))
    assert list(packed) == ["segments one", "segments two"]
    assert list(read(packed["segments one"])) == [2, 1]
    assert list(read(packed["segments two"])) == [0]
    assert not queries.has_answers
    assert queries.add_answers({"type": "delta", "seq": 2}) == []


def test_a_question_that_makes_no_sense_is_answered_with_nothing():
    """A page may send anything."""
    queries = queries_of(flowmagic.run_batch(graph(), [{"wait": 0}]))
    for rows in (None, "0", {"0": 1}, 3):
        queries.handlers["segments"]({"type": "segments", "client": "page", "rows": rows})
        [(_, packed)] = queries.add_answers({"type": "delta", "seq": 1})
        assert packed == b""


def test_of_very_many_rows_the_first_are_told():
    """A message stays small whatever a page asks for."""
    run = flowmagic.run_batch(Wait(), [{"wait": 0}] * 300)
    queries = queries_of(run)
    queries.handlers["segments"]({"type": "segments", "client": "page", "rows": list(range(300))})
    [(_, packed)] = queries.add_answers({"type": "delta", "seq": 1})
    assert len(read(packed)) == 200


def test_pages_beyond_the_most_are_forgotten_oldest_first():
    """One that asks under ever new names does not fill the memory."""
    queries = queries_of(flowmagic.run_batch(graph(), [{"wait": 0}]))
    for n in range(10):
        queries.handlers["segments"]({"type": "segments", "client": f"page {n}", "rows": [0]})
    names = [name for name, _ in queries.add_answers({"type": "delta", "seq": 1})]
    assert names == [f"segments page {n}" for n in range(6, 10)]


def read_attempts(packed: bytes) -> dict[int, tuple[int, list[tuple[int, int, float, float]]]]:
    """Return how many attempts were before, and status, number, start and end of each, by row."""
    rows, at = {}, 0
    while at < len(packed):
        index, earlier, told = struct.unpack_from("<IBB", packed, at)
        at += 6
        each = [struct.unpack_from("<BHff", packed, at + 11 * n) for n in range(told)]
        rows[index] = earlier, each
        at += 11 * told
    return rows


def tried(times: int) -> RecordStore:
    """Return two rows: one that has failed so often, a second each, and one that has not started."""
    records = RecordStore({}, 1_000.0, 10)
    records.load([{}, {}])
    for number in range(times):
        records.start(0, 1_000.0 + 2 * number)
        records.finish(0, ValueError(), 1_001.0 + 2 * number, FAILED)
        if number < times - 1:
            records.requeue(0)
    return records


def test_each_earlier_attempt_tells_how_it_ended_and_when_it_ran():
    """The latest is none; a row that was never retried has none."""
    assert read_attempts(pack_attempts(tried(3), [0, 1])) == {
        0: (2, [(FAILED, 1, 0, 1), (FAILED, 2, 2, 3)]),
        1: (0, []),
    }


def test_of_very_many_attempts_those_that_are_kept_are_told_with_their_numbers():
    """The page knows from the number before them that it has all there is."""
    [(earlier, each)] = read_attempts(pack_attempts(tried(300), [0])).values()
    assert earlier == 255
    assert [number for _, number, _, _ in each] == list(range(280, 300))


def test_a_message_is_bounded(monkeypatch):
    """No further row once there are enough attempts; the page asks for it again."""
    monkeypatch.setattr(module, "MAX_ATTEMPTS_PER_MESSAGE", 3)
    records = tried(3)
    assert list(read_attempts(pack_attempts(records, [0, 0, 1]))) == [0]
    assert len(pack_attempts(records, [0, 0, 0])) == 2 * (6 + 2 * 11)


def test_a_page_is_answered_once():
    """As it is for node copies; of a row that there is not, nothing is told."""
    queries = Queries(
        lambda: tried(2),
        ParamList(None),
        rerun_cell=lambda *_: "",
        call_soon=lambda callback: callback(),
        call_on_loop=lambda *_: None,
        on_ready=lambda: None,
    )
    queries.handlers["attempts"]({"type": "attempts", "client": "one", "rows": [0, 9, "x"]})
    assert queries.has_answers
    [(name, packed)] = queries.add_answers({"type": "delta", "seq": 1})
    assert name == "attempts one"
    assert list(read_attempts(packed)) == [0]
    assert not queries.has_answers
    queries.handlers["attempts"]({"type": "attempts", "client": "one", "rows": [0]})
    queries.reset()
    assert queries.add_answers({"type": "delta", "seq": 2}) == []
