"""What a page is told of a run as a whole."""

from __future__ import annotations

from typing import get_type_hints

from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.panel.header_types import FailureGroup, Header, HeldBack, LimitState

from ...virtualtime import virtual
from .spied import made


class Fails(AsyncNode):
    async def exec_async(self, prepared):
        raise ValueError("no")


@virtual
async def test_what_is_sent_has_the_entries_that_are_typed():
    """The page reads each of them, and no other."""
    flowmagic.set_limit("openai", concurrency=3)
    try:
        panel, _ = made([{}])
        panel.show(flowmagic.batchflow(Fails(), [{}]))
        await panel.run
        header = panel.now
    finally:
        flowmagic.remove_limit("openai")
    parts = (
        (header, Header),
        (header["failures"][0], FailureGroup),
        (header["held_back"], HeldBack),
        (header["limits"][0], LimitState),
    )
    for sent, typed in parts:
        assert set(sent) == set(get_type_hints(typed))
