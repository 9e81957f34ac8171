"""What a run has to write, on its way to the writer."""

from __future__ import annotations

import asyncio

from flowmagic.journal.outbox import Outbox
from flowmagic.journal.statements import Statement

from ..virtualtime import virtual

SEND = Statement("INSERT INTO somewhere VALUES", "(?)")
LAST = Statement("INSERT INTO elsewhere VALUES", "(?, ?)")


class Writes:
    """Stands in for a writer: writes when it is told to."""

    def __init__(self, told):
        self.told = told
        self.came: list = []
        self.written = 0
        self.error = ""

    def put(self, given):
        self.came.append([value for group in given for value in group.values])

    def write(self):
        self.written = sum(map(len, self.came))
        self.told()


class Groups(Writes):
    """Keeps the groups as they came."""

    def put(self, given):
        self.came += given


@virtual
async def test_statements_of_one_turn_are_passed_on_together():
    """In its order; the next turn begins anew."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    for n in range(3):
        box.put(SEND, n)
    assert box.writer.came == []
    await asyncio.sleep(0)
    box.send(SEND, 3)
    await asyncio.sleep(0)
    assert box.writer.came == [[0, 1, 2], [3]]


@virtual
async def test_settled_waits_only_for_what_was_put_before():
    """Not what came later, nor what is sent along: rows that come all the time would never end."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    box.put(SEND, 0)
    box.send(SEND, 1)
    waiting = asyncio.ensure_future(box.settled())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.writer.write()
    box.put(SEND, 2)
    await asyncio.wait_for(waiting, 1)
    box.flush()
    later = asyncio.ensure_future(box.settled())
    await asyncio.sleep(0.1)
    assert not later.done()
    box.writer.error = "the disk is full"
    box.writer.told()
    await asyncio.wait_for(later, 1)
    await box.settled()


@virtual
async def test_only_those_are_woken_whose_rows_are_written():
    """With many running instances most of them wait, and to wake all of them each time costs much."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    assert box.settled().done()
    waiting = []
    for n in range(4):
        box.put(SEND, n)
        waiting.append(box.settled())
    waiting[0].cancel()
    box.flush()
    box.writer.written = 2
    box.writer.told()
    await asyncio.sleep(0)
    assert [each.done() for each in waiting] == [True, True, False, False]
    box.writer.error = "the disk is full"
    box.writer.told()
    await asyncio.sleep(0)
    assert all(each.done() for each in waiting)


@virtual
async def test_rows_of_one_statement_are_handed_over_as_one_group():
    """One object for each row would make Python's garbage collector stop the loop more often."""
    box = Outbox(asyncio.get_running_loop(), Groups)
    whole = Statement("UPDATE somewhere SET a = ?")
    for n in range(3):
        box.put_last(LAST, n, n)
        box.send(SEND, n)
    box.put(whole, 3)
    box.put(whole, 4)
    await asyncio.sleep(0)
    assert box.writer.came == [
        (SEND, (0, 1, 2)),
        (whole, (3,)),
        (whole, (4,)),
        (LAST, (0, 0, 1, 1, 2, 2)),
    ]
    assert [group.size for group in box.writer.came] == [3, 1, 1, 3]


@virtual
async def test_a_reopened_writer_counts_from_zero():
    """As for a run that continues."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    box.put(SEND, 0)
    await asyncio.sleep(0)
    box.writer.write()
    first = box.writer
    box.open()
    assert box.writer is not first
    await asyncio.wait_for(box.settled(), 1)
    box.put(SEND, 1)
    await asyncio.sleep(0)
    assert (first.came, box.writer.came) == ([[0]], [[1]])
