"""The flows that are run, and the ways to run them: PocketFlow's, one by hand, flowmagic's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow

import flowmagic

Params = dict[str, Any]
Way = Callable[[AsyncNode, Iterable[Params]], Awaitable[Any]]
"""A way to run the graph that begins at a node once per params dict."""

FLOOR = "one after the other (PocketFlow)"
UNLIMITED = "AsyncParallelBatchFlow, no limit"
SEMAPHORE = "gather + Semaphore"
AIOMETER = "aiometer"
BATCHFLOW = "flowmagic.batchflow"
UNTRACKED = "flowmagic.batchflow, shared not tracked"
THROTTLED = "ThrottledAsyncParallelBatchFlow"
NOTHING = "nothing (the machine's own lag)"


class AtOnce(AsyncNode):
    """Returns at once."""

    async def exec_async(self, _: Any) -> Any:
        return None


class Yielding(AsyncNode):
    """Lets the loop turn once."""

    async def exec_async(self, _: Any) -> Any:
        await asyncio.sleep(0)


class Sleeping(AsyncNode):
    """Waits as a node that calls a service does: `seconds` each time."""

    seconds = 0.01

    async def exec_async(self, _: Any) -> Any:
        await asyncio.sleep(self.seconds)


def chain(kind: type[AsyncNode], length: int) -> AsyncNode:
    """Return the first of `length` nodes in a row."""
    first = last = kind()
    for _ in range(length - 1):
        last = last >> kind()
    return first


def params(number: int) -> list[Params]:
    """Return a batch of `number` rows."""
    return [{"user_id": index} for index in range(number)]


def generated(number: int) -> Iterator[Params]:
    """Give a batch of `number` rows one by one."""
    return ({"user_id": index} for index in range(number))


async def sequential(start: AsyncNode, batch: Iterable[Params]) -> None:
    """Run one instance after the other: the floor, what PocketFlow itself needs for the work."""
    flow = AsyncFlow(start=start)
    shared: dict[str, Any] = {}
    for row in batch:
        await flow._orch_async(shared, row)


async def unlimited(start: AsyncNode, batch: Iterable[Params]) -> None:
    """Run PocketFlow's AsyncParallelBatchFlow: all instances at once."""

    class Batch(AsyncParallelBatchFlow):
        async def prep_async(self, _: Any) -> Any:
            return batch

    await Batch(start=start).run_async({})


async def nothing(_: AsyncNode, __: Iterable[Params]) -> None:
    """Run nothing for a second: what is measured is the noise of the machine."""
    await asyncio.sleep(1)


def semaphore(limit: int) -> Way:
    """Run as one would write it by hand: gather over all, each within a Semaphore."""

    async def run(start: AsyncNode, batch: Iterable[Params]) -> None:
        flow = AsyncFlow(start=start)
        shared: dict[str, Any] = {}
        slots = asyncio.Semaphore(limit)

        async def one(row: Params) -> Any:
            async with slots:
                return await flow._orch_async(shared, row)

        await asyncio.gather(*(one(row) for row in batch))

    return run


def aiometer(limit: int) -> dict[str, Way]:
    """Run aiometer's run_on_each, its cheapest; empty where aiometer is not installed."""
    try:
        from aiometer import run_on_each
    except ImportError:
        return {}

    async def run(start: AsyncNode, batch: Iterable[Params]) -> None:
        flow = AsyncFlow(start=start)
        shared: dict[str, Any] = {}

        async def one(row: Params) -> Any:
            return await flow._orch_async(shared, row)

        await run_on_each(one, list(batch), max_at_once=limit)

    return {AIOMETER: run}


def print_missing() -> None:
    """Say which contestant is left out because it is not installed."""
    if not aiometer(1):
        print(f"Without {AIOMETER}, which is not installed: pip install -e '.[bench]'\n")


def batchflow(limit: int, **options: Any) -> Way:
    """Run `flowmagic.batchflow`, every node copy recorded."""

    async def run(start: AsyncNode, batch: Iterable[Params]) -> flowmagic.BatchRun:
        done = await flowmagic.batchflow(AsyncFlow(start=start), batch, limit=limit, **options)
        done.raise_for_failures()
        return done

    return run


def throttled(limit: int) -> Way:
    """Run flowmagic's ThrottledAsyncParallelBatchFlow, which records as much."""

    async def run(start: AsyncNode, batch: Iterable[Params]) -> None:
        class Batch(flowmagic.ThrottledAsyncParallelBatchFlow):
            max_concurrent_flows = limit

            async def prep_async(self, _: Any) -> Any:
                return batch

        await Batch(start=start).run_async({})

    return run
