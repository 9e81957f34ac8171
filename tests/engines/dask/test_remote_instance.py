"""An instance on a cluster ends once: with its outcome, or lost."""

from __future__ import annotations

import contextvars
import sys
import threading
from types import SimpleNamespace

import pytest

from flowmagic import EngineError, InstanceLostError
from flowmagic.engines.dask.remote_instance import RemoteInstance, SentChunk

from ...virtualtime import virtual

TRACE = SimpleNamespace(row=4)
place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


@virtual
async def test_the_first_end_counts_and_later_ones_are_ignored():
    """The last message of a worker may arrive after its instances have been lost."""
    ended, lost = RemoteInstance(0, {}, TRACE), RemoteInstance(1, {}, TRACE)
    chunk = SentChunk(7, [ended, lost])
    chunk.end(0, b"outcome")
    lost.lose("its worker is gone", "Try again.")
    ended.lose("its worker is gone", "")
    chunk.end(0, b"another")
    chunk.end(1, b"late")
    assert await ended.future == b"outcome"
    with pytest.raises(
        InstanceLostError, match=r"^Instance 4 was lost: its worker is gone\. Try again\.$"
    ):
        await lost.future
    assert (chunk.instances, chunk.ids) == ({}, [0, 1])


@virtual
async def test_a_param_that_cannot_be_pickled_is_named():
    """EngineError, with what to do instead."""
    with pytest.raises(
        EngineError,
        match=r"The param 'lock' is a lock, which cannot be sent to a worker .*Pass what it is",
    ):
        RemoteInstance(0, {"n": 1, "lock": threading.Lock()}, TRACE)


@virtual
async def test_what_it_prints_is_printed_in_its_own_context(monkeypatch):
    """There the run keeps the output of each instance."""
    seen = []
    spy = SimpleNamespace(write=lambda text: seen.append((text, place.get())))
    monkeypatch.setattr(sys, "stderr", spy)
    token = place.set("its own")
    instance = RemoteInstance(0, {}, TRACE)
    place.reset(token)
    instance.print([("stderr", "hello")])
    assert seen == [("hello", "its own")]
