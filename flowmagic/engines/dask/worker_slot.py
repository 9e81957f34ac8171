"""The slot that a chunk takes on its worker, and the CPU time that the chunk uses there.

A worker runs as many tasks at once as it has threads. A chunk that mostly waits, for a provider for
instance, gives its slot back, so that the worker starts another task beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..base import Work
from ..local import LocalRunner

_FIRST_CHECK = 0.025  # seconds after the start of a chunk
_MAX_INTERVAL = 1.0  # seconds between two checks
# Of one core. If a chunk that computes gives its slot back (on a crowded machine), its worker switches
# between threads for a while. If one that waits keeps its slot, other instances do not run at all.
_BUSY_SHARE = 0.4


class CpuTimingRunner(LocalRunner):
    """A local runner that measures the CPU time of the threads of its instances.

    Attributes:
        cpu_times: the seconds of each call in a thread that has ended.
        active_calls: the number of calls in threads that have not ended.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.cpu_times: list[float] = []
        self.active_calls = 0

    async def _run_in_thread(
        self, function: Callable[[Any], Any], argument: Any, kind: type, index: int
    ) -> Any:
        def timed(argument: Any) -> Any:
            before = time.thread_time()
            try:
                return function(argument)
            finally:
                self.cpu_times.append(time.thread_time() - before)

        self.active_calls += 1
        try:
            return await super()._run_in_thread(timed, argument, kind, index)
        finally:
            self.active_calls -= 1


class WorkerSlot:
    """Gives the slot of a chunk back if its instances mostly wait. Used in the chunk's event loop.

    Args:
        runner: the runner of the chunk.
        mostly_waiting: whether earlier chunks mostly waited; if so, the slot is given back at once.
    """

    def __init__(self, runner: CpuTimingRunner, *, mostly_waiting: bool) -> None:
        self._runner = runner
        self._mostly_waiting = mostly_waiting
        self._next_check: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the clocks and the checks."""
        self._started = self._checked = _clocks()
        if self._mostly_waiting:
            _give_back()
        else:
            self._check_after(_FIRST_CHECK)

    def stop(self) -> None:
        """Stop the checks."""
        if self._next_check is not None:
            self._next_check.cancel()

    def usage(self) -> tuple[float, float]:
        """Return how long the chunk has run, and its CPU time, in seconds."""
        started, loop_before, _ = self._started
        now, loop, _ = _clocks()
        return now - started, loop - loop_before + sum(self._runner.cpu_times)

    def _check_after(self, seconds: float) -> None:
        self._next_check = asyncio.get_running_loop().call_later(seconds, self._check, seconds)

    def _check(self, interval: float) -> None:
        before, self._checked = self._checked, _clocks()
        seconds, loop, process = (
            now - then for now, then in zip(self._checked, before, strict=True)
        )
        # Only the process's clock includes threads that have not ended. Without such threads, what it
        # includes besides the loop belongs to other chunks.
        used = process if self._runner.active_calls else loop
        if used < _BUSY_SHARE * seconds:
            _give_back()
        else:
            self._check_after(min(_MAX_INTERVAL, 2 * interval))


def _clocks() -> tuple[float, float, float]:
    """Return the time, and the CPU times of this thread, which is the loop's, and of the process."""
    return time.monotonic(), time.thread_time(), time.process_time()


def _give_back() -> None:
    from distributed import secede

    secede()
