"""Which messages a chunk sends to its run, and how often."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from flowmagic.engines.dask import messages
from flowmagic.engines.dask.messages import (
    MESSAGE_INTERVAL,
    InstanceEnd,
    InstanceUpdate,
    MessageSender,
    updates_in,
)
from flowmagic.engines.dask.trace_diff import TraceDiff

from ...virtualtime import virtual


class Worker:
    """Keeps the messages, with their topics."""

    address = "tcp://worker:1"

    def __init__(self):
        self.messages = []

    def log_event(self, topic, message):
        self.messages.append((topic, message))


@pytest.fixture(autouse=True)
def _loops_clock(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr(messages, "time", clock)


DIFF = TraceDiff(0, [1, -1, -2, 5.0, 6.0], {}, {}, {}, {})
UPDATE = InstanceUpdate(7, DIFF, [("stdout", "hello")])
END = InstanceEnd(7, b"outcome")


def started(worker, collect):
    sender = MessageSender(worker, "topic", "run", 3, collect)
    sender.send_start()
    return sender


@virtual
async def test_each_message_names_its_chunk_and_the_time_when_it_was_sent():
    """So the run recognizes its own messages, and the offset of the worker's clock."""
    worker = Worker()
    started(worker, lambda: ([UPDATE], [END])).flush()
    assert [topic for topic, _ in worker.messages] == ["topic", "topic"]
    (_, began), (_, updates) = worker.messages
    origin = {"run": "run", "chunk": 3, "worker": "tcp://worker:1", "now": 1000.0}
    assert began == {"began": True, **origin}
    assert updates == {"updates": updates["updates"], **origin}
    assert updates_in(updates) == ([UPDATE], [END])


@virtual
async def test_updates_of_one_moment_are_one_message_and_the_next_follows_after_the_interval():
    """However often one is scheduled; none is lost."""
    worker, loop = Worker(), asyncio.get_running_loop()
    sender = started(worker, lambda: ([UPDATE], []))
    worker.messages.clear()
    for _ in range(3):
        sender.schedule()
    await asyncio.sleep(MESSAGE_INTERVAL / 2)
    assert len(worker.messages) == 1
    sender.schedule()
    sender.schedule()
    await asyncio.sleep(1)
    assert [message["now"] - 1000 for _, message in worker.messages] == pytest.approx(
        [0, MESSAGE_INTERVAL]
    )
    assert loop.time() > 1001


@virtual
async def test_a_flush_sends_the_scheduled_message_and_nothing_if_there_is_no_update():
    """The end of the chunk is the last message."""
    worker, updates = Worker(), [[], [UPDATE]]
    sender = started(worker, lambda: (updates.pop(), []))  # a third call raises
    sender.schedule()
    sender.flush()
    sender.flush()
    sender.send_end(1.5, 0.5, 2, has_large=True)
    raised = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    await asyncio.sleep(1)
    assert raised == []
    names = [
        name
        for _, message in worker.messages
        for name in ("began", "updates", "ended")
        if name in message
    ]
    assert names == ["began", "updates", "ended"]
    assert worker.messages[-1][1]["ended"] == (1.5, 0.5, 2, True)
