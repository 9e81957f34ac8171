"""The virtual clock of `flowmagic.testing`, as the tests use it; and a spy on what runs at once."""

from __future__ import annotations

import asyncio

from flowmagic.testing import VirtualLoop, run_virtual, virtual

__all__ = ["Spy", "VirtualLoop", "run_virtual", "virtual"]


class Spy:
    """Counts what is inside its `with` blocks, and the most there ever was."""

    def __init__(self) -> None:
        self.live = self.peak = 0
        self.starts: list[float] = []

    def __enter__(self) -> Spy:  # noqa: PYI034 - typing.Self is younger than Python 3.10
        self.live += 1
        self.peak = max(self.peak, self.live)
        self.starts.append(asyncio.get_running_loop().time())
        return self

    def __exit__(self, *_: object) -> None:
        self.live -= 1
