"""The event loop of a thread that runs none: it is kept from one run to the next.

`asyncio.run` makes a new loop each time. A client that is kept in a module, such as `AsyncOpenAI()`,
keeps connections of the first loop, and a second run would fail with "Event loop is closed".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine like `asyncio.run`, on the loop that this thread keeps.

    Tasks that are left are cancelled, as by `asyncio.run`. The loop is closed when the thread or the
    program ends. A process that was forked begins with a loop of its own.

    Raises:
        BaseException: what the coroutine raises; KeyboardInterrupt if it is interrupted.
    """
    loop = _loop_of_thread()
    try:
        return _run(loop, main)
    finally:
        _cancel_rest(loop)


class _Kept:
    """A loop, and the process that made it; without references, the loop is closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.process = os.getpid()
        weakref.finalize(self, _close, self.loop, self.process)


_threads = threading.local()
_inherited: list[_Kept] = []
"""Loops of the process that forked this one. They are never closed, since they share its selector."""


def _loop_of_thread() -> asyncio.AbstractEventLoop:
    kept: _Kept | None = getattr(_threads, "kept", None)
    if kept is not None and kept.process != os.getpid():
        _inherited.append(kept)
        kept = None
    if kept is None or kept.loop.is_closed():
        kept = _threads.kept = _Kept()
    return kept.loop


if sys.version_info >= (3, 11):

    def _run(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, T]) -> T:
        # A runner turns Ctrl-C into a cancellation of `main`. It is not closed: that closes its loop.
        return asyncio.Runner(loop_factory=lambda: loop).run(main)

else:

    def _run(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, T]) -> T:
        return loop.run_until_complete(main)


def _cancel_rest(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))
    for task in left:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {
                    "message": "A task failed while it was cancelled",
                    "exception": error,
                    "task": task,
                }
            )


def _close(loop: asyncio.AbstractEventLoop, process: int) -> None:
    if process != os.getpid() or loop.is_running() or loop.is_closed():
        return
    with contextlib.suppress(RuntimeError):  # the interpreter may be too far in its shutdown
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
