"""The place of a chunk among the tasks of its worker, which it gives back while it only waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from . import Work
from .local import LocalRunner

_LOOK_EVERY = 0.025  # seconds until a chunk first looks whether its worker has anything to compute
# Share of a core; who computes less than that waits. Taking a chunk that computes for one that waits
# (a crowded machine) costs its worker some turns; the other way round, instances would not run at all.
_BUSY = 0.4


class TimedRunner(LocalRunner):
    """Knows how long the threads of its instances have computed."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.used: list[float] = []
        """Seconds of each piece of work that has ended."""
        self.live = 0
        """How many of them are at it."""

    async def _in_thread(self, function: Callable[[Any], Any], argument: Any) -> Any:
        def timed(argument: Any) -> Any:
            before = time.thread_time()
            try:
                return function(argument)
            finally:
                self.used.append(time.thread_time() - before)

        self.live += 1
        try:
            return await super()._in_thread(timed, argument)
        finally:
            self.live -= 1


class Place:
    """Looks what a chunk computes, in its own loop, and gives its place back if it only waits.

    Its instances wait for somebody then, a provider most likely: others may run there meanwhile.

    Args:
        runner: of its instances.
        waits: whether it is known to wait, so that nobody need look.
    """

    def __init__(self, runner: TimedRunner, *, waits: bool) -> None:
        self._runner = runner
        self._waits = waits
        self._looking: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin to look."""
        self._began = self._looked = _clocks()
        if self._waits:
            _give_back()
        else:
            self._look_after(_LOOK_EVERY)

    def end(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    def taken(self) -> tuple[float, float]:
        """Return how many seconds the chunk has taken, and how many of them it has computed."""
        began, used, _ = self._began
        now, here, _ = _clocks()
        return now - began, here - used + sum(self._runner.used)

    def _look_after(self, wait: float) -> None:
        self._looking = asyncio.get_running_loop().call_later(wait, self._look, wait)

    def _look(self, wait: float) -> None:
        before, self._looked = self._looked, _clocks()
        seconds, here, everywhere = (
            now - then for now, then in zip(self._looked, before, strict=True)
        )
        # What threads compute, only the process knows; without any, what others compute is theirs.
        used = everywhere if self._runner.live else here
        if used < _BUSY * seconds:
            _give_back()
        else:
            self._look_after(min(1.0, 2 * wait))


def _clocks() -> tuple[float, float, float]:
    return time.monotonic(), time.thread_time(), time.process_time()


def _give_back() -> None:
    from distributed import secede

    secede()
