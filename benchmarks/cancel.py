"""How soon a run ends when it is cancelled, and whether a task of it is left.

Measured from the cancellation until the one who waits for the end goes on: by then every running
instance has been cancelled, and those that still wait for their turn will never begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from pocketflow import AsyncFlow, AsyncNode

import flowmagic

from . import contestants
from .contestants import AIOMETER, BATCHFLOW, SEMAPHORE, Way
from .figures import Figure, print_figures
from .measuring import interleaved, print_heading, print_table

OPTIONS = {
    "running": (1_000, "how many instances run when they are cancelled"),
    "queued": (10_000, "how many more wait for their turn"),
    "rounds": (7, "how often each is measured; the median and the worst are printed"),
}

Begun = tuple[Callable[[], Any], Awaitable[Any]]
"""What cancels something that has begun, and what waits for its end."""


class Endless(AsyncNode):
    """A node that waits for ever, and tells when enough of them do."""

    running = 0
    awaited = 0
    reached: asyncio.Event

    async def exec_async(self, _: Any) -> Any:
        cls = type(self)
        cls.running += 1
        if cls.running == cls.awaited:
            cls.reached.set()
        await asyncio.Event().wait()

    @classmethod
    def expect(cls, number: int) -> None:
        """Set `reached` when `number` of them run."""
        cls.running, cls.awaited, cls.reached = 0, number, asyncio.Event()


Taken = dict[str, tuple[list[float], list[int]]]
"""By contestant, round by round: seconds until the end, and how many tasks were left then."""


def measure(running: int, queued: int, rounds: int) -> None:
    """Print the tables."""
    print_heading()
    contestants.print_missing()
    results = taken(running, queued, rounds)
    print_table(
        ["from the cancellation to the end", "median", "worst", "tasks left"],
        [
            [
                name,
                f"{median(seconds) * 1e3:.1f} ms",
                f"{max(seconds) * 1e3:.1f} ms",
                str(max(left)),
            ]
            for name, (seconds, left) in results.items()
        ],
    )
    print_figures(figures(results, running, queued))
    print(f"{running:,} instances running, {queued:,} queued; {rounds} rounds")


def taken(running: int, queued: int, rounds: int) -> Taken:
    """Measure every contestant."""

    def ours(batch: list[contestants.Params]) -> Begun:
        run = flowmagic.batchflow(AsyncFlow(start=Endless()), batch, limit=running)
        return run.cancel, run

    begins: dict[str, Callable[[list[contestants.Params]], Begun]] = {
        BATCHFLOW: ours,
        SEMAPHORE: _as_task(contestants.semaphore(running)),
        **{name: _as_task(way) for name, way in contestants.aiometer(running).items()},
    }
    left: dict[str, list[int]] = {name: [] for name in begins}
    seconds = interleaved(
        {name: _until_end(begin, running, queued, left[name]) for name, begin in begins.items()},
        rounds,
    )
    return {name: (seconds[name], left[name]) for name in begins}


def figures(results: Taken, running: int, queued: int) -> list[Figure]:
    """Return the figures that have goals."""
    (ours, left), (peer, _) = results[BATCHFLOW], results[SEMAPHORE]
    others = [f"{SEMAPHORE} {median(peer) * 1e3:.0f}"]
    if AIOMETER in results:
        others.append(f"{AIOMETER} {median(results[AIOMETER][0]) * 1e3:.0f}")
    at_goal = (running, queued) == (1_000, 10_000)
    what = f"{running:,} running, {queued:,} queued"
    return [
        Figure(
            f"cancel: {what}",
            median(ours) * 1e3,
            60,
            unit="ms",
            beside=f"worst {max(ours) * 1e3:.0f}, {', '.join(others)} ms",
            at_goal=at_goal,
        ),
        Figure(f"tasks left by it: {what}", max(left), 0, unit="tasks", at_goal=at_goal),
    ]


def _as_task(way: Way) -> Callable[[list[contestants.Params]], Begun]:
    def begin(batch: list[contestants.Params]) -> Begun:
        task = asyncio.ensure_future(way(Endless(), batch))
        return task.cancel, task

    return begin


def _until_end(
    begin: Callable[[list[contestants.Params]], Begun], running: int, queued: int, left: list[int]
) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        Endless.expect(running)
        cancel, end = begin(contestants.params(running + queued))
        await Endless.reached.wait()
        await asyncio.sleep(0)  # the one that was just counted has to begin its wait
        gc.collect()
        began = time.perf_counter()
        cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await end
        taken = time.perf_counter() - began
        left.append(len(asyncio.all_tasks()) - 1)
        return taken

    return seconds
