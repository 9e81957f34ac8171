"""A loop whose clock jumps to the next timer, so that no test waits; and a spy on what runs at once."""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock of its loop to it."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if (
            timeout is None
        ):  # nothing is scheduled: only a thread can wake us, and a test must not hang
            return super().select(10)
        events = super().select(0)
        if not events and timeout > 0 and self.loop._scheduled:
            self.loop.now = max(self.loop.now, self.loop._scheduled[0].when())
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which begins at 1000."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run_virtual(main: Coroutine[Any, Any, Any]) -> Any:
    """Do as `asyncio.run` in a VirtualLoop, and check that no task is left at the end."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        result = loop.run_until_complete(main)
        left = asyncio.all_tasks(loop)
        assert not left, f"tasks left behind: {left}"
        return result
    finally:
        asyncio.set_event_loop(None)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run


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
