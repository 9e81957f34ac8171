"""A panel that keeps what it sends, what a page makes of that, and flows to run in one."""

from __future__ import annotations

import asyncio
import json

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel.widget import Panel
from flowmagic.records.batch import as_batch


class Spy(Panel):
    """A panel that keeps what it sends, and the state with which it was opened."""

    def __init__(self, *args, **kwargs):
        self.sent = []
        super().__init__(*args, **kwargs)
        self.sent.clear()  # anywidget's own traits

    def open(self):
        self.opened = self.get_state()
        super().open()

    def _send(self, msg, buffers=None):
        json.dumps(msg, allow_nan=False).encode()  # what cannot be sent must fail here
        now = self._ticker.now()
        content = msg.get("content")
        if content is None:
            named = zip(msg["buffer_paths"], buffers, strict=True)
            content, buffers = {**msg["state"], **{path[0]: each for path, each in named}}, []
        self.sent.append((now, content, buffers or []))

    def ask(self, kind, **more):
        self._on_msg(self, {"type": kind, "client": "page", "n": 1, **more}, [])

    @property
    def now(self):
        return self.get_state("header")["header"]

    @property
    def text(self):
        return self.get_state("editor")["editor"]


class Work(AsyncNode):
    """Takes 0.2 seconds; fails when asked to."""

    async def exec_async(self, prepared):
        await asyncio.sleep(0.2)
        if self.params.get("fail"):
            raise ValueError("asked to fail")


class Page:
    """What the page makes of the messages: rows and header, from deltas and traits."""

    def __init__(self):
        self.seq = -1
        self.gaps = 0
        self.status = {}
        self.header = {}

    def take(self, content, buffers):
        if "snapshot" in content:
            packed = content["snapshot"]
            n = len(packed) // 12
            self.seq = int.from_bytes(packed[-4:], "little")
            self.status = dict(enumerate(packed[10 * n : 11 * n]))
            self.header = dict(content["header"])
            return
        self.gaps += content["seq"] != self.seq + 1
        self.seq = content["seq"]
        self.header.update(content.get("header", {}))
        for packed in buffers:
            for at in range(0, len(packed), 16):
                self.status[int.from_bytes(packed[at : at + 4], "little")] = packed[at + 4]


def made(rows=None, **options):
    """Return a panel over a flow of `Work`, and the list of what its start was called with."""
    calls = []

    def start(batch, limits):
        calls.append((None if batch is None else batch.rows, limits))
        return flowmagic.batchflow(AsyncFlow(start=Work()), batch, limit=limits.concurrency)

    batch = None if rows is None else as_batch(rows)
    return Spy("flow", start, batch=batch, **options), calls


def refused(**options):
    """Return a panel over a flow that a provider refuses once, for 23 seconds, and its rows."""

    class Refused(AsyncNode):
        async def exec_async(self, prepared):
            await asyncio.sleep(0.2)
            if self.params["i"] not in seen:
                seen.add(self.params["i"])
                raise flowmagic.RateLimitHit("slow down", retry_after=23)

    seen = set(range(1, 100))

    def start(batch, limits):
        return flowmagic.batchflow(AsyncFlow(start=Refused()), batch, **options)

    return Spy("flow", start, batch=as_batch([{"i": i} for i in range(40)]))


def headers(panel, key):
    """Return the values of a header entry that were sent in deltas."""
    return [
        content["header"][key]
        for _, content, _ in panel.sent
        if "seq" in content and key in content.get("header", {})
    ]


async def ended(panel):
    """Wait for the end of the run, and for what the panel may send after it."""
    await panel.run
    await asyncio.sleep(1)
