"""Waiting for the end of a run: with `await` in any event loop, or blocking in any thread."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from ..errors import BlockedLoopError, NoRunningLoopError


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Waiters:
    """Wakes everything that waits for the end of a run, in all loops and threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ended = threading.Event()
        self._futures: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        """Whether nothing has to wait: the run has ended, and its observers have been called."""
        return self._ended.is_set()

    def release(self) -> None:
        """Wake all waiters: the run has ended, and its observers have been called."""
        self._ended.set()
        with self._lock:
            futures, self._futures = self._futures, []
        for future in futures:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                future.get_loop().call_soon_threadsafe(_wake, future)

    def hold(self) -> None:
        """Make waiters wait from now on: the run continues."""
        self._ended.clear()

    async def settled(self) -> None:
        """Wait for the end."""
        with self.future() as end:
            await end

    @contextlib.contextmanager
    def future(self) -> Iterator[asyncio.Future[None]]:
        """Give a future of the loop that runs here, which is done when the run has ended.

        Something else may set its result before that. Leave the block when it is not awaited any more.
        """
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._ended.is_set():
                future.set_result(None)
            else:
                self._futures.append(future)
        try:
            yield future
        finally:
            with self._lock:
                if future in self._futures:
                    self._futures.remove(future)

    def block(self, timeout: float | None) -> None:
        """Block until the end, also in a thread whose loop is running.

        Args:
            timeout: seconds; None: any time.

        Raises:
            TimeoutError: the run has not ended in time.
            NoRunningLoopError: the run cannot end any more, since its loop is closed.
            BlockedLoopError: see `run_nested`.
        """
        __tracebackhide__ = True
        if self._ended.is_set():
            return
        here = running_loop()
        if here is None and self._loop.is_running():
            if not self._ended.wait(timeout):
                raise TimeoutError(f"The run has not ended within {timeout} seconds.")
            return
        if here is None and self._loop.is_closed():
            raise NoRunningLoopError(
                "The event loop of this run was closed before the run had ended."
            )
        end = self._settles_within(timeout)
        ended = self._loop.run_until_complete(end) if here is None else run_nested(here, end)
        if not ended:
            raise TimeoutError(f"The run has not ended within {timeout} seconds.")

    async def _settles_within(self, timeout: float | None) -> bool:
        # Not raised: in JupyterLite it would fail the cell even if the cell catches it.
        try:
            await asyncio.wait_for(self.settled(), timeout)
        except asyncio.TimeoutError:
            return False
        return True


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_Result = TypeVar("_Result")


def run_nested(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end within a loop that is running, and return its result.

    Raises:
        BlockedLoopError: this loop cannot block (uvloop), or this browser cannot (pyodide).
    """
    try:
        # Pyodide's loop can block without it, if the browser can switch stacks.
        if sys.platform != "emscripten":
            import nest_asyncio2

            nest_asyncio2.apply(loop)
        return loop.run_until_complete(coroutine)
    except (RuntimeError, ValueError) as error:
        coroutine.close()
        where = "in this browser" if sys.platform == "emscripten" else "in this event loop"
        raise BlockedLoopError(
            f"wait() cannot block {where} ({error}). Write `await run`."
        ) from None
