"""Who waits for the end of a run: with `await` in any event loop, or blocking in any thread."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread; None where none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Waiters:
    """Lets go all who wait when the end has come, wherever they are.

    Args:
        loop: in which the run is.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._over = threading.Event()
        self._futures: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    def release(self) -> None:
        """Let all go: the run has ended, and all who observe it have been told."""
        self._over.set()
        with self._lock:
            futures, self._futures = self._futures, []
        for future in futures:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                future.get_loop().call_soon_threadsafe(_wake, future)

    def hold(self) -> None:
        """Have whoever comes from now on wait: the run was taken up again."""
        self._over.clear()

    async def settled(self) -> None:
        """Wait for the end."""
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._over.is_set():
                return
            self._futures.append(future)
        try:
            await future
        finally:
            with self._lock:
                if future in self._futures:
                    self._futures.remove(future)

    def block(self, timeout: float | None) -> None:
        """Block until the end, also where a loop runs in this thread.

        Raises:
            TimeoutError: it has not come within so many seconds.
            RuntimeError: it cannot come any more, since the run's loop is closed; or nobody can
                block in this loop (uvloop's; in a browser, pyodide's).
        """
        __tracebackhide__ = True
        if self._over.is_set():
            return
        here = running_loop()
        if here is None and self._loop.is_running():
            if not self._over.wait(timeout):
                raise TimeoutError(f"The run has not ended within {timeout} seconds.")
            return
        if here is None and self._loop.is_closed():
            raise RuntimeError("The event loop of this run was closed before the run had ended.")
        end = self._settles_within(timeout)
        ended = self._loop.run_until_complete(end) if here is None else run_nested(here, end)
        if not ended:
            raise TimeoutError(f"The run has not ended within {timeout} seconds.")

    async def _settles_within(self, timeout: float | None) -> bool:
        # Not raised: in JupyterLite it would fail the cell, too, in which somebody has caught it.
        try:
            await asyncio.wait_for(self.settled(), timeout)
        except asyncio.TimeoutError:
            return False
        return True


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_Result = TypeVar("_Result")


def run_nested(loop: asyncio.AbstractEventLoop, lifecycle: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end within the loop that runs here, and return its result.

    Raises:
        RuntimeError: this loop cannot (uvloop's), or this browser (pyodide).
    """
    try:
        # Pyodide's own loop blocks by itself, where the browser can switch stacks.
        if sys.platform != "emscripten":
            import nest_asyncio2

            nest_asyncio2.apply(loop)
        return loop.run_until_complete(lifecycle)
    except (RuntimeError, ValueError) as error:
        lifecycle.close()
        where = "in this browser" if sys.platform == "emscripten" else "in this event loop"
        raise RuntimeError(f"wait() cannot block {where} ({error}). Write `await run`.") from None
