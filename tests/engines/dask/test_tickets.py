"""An instance that is with the cluster ends once: with its outcome, or lost."""

from __future__ import annotations

import contextvars
import sys
import threading
from types import SimpleNamespace

import pytest

from flowmagic import EngineError, InstanceLostError
from flowmagic.engines.dask.tickets import SentChunk, Ticket

from ...virtualtime import virtual

TRACE = SimpleNamespace(row=4)
place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


@virtual
async def test_what_comes_first_is_the_end_and_the_rest_is_ignored():
    """A worker may be given up, and its last message come nevertheless."""
    ended, lost = Ticket(0, {}, TRACE), Ticket(1, {}, TRACE)
    chunk = SentChunk(7, [ended, lost])
    chunk.end(0, b"outcome")
    lost.lose("was lost with its worker", " Try again.")
    ended.lose("was lost with its worker", "")
    chunk.end(0, b"another")
    chunk.end(1, b"late")
    assert await ended.future == b"outcome"
    with pytest.raises(
        InstanceLostError, match=r"^Instance 4 was lost with its worker\. Try again"
    ):
        await lost.future
    assert (chunk.tickets, chunk.numbers) == ({}, [0, 1])


@virtual
async def test_a_param_that_cannot_travel_is_named():
    """EngineError, with what to do instead."""
    with pytest.raises(EngineError, match=r"The param 'lock' is a lock.*Give what it is made from"):
        Ticket(0, {"n": 1, "lock": threading.Lock()}, TRACE)


@virtual
async def test_what_it_prints_is_printed_in_its_own_context(monkeypatch):
    """There its own output is, where outputs are kept."""
    seen = []
    spy = SimpleNamespace(write=lambda text: seen.append((text, place.get())))
    monkeypatch.setattr(sys, "stderr", spy)
    token = place.set("its own")
    ticket = Ticket(0, {}, TRACE)
    place.reset(token)
    ticket.print([("stderr", "hello")])
    assert seen == [("hello", "its own")]
