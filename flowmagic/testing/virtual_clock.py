"""An event loop whose clock jumps to the next timer: ten minutes of rate limits take milliseconds.

Whatever waits by the loop's clock (`asyncio.sleep`, `asyncio.timeout`, the limits of flowmagic) takes
no time, and its order does not depend on the machine. What waits otherwise does: threads, subprocesses,
sockets, `time.sleep`. While such a wait is the only thing left to happen, the loop waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")

_MOMENT = 0.01  # seconds of real time, after which it is asked again what is under way
_LONGEST_WAIT = 10.0  # seconds of real time for a thread to report; a test must not hang


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock of its loop to it."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:  # no timer: only a thread or a socket can wake the loop
            return super().select(_LONGEST_WAIT)
        events = super().select(0)
        if not events and timeout > 0:
            if self.loop.is_awaiting():
                return super().select(_MOMENT)
            self.loop.jump()
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which begins at 1000.

    Attributes:
        now: what the clock shows, in seconds.
        is_awaiting: returns whether something is under way in a thread that the clock must not overtake,
            such as the writing of a journal; by default, nothing is.
    """

    def __init__(self) -> None:
        self.is_awaiting: Callable[[], bool] = _no
        selector = _JumpingSelector()
        selector.loop = self
        self.now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        """Return what the clock shows, in seconds."""
        return self.now

    def jump(self) -> None:
        """Move the clock to the next timer, if there is one."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if timers:
            self.now = max(self.now, timers[0].when())


def _no() -> bool:
    return False


def run_virtual(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine like `asyncio.run`, on a `VirtualLoop`, and return its result.

    In a notebook, whose own loop is running, it runs in a thread; the cell waits for it.

    Raises:
        AssertionError: it has left tasks behind.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(main)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, _run, main).result()


def _run(main: Coroutine[Any, Any, _T]) -> _T:
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        result = loop.run_until_complete(main)
        left = asyncio.all_tasks(loop)
        if left:
            raise AssertionError(f"These tasks are left behind: {left}")
        return result
    finally:
        asyncio.set_event_loop(None)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        for _ in range(2):
            loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Decorate an async test, so that `run_virtual` runs it; pytest needs no plugin for it."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run
