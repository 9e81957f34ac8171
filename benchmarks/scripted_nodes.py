"""The nodes of simulated runs: each takes its time, and fails as its world says.

Whatever happens, the output of a node depends on its row only (and on the part of a nested batch flow that
it runs in), so that a row that succeeds must have the outputs that it has in a calm run.
"""

# ruff: noqa: ARG002 - the hooks have the parameters of PocketFlow
from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pocketflow import (
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from flowmagic.testing import Fault, ProviderError
from flowmagic.testing.fake_provider import Reply

_FAULTS = (
    "raise", "raise odd", "refuse", "refuse and say when", "hang", "swallow", "task", "slow", "block",
)  # fmt: skip
_BLOCKED = 7.0  # seconds


class OddError(BaseException):
    """No `Exception`, and it cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("cannot be shown")

    __repr__ = __str__


ENDING = (KeyboardInterrupt, SystemExit)
"""Errors that asyncio lets through, and which end the loop, where they are raised in a task of a node."""
ERRORS = (
    ValueError,
    KeyError,
    asyncio.CancelledError,
    StopIteration,
    StopAsyncIteration,
    TimeoutError,
    OSError,
    Exception,
    GeneratorExit,
    OddError,
    *ENDING,
)


def block() -> None:
    """Hold the loop for a while: its clock advances, and it calls nothing."""
    loop: Any = asyncio.get_running_loop()
    loop.now += _BLOCKED


@dataclass
class World:
    """What the nodes of one run see and report.

    Attributes:
        seed: of the faults.
        rate: how likely a fault is at each call of a prep, exec or post.
        calls: the rows whose first node began, in order.
        on_begin: called when the first node of a row begins.
        tasks: that nodes have started.
        hangs: whether a node hangs, or the source.
        cancelled: the rows that were cancelled one by one.
        ended_early: whether the run was stopped or cancelled.
        disk_is_full: whether the journal cannot be written.
        posted: the results that the flow's own post was given; None: it was not called.
    """

    seed: int = 0
    rate: float = 0.0
    calls: list[int] = field(default_factory=list)
    on_begin: Callable[[int], None] = lambda _: None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    hangs: bool = False
    cancelled: set[int] = field(default_factory=set)
    ended_early: bool = False
    disk_is_full: bool = False
    posted: list[Any] | None = None
    _attempts: dict[tuple[str, int], int] = field(default_factory=dict)

    def fault(self, name: str, row: int) -> str:
        """Return what goes wrong in the next call of a hook; "" if nothing does."""
        attempt = self._attempts[name, row] = self._attempts.get((name, row), 0) + 1
        which, chance = divmod(zlib.crc32(f"{self.seed} {name} {row} {attempt}".encode()), 1000)
        # Each attempt is less likely to fail, so that retries help.
        return _FAULTS[which % len(_FAULTS)] if chance < 1000 * self.rate / attempt else ""

    def error(self, name: str, row: int, *, gathered: bool) -> BaseException:
        """Return an error of any kind."""
        kind = ERRORS[zlib.crc32(f"{self.seed} {name} {row}".encode()) % len(ERRORS)]
        if gathered and kind in ENDING:
            kind = OddError
        return kind(f"{name} failed in row {row}")


class Scripted:
    """What all nodes do."""

    world: World
    name = ""
    is_first = False
    gathered = False
    """Whether PocketFlow runs its exec in a task of its own."""
    ways = 1
    """How many successors it chooses from, by its row."""
    params: dict[Any, Any]

    def begin(self) -> int:
        """Report the first node of a row; return the row."""
        row: int = self.params["row"]
        if self.is_first and f"visits of {self.name}" not in self.params:
            self.world.calls.append(row)
            self.world.on_begin(row)
        self._fail_in("prep", row)
        return row

    def act(self, row: int) -> str:
        """Do what goes wrong at once; return what else does."""
        fault = self.world.fault(self.name, row)
        if fault == "raise":
            raise ValueError(f"{self.name} failed in row {row} at its attempt")
        if fault == "raise odd":
            raise self.world.error(self.name, row, gathered=self.gathered)
        if fault == "refuse":
            raise ProviderError(Reply(429, "Slow down.", fault=Fault.RATE_LIMIT_WITHOUT_WAIT))
        if fault == "refuse and say when":
            raise ProviderError(Reply(429, "Slow down.", headers={"retry-after": "3"}))
        if fault == "block":
            block()
        return fault

    async def work(self, row: int) -> None:
        """Do as `act`, and then what takes time."""
        fault = self.act(row)
        # Whole seconds, so that much happens at the same moment.
        seconds = (row + self.params.get("part", 0)) % 3
        if fault == "hang":
            self.world.hangs = True
            await asyncio.get_running_loop().create_future()
        elif fault == "swallow":
            for _ in range(2):
                try:
                    await asyncio.sleep(3)
                except asyncio.CancelledError:
                    continue  # a wrong thing to do, which people do
        elif fault == "task":
            self.world.tasks.append(asyncio.create_task(asyncio.sleep(seconds)))
            await asyncio.sleep(1)
        else:
            await asyncio.sleep(30 if fault == "slow" else seconds)

    def output(self, row: int) -> str:
        return output(self.name, row, self.params)

    def way(self) -> str:
        """Return the action."""
        row: int = self.params["row"]
        self._fail_in("post", row)
        return f"way {row % self.ways}" if self.ways > 1 else "default"

    def _fail_in(self, hook: str, row: int) -> None:
        name = f"{hook} of {self.name}"
        if self.world.fault(name, row) == "raise odd":
            raise self.world.error(name, row, gathered=self.gathered)


def output(name: str, row: int, params: Any) -> str:
    """Return the output of a node for a row; in a nested batch flow, with the part."""
    return f"{name} of {row}" + (f" part {params['part']}" if "part" in params else "")


class Async(Scripted, AsyncNode):
    """An async node."""

    async def prep_async(self, shared: Any) -> Any:
        return self.begin()

    async def exec_async(self, prep_res: Any) -> Any:
        await self.work(prep_res)
        return self.output(prep_res)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared[self.name, prep_res] = exec_res
        return self.way()


class Sync(Scripted, Node):
    """A sync node; it runs on the loop, and takes no time."""

    def prep(self, shared: Any) -> Any:
        return self.begin()

    def exec(self, prep_res: Any) -> Any:
        self.act(prep_res)
        return self.output(prep_res)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared[self.name, prep_res] = exec_res
        return self.way()


class SyncBatch(Scripted, BatchNode):
    """A batch node of three items."""

    def prep(self, shared: Any) -> Any:
        return [self.begin()] * 3

    def exec(self, item: Any) -> Any:
        self.act(item)
        return self.output(item)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return self.way()


class _AsyncItems(Scripted):
    async def prep_async(self, shared: Any) -> Any:
        return [self.begin()] * 3

    async def exec_async(self, item: Any) -> Any:
        await self.work(item)
        return self.output(item)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return self.way()


class AsyncBatch(_AsyncItems, AsyncBatchNode):
    """An async batch node, one item after the other."""


class ParallelBatch(_AsyncItems, AsyncParallelBatchNode):
    """An async batch node, all items at once."""

    gathered = True


class Loop(Async):
    """A node that sends its row back to itself two times."""

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        visits = self.params[f"visits of {self.name}"] = (
            self.params.get(f"visits of {self.name}", 0) + 1
        )
        return "again" if visits < 3 else self.way()


_PARTS = [{"part": 0}, {"part": 1}]


class InnerParallel(AsyncParallelBatchFlow):
    """A nested flow that runs twice, at once."""

    async def prep_async(self, shared: Any) -> Any:
        return _PARTS


class InnerBatch(BatchFlow):
    """A nested sync flow that runs twice."""

    def prep(self, shared: Any) -> Any:
        return _PARTS


KINDS = (Async, Async, Sync, SyncBatch, AsyncBatch, ParallelBatch, Loop)
SYNC_KINDS = (Sync, SyncBatch)


class _Graph:
    """Makes random graphs whose nodes see a world."""

    def __init__(self, chance: random.Random, world: World) -> None:
        self._chance = chance
        self._world = world
        self._count = 0

    def _node(self, kinds: Sequence[type], *, is_first: bool, gathered: bool) -> Any:
        self._count += 1
        chance, kind = self._chance, self._chance.choice(kinds)
        # A sync node would wait in real time.
        wait = (
            0
            if issubclass(kind, Node) and not issubclass(kind, AsyncNode)
            else chance.choice((0, 2))
        )
        made = kind(max_retries=chance.choice((1, 1, 2)), wait=wait)
        made.world, made.name, made.is_first = (
            self._world,
            f"{kind.__name__}{self._count}",
            is_first,
        )
        made.gathered = made.gathered or gathered
        if kind is Loop:
            made - "again" >> made
        return made

    def chain(
        self,
        depth: int,
        kinds: Sequence[type] = KINDS,
        *,
        is_first: bool = False,
        gathered: bool = False,
    ) -> Any:
        """Return the first node of a random graph, so many nodes deep."""
        chance = self._chance
        start = self._node(kinds, is_first=is_first, gathered=gathered)
        if depth and chance.random() < 1 / 4:
            start.ways = 2
            first = start - "way 0" >> self.chain(depth - 1, kinds, gathered=gathered)
            # Two ways may meet again, in one node object.
            meet = chance.random() < 1 / 3
            start - "way 1" >> (first if meet else self.chain(depth - 1, kinds, gathered=gathered))
        elif depth and chance.random() < 1 / 4:
            inner = start >> self._inner(depth - 1, kinds, gathered=gathered)
            if chance.random() < 1 / 2:
                inner >> self.chain(depth - 1, kinds, gathered=gathered)
        elif depth:
            start >> self.chain(depth - 1, kinds, gathered=gathered)
        return start

    def _inner(self, depth: int, kinds: Sequence[type], *, gathered: bool) -> Any:
        sync = (Flow, InnerBatch)
        among = sync if kinds is SYNC_KINDS else (AsyncFlow, InnerParallel, *sync)
        kind = self._chance.choice(among)
        gathered = gathered or kind is InnerParallel
        return kind(self.chain(depth, SYNC_KINDS if kind in sync else kinds, gathered=gathered))


def graph(chance: random.Random, world: World, depth: int) -> Any:
    """Return the first node of a random graph whose nodes see a world, at most so many nodes deep."""
    return _Graph(chance, world).chain(depth, is_first=True)
