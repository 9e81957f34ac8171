"""What a call under a limit costs, against asyncio.Semaphore, which counts slots and does no more.

Uncontended, one task makes calls one after the other and never waits. Contended, ten times as many
tasks as there are slots make theirs at once, each call one sleep(0); what they take without any limit
is subtracted, round by round.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from statistics import median
from typing import Any

from flowmagic import limit, remove_limit, set_limit

from .figures import Figure, print_figures, ratio
from .measuring import interleaved, print_heading, print_table

OPTIONS = {
    "calls": (50_000, "calls of each measurement"),
    "slots": (10, "how many calls are under way at once; ten times as many tasks contend"),
    "rounds": (7, "how often each is measured; the median counts"),
}

BARE = "no limit"
SEMAPHORE = "asyncio.Semaphore"
LIMIT = "flowmagic.limit(...)"
KEPT = "the same, made once and kept"
PACED = "flowmagic.limit(...) with paces of calls and tokens"

NAME, PACED_NAME = "benchmark", "benchmark, paced"
NO_PACE = 1e12
"""Per minute: never waited for, so that only the keeping of the pace is measured."""

Caller = Callable[[], AbstractAsyncContextManager[Any]]
"""Gives what one call is made within."""

Taken = dict[str, list[float]]
"""By contestant: CPU seconds per call, round by round."""


def measure(calls: int, slots: int, rounds: int) -> None:
    """Print the tables."""
    print_heading()
    alone, contended = taken(calls, slots, rounds)
    print_table(
        ["CPU per call", "uncontended", "/ Semaphore", "contended", "/ Semaphore"],
        [
            [
                name,
                *(
                    cell
                    for column in (alone, contended)
                    for cell in (
                        f"{median(column[name]) * 1e6:.2f} µs",
                        f"{median(column[name]) / median(column[SEMAPHORE]):.2f}",
                    )
                ),
            ]
            for name in alone
        ],
    )
    print_figures(figures(alone, contended))
    print(f"{calls:,} calls, {slots} slots")


def taken(calls: int, slots: int, rounds: int) -> tuple[Taken, Taken]:
    """Measure every contestant, uncontended and contended."""
    set_limit(NAME, concurrency=slots)
    set_limit(PACED_NAME, concurrency=slots, per_minute=NO_PACE, tokens_per_minute=NO_PACE)
    try:
        alone = interleaved(
            {name: _alone(caller, calls, slots) for name, caller in _callers().items()}, rounds
        )
        contended = interleaved(
            {
                BARE: _contended(None, calls, slots),
                **{name: _contended(caller, calls, slots) for name, caller in _callers().items()},
            },
            rounds,
        )
    finally:
        remove_limit(NAME)
        remove_limit(PACED_NAME)
    bare = contended.pop(BARE)
    return alone, {
        name: [one - base for one, base in zip(each, bare, strict=True)]
        for name, each in contended.items()
    }


def figures(alone: Taken, contended: Taken) -> list[Figure]:
    """Return the figures; none of them has a goal."""
    ratios = [
        ratio(f"{what} call / {SEMAPHORE}: {name}", column[name], column[SEMAPHORE], None)
        for what, column in (("uncontended", alone), ("contended", contended))
        for name in (LIMIT, PACED)
    ]
    return [
        Figure(
            f"uncontended call: {LIMIT}",
            median(alone[LIMIT]) * 1e6,
            None,
            unit="µs",
            beside=f"{SEMAPHORE} {median(alone[SEMAPHORE]) * 1e6:.2f} µs",
        ),
        *ratios,
    ]


def _callers() -> dict[str, Callable[[int], Caller]]:
    """Return what makes each contestant, given the number of slots."""

    def semaphore(slots: int) -> Caller:
        held = asyncio.Semaphore(slots)
        return lambda: held

    def kept(_: int) -> Caller:
        calling = limit(NAME)
        return lambda: calling

    return {
        SEMAPHORE: semaphore,
        LIMIT: lambda _: lambda: limit(NAME),
        KEPT: kept,
        PACED: lambda _: lambda: limit(PACED_NAME, tokens=10),
    }


def _alone(
    caller: Callable[[int], Caller], calls: int, slots: int
) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        call = caller(slots)
        began = time.process_time()
        for _ in range(calls):
            async with call():
                pass
        return (time.process_time() - began) / calls

    return seconds


def _contended(
    caller: Callable[[int], Caller] | None, calls: int, slots: int
) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        tasks = 10 * slots
        each = -(-calls // tasks)

        async def bare() -> None:
            for _ in range(each):
                await asyncio.sleep(0)

        async def limited(call: Caller) -> None:
            for _ in range(each):
                async with call():
                    await asyncio.sleep(0)

        call = None if caller is None else caller(slots)
        began = time.process_time()
        await asyncio.gather(*(bare() if call is None else limited(call) for _ in range(tasks)))
        return (time.process_time() - began) / (each * tasks)

    return seconds
