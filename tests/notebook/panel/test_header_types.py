"""What a page is told of a run as a whole."""

from __future__ import annotations

import asyncio
from typing import get_type_hints

from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.panel.header_types import (
    FailureGroup,
    Header,
    HeldBack,
    LimitState,
    WaitingRows,
)
from flowmagic.run.api import start
from flowmagic.run.options import Options

from ...virtualtime import virtual
from .spied import made


class Asks(AsyncNode):
    async def exec_async(self, prepared):
        async with flowmagic.limit("openai"):
            await asyncio.sleep(1)
        raise ValueError("no")


@virtual
async def test_what_is_sent_has_the_entries_that_are_typed():
    """The page reads each of them, and no other."""
    flowmagic.set_limit("openai", concurrency=1)
    try:
        panel, _ = made([{}])
        panel.show(start(Asks(), [{}, {}], shared=None, options=Options(capture=True)))
        await asyncio.sleep(0.5)
        waits = panel.now["waits"]
        await panel.run
        header = panel.now
    finally:
        flowmagic.remove_limit("openai")
    parts = (
        (header, Header),
        (header["failures"][0], FailureGroup),
        (header["held_back"], HeldBack),
        (header["limits"][0], LimitState),
        (waits[0], WaitingRows),
    )
    for sent, typed in parts:
        assert set(sent) == set(get_type_hints(typed))
