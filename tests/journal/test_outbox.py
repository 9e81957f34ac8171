"""What is on its way to the writer."""

from __future__ import annotations

import asyncio

from flowmagic.journal.outbox import Outbox
from flowmagic.journal.writer import Statement

from ..virtualtime import virtual

PUT = Statement("INSERT INTO somewhere VALUES", "(?)")


class Writes:
    """Stands in for a writer: writes when it is told to."""

    def __init__(self, told):
        self.told = told
        self.came: list = []
        self.written = 0
        self.trouble = ""

    def put(self, given):
        self.came.append([values for _, values in given])

    def write(self):
        self.written = sum(map(len, self.came))
        self.told()


@virtual
async def test_what_comes_in_one_turn_is_handed_over_at_once():
    """In its order; the next turn begins anew."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    for n in range(3):
        box.put(PUT, n)
    assert box.writer.came == []
    await asyncio.sleep(0)
    box.send(PUT, 3)
    await asyncio.sleep(0)
    assert box.writer.came == [[(0,), (1,), (2,)], [(3,)]]


@virtual
async def test_only_what_was_put_before_is_waited_for():
    """Not what came later, nor what is sent along: rows that come all the time would never end."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    box.put(PUT, 0)
    box.send(PUT, 1)
    waiting = asyncio.ensure_future(box.settled())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.writer.write()
    box.put(PUT, 2)
    await asyncio.wait_for(waiting, 1)
    box.flush()
    later = asyncio.ensure_future(box.settled())
    await asyncio.sleep(0.1)
    assert not later.done()
    box.writer.trouble = "the disk is full"
    box.writer.told()
    await asyncio.wait_for(later, 1)
    await box.settled()


@virtual
async def test_a_writer_opened_anew_starts_counting_anew():
    """As for a run that is taken up again."""
    box = Outbox(asyncio.get_running_loop(), Writes)
    box.put(PUT, 0)
    await asyncio.sleep(0)
    box.writer.write()
    first = box.writer
    box.open()
    assert box.writer is not first
    await asyncio.wait_for(box.settled(), 1)
    box.put(PUT, 1)
    await asyncio.sleep(0)
    assert (first.came, box.writer.came) == ([[(0,)]], [[(1,)]])
