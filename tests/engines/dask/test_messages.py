"""What a chunk tells its run, and how often."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from flowmagic.engines.dask import messages
from flowmagic.engines.dask.messages import MESSAGE_EVERY, MessageSender, news_of

from ...virtualtime import virtual


class Worker:
    """Keeps what is told, with the topic."""

    address = "tcp://worker:1"

    def __init__(self):
        self.told = []

    def log_event(self, topic, message):
        self.told.append((topic, message))


@pytest.fixture(autouse=True)
def _loops_clock(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr(messages, "time", clock)


PART = (7, (0, [1, -1, -2, 5.0, 6.0], {}, {}, {}), [("stdout", "hello")])


def telling(worker, news):
    made = MessageSender(worker, "topic", "run", 3, news)
    made.begin()
    return made


@virtual
async def test_each_message_says_of_which_chunk_it_is_and_when_it_was_sent():
    """The run tells its own from others by that, and the worker's clock from its own."""
    worker = Worker()
    telling(worker, lambda: ([PART], [(7, b"outcome")])).flush()
    assert [topic for topic, _ in worker.told] == ["topic", "topic"]
    (_, began), (_, parts) = worker.told
    origin = {"run": "run", "chunk": 3, "worker": "tcp://worker:1", "now": 1000.0}
    assert began == {"began": True, **origin}
    assert parts == {"parts": parts["parts"], **origin}
    assert news_of(parts) == ([PART], [(7, b"outcome")])


@virtual
async def test_what_happens_at_once_is_one_message_and_the_next_follows_in_time():
    """However often there is something new; what is asked for in between is not lost."""
    worker, loop = Worker(), asyncio.get_running_loop()
    made = telling(worker, lambda: ([PART], []))
    worker.told.clear()
    for _ in range(3):
        made.soon()
    await asyncio.sleep(MESSAGE_EVERY / 2)
    assert len(worker.told) == 1
    made.soon()
    made.soon()
    await asyncio.sleep(1)
    assert [message["now"] - 1000 for _, message in worker.told] == pytest.approx(
        [0, MESSAGE_EVERY]
    )
    assert loop.time() > 1001


@virtual
async def test_told_at_once_nothing_is_told_again_and_nothing_new_is_no_message():
    """The end of a chunk follows the last of its news, and needs none."""
    worker, news = Worker(), [[], [PART]]
    made = telling(worker, lambda: (news.pop(), []))  # asked a third time, it raises
    made.soon()
    made.flush()
    made.flush()
    made.end(1.5, 0.5, 2, [7])
    raised = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    await asyncio.sleep(1)
    assert raised == []
    names = [
        name
        for _, message in worker.told
        for name in ("began", "parts", "ended")
        if name in message
    ]
    assert names == ["began", "parts", "ended"]
    assert worker.told[-1][1]["ended"] == (1.5, 0.5, 2, [7])
