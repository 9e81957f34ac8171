"""How closely the starts of a run keep to `per_minute`, on the real clock, and how even they are.

The fair share is what an even spread would start in the same time. A short run does not fill a window
of a minute: what any window holds is measured at a call limit with a window of a second, and at the
run itself if it starts more than `per_minute`.

A start is when the node reads the clock. Where the machine holds up the process between the moment
at which a limit lets in and that reading, a node may see one more in a window than was let in, so
what the limit noted is printed too, and the goal for windows is held against that.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic import CallLimit
from flowmagic.limits.pace import WINDOW as MINUTE

from . import contestants
from .contestants import AIOMETER, BATCHFLOW
from .figures import Figure, print_figures
from .measuring import print_heading, print_table

OPTIONS = {
    "per-minute": (6_000, "how many may start in a minute"),
    "starts": (1_000, "how many start: at the default rate, 10 seconds' worth"),
    "limit": (100, "how many run at once"),
}

SHORT = 0.1
"""Seconds within which a burst is looked for."""

WINDOW = 1.0
"""Seconds of the window of the call limit."""

CALLS = "flowmagic.CallLimit, window=1"


@dataclass(frozen=True)
class Starts:
    """When each start was, in seconds of one clock.

    Attributes:
        seen: by the nodes.
        noted: by the limit that let them in; empty where it does not tell.
    """

    seen: list[float]
    noted: list[float] = field(default_factory=list)


class TraceDiffer(AsyncNode):
    """Notes when it starts, and waits as a node that calls a service does."""

    starts: list[float] = []  # noqa: RUF012 - one for all copies, and emptied by who reads it

    async def exec_async(self, _: Any) -> Any:
        self.starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)


def measure(per_minute: int, starts: int, limit: int) -> None:
    """Print the tables."""
    print_heading()
    contestants.print_missing()
    results = taken(per_minute, starts, limit)
    print_table(
        [
            f"{starts:,} starts at {per_minute:,} per minute",
            "starts / target",
            "largest burst in 100 ms / fair share",
            "most in 1 s / fair share",
        ],
        [
            [
                name,
                f"{pace(times.seen, per_minute):.3f}",
                *(
                    f"{most_within(times.seen, span) / (per_minute / 60 * span):.2f}"
                    for span in (SHORT, WINDOW)
                ),
            ]
            for name, times in results.items()
        ],
    )
    print_figures(figures(results, per_minute, starts))


def taken(
    per_minute: int, starts: int, limit: int, *, ours: bool = False
) -> dict[str, list[float]]:
    """Return when each start was, by contestant; `ours`: only flowmagic's.

    Each once, one after the other: what counts are the clock's times, not the CPU's.
    """
    ways: dict[str, Callable[[], Awaitable[Starts]]] = {
        BATCHFLOW: lambda: _run(per_minute, starts, limit),
        CALLS: lambda: _calls(per_minute, starts, limit),
    }
    if not ours and contestants.aiometer(limit):
        ways[AIOMETER] = lambda: _aiometer(per_minute, starts, limit)
    return {name: asyncio.run(_awaited(way)) for name, way in ways.items()}


def figures(results: dict[str, Starts], per_minute: int, starts: int) -> list[Figure]:
    """Return the figures that have goals."""
    at_goal = per_minute == 6_000 and starts >= 1_000
    setting = f"{per_minute:,} per minute"
    found = []
    for name in (BATCHFLOW, CALLS):
        times = results[name].seen
        kept, burst = pace(times, per_minute), most_within(times, SHORT)
        found += [
            Figure(
                f"off the pace: {name}, {setting}",
                abs(kept - 1) * 100,
                2,
                unit="%",
                beside=f"{kept:.3f} of the target",
                at_goal=at_goal,
            ),
            Figure(
                f"largest burst in 100 ms / fair share: {name}",
                burst / (per_minute / 60 * SHORT),
                1.3,
                beside=f"{burst} starts",
                at_goal=at_goal,
            ),
        ]
    for name, window in ((BATCHFLOW, MINUTE), (CALLS, WINDOW)):
        starts_of = results[name]
        allowed = per_minute / 60 * window
        most, seen = (most_within(times, window) for times in (starts_of.noted, starts_of.seen))
        filled = starts > allowed
        found.append(
            Figure(
                f"most in any window of {window:.0f} s / what it allows: {name}",
                most / allowed if filled else None,
                1,
                beside=f"{most:,} let in, {seen:,} seen by the nodes"
                if filled
                else f"{starts:,} starts fill no window: --starts {1.1 * allowed:.0f}",
                at_goal=per_minute == 6_000,
            )
        )
    return found


def pace(times: list[float], per_minute: float) -> float:
    """Return how many started, over how many should have from the first start to the last."""
    return (len(times) - 1) / ((times[-1] - times[0]) * per_minute / 60)


def most_within(times: list[float], span: float) -> int:
    """Return the most starts within any `span` seconds, the end of which is not part of it."""
    # Less a nanosecond: sums of floats may come out just above the end.
    return max(bisect_left(times, at + span - 1e-9) - number for number, at in enumerate(times))


async def _awaited(way: Callable[[], Awaitable[Starts]]) -> Starts:
    return await way()


async def _run(per_minute: int, starts: int, limit: int) -> Starts:
    TraceDiffer.starts = []
    run = flowmagic.batchflow(
        AsyncFlow(start=TraceDiffer()),
        contestants.params(starts),
        limit=limit,
        per_minute=per_minute,
    )
    (await run).raise_for_failures()
    return Starts(TraceDiffer.starts, sorted(each.started or 0.0 for each in run.instances))


async def _calls(per_minute: int, starts: int, limit: int) -> Starts:
    calls = CallLimit(concurrency=limit, per_minute=per_minute / 60 * WINDOW, window=WINDOW)
    node = TraceDiffer()
    noted: list[float] = []
    TraceDiffer.starts = []

    async def one() -> None:
        async with calls.call() as call:
            noted.append(call.began)
            await node.exec_async(None)

    await asyncio.gather(*(one() for _ in range(starts)))
    return Starts(TraceDiffer.starts, sorted(noted))


async def _aiometer(per_minute: int, starts: int, limit: int) -> Starts:
    from aiometer import run_on_each

    TraceDiffer.starts = []
    await run_on_each(
        TraceDiffer().exec_async, range(starts), max_at_once=limit, max_per_second=per_minute / 60
    )
    return Starts(TraceDiffer.starts)
