"""Scenarios of the simulation: each is made from one integer, and is always the same for it.

A scenario has a graph of nodes, a source of rows, faults, options, and a script of events that happen
while the run goes on. Each node returns an output that depends on its row only, whatever happens, so
that a row that succeeds must have the outputs that it has in a calm run.
"""

# ruff: noqa: ARG002 - the hooks of nodes have the parameters of PocketFlow

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pocketflow import (
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchNode,
    Node,
)

from flowmagic.testing import Fault, ProviderError
from flowmagic.testing.fake_provider import Reply

_LONG = 1_000.0
"""Seconds after which a run that nothing else ends is cancelled."""

_FAULTS = (
    "raise", "raise odd", "refuse", "refuse and say when", "hang", "swallow", "task", "slow",
)  # fmt: skip
_ERRORS = (
    ValueError,
    KeyError,
    asyncio.CancelledError,
    StopIteration,
    TimeoutError,
    OSError,
    Exception,
)
_MOST_ROWS = 12


@dataclass
class World:
    """What the nodes of one scenario see and report.

    Attributes:
        seed: of the faults.
        rate: how likely a fault is at each call of an exec.
        calls: the rows whose first node began, in order.
        live: how many execs of each row are under way.
        on_begin: called when the first node of a row begins.
        tasks: that nodes have started.
    """

    seed: int = 0
    rate: float = 0.0
    calls: list[int] = field(default_factory=list)
    live: dict[int, int] = field(default_factory=dict)
    on_begin: Callable[[int], None] = lambda _: None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _attempts: dict[tuple[str, int], int] = field(default_factory=dict)

    def fault(self, name: str, row: int) -> str:
        """Return what goes wrong in the next call of an exec; "" if nothing does."""
        attempt = self._attempts[name, row] = self._attempts.get((name, row), 0) + 1
        chance = random.Random(zlib.crc32(f"{self.seed} {name} {row} {attempt}".encode()))
        # Each attempt is less likely to fail, so that retries help.
        return chance.choice(_FAULTS) if chance.random() < self.rate / attempt else ""

    def error(self, name: str, row: int) -> BaseException:
        """Return an error of any kind."""
        kind = _ERRORS[zlib.crc32(f"{self.seed} {name} {row}".encode()) % len(_ERRORS)]
        return kind(f"{name} failed in row {row}")


def output(name: str, row: int) -> str:
    """Return the output of a node."""
    return f"{name} of {row}"


class Scripted:
    """What all nodes do: they take their time, fail as the world says, and return their output."""

    world: World
    name = ""
    is_first = False
    ways = 1
    """How many successors it chooses from, by its row."""

    def begin(self) -> int:
        row: int = self.params["row"]  # type: ignore[attr-defined]
        if self.is_first and f"visits of {self.name}" not in self.params:  # type: ignore[attr-defined]
            self.world.calls.append(row)
            self.world.on_begin(row)
        return row

    def act(self, row: int) -> str:
        """Do what goes wrong at once; return what else does."""
        fault = self.world.fault(self.name, row)
        if fault == "raise":
            raise ValueError(f"{self.name} failed in row {row} at its attempt")
        if fault == "raise odd":
            raise self.world.error(self.name, row)
        if fault == "refuse":
            raise ProviderError(Reply(429, "Slow down.", fault=Fault.RATE_LIMIT_WITHOUT_WAIT))
        if fault == "refuse and say when":
            raise ProviderError(Reply(429, "Slow down.", headers={"retry-after": "3"}))
        return fault

    async def work(self, row: int) -> None:
        self.world.live[row] = self.world.live.get(row, 0) + 1
        try:
            await self._misbehave(self.act(row), row)
        finally:
            self.world.live[row] -= 1

    async def _misbehave(self, fault: str, row: int) -> None:
        if fault == "hang":
            await asyncio.get_running_loop().create_future()
        elif fault == "swallow":
            for _ in range(2):
                try:
                    await asyncio.sleep(3)
                except asyncio.CancelledError:
                    continue  # a wrong thing to do, which people do
        elif fault == "task":
            task = asyncio.create_task(asyncio.sleep(row % 3))
            self.world.tasks.append(task)
            await asyncio.sleep(1)
        else:
            # Whole seconds, so that much happens at the same moment.
            await asyncio.sleep(60 if fault == "slow" else row % 3)

    def way(self) -> str:
        row: int = self.params["row"]  # type: ignore[attr-defined]
        return f"way {row % self.ways}" if self.ways > 1 else "default"


class Async(Scripted, AsyncNode):
    """An async node."""

    async def prep_async(self, shared: Any) -> Any:
        return self.begin()

    async def exec_async(self, prep_res: Any) -> Any:
        await self.work(prep_res)
        return output(self.name, prep_res)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared[self.name, prep_res] = exec_res
        return self.way()


class Sync(Scripted, Node):
    """A sync node; it runs on the loop, and takes no time."""

    def prep(self, shared: Any) -> Any:
        return self.begin()

    def exec(self, prep_res: Any) -> Any:
        self.act(prep_res)
        return output(self.name, prep_res)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared[self.name, prep_res] = exec_res
        return self.way()


class _Items(Scripted):
    def items(self) -> list[int]:
        return [self.begin()] * 3

    def item(self, row: int) -> str:
        return output(self.name, row)


class SyncBatch(_Items, BatchNode):
    """A batch node of three items."""

    def prep(self, shared: Any) -> Any:
        return self.items()

    def exec(self, item: Any) -> Any:
        self.act(item)
        return self.item(item)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return self.way()


class _AsyncItems(_Items):
    async def prep_async(self, shared: Any) -> Any:
        return self.items()

    async def exec_async(self, item: Any) -> Any:
        await self.work(item)
        return self.item(item)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return self.way()


class AsyncBatch(_AsyncItems, AsyncBatchNode):
    """An async batch node, one item after the other."""


class ParallelBatch(_AsyncItems, AsyncParallelBatchNode):
    """An async batch node, all items at once."""


class Loop(Async):
    """A node that sends its row back to itself two times."""

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        visits = self.params[f"visits of {self.name}"] = (
            self.params.get(f"visits of {self.name}", 0) + 1
        )
        return "again" if visits < 3 else self.way()


class InnerBatch(AsyncParallelBatchFlow):
    """A nested flow that runs twice, at once."""

    async def prep_async(self, shared: Any) -> Any:
        return [{"part": 0}, {"part": 1}]


KINDS = (Async, Async, Sync, SyncBatch, AsyncBatch, ParallelBatch, Loop)


def graph(chance: random.Random, world: World) -> AsyncFlow:
    """Return a random flow whose nodes see a world."""
    count = [0]

    def node(*, is_first: bool = False) -> Any:
        count[0] += 1
        kind = chance.choice(KINDS)
        name = f"{kind.__name__}{count[0]}"
        made = kind(max_retries=chance.choice((1, 1, 2)))
        made.world, made.name, made.is_first = world, name, is_first
        if kind is Loop:
            made - "again" >> made
        return made

    def chain(depth: int, *, is_first: bool) -> Any:
        """Return the first node of a random graph."""
        start = node(is_first=is_first)
        if depth and chance.random() < 1 / 4:
            start.ways = 2
            for way in range(2):
                start - f"way {way}" >> chain(depth - 1, is_first=False)
        elif depth:
            start >> (inner(depth) if chance.random() < 1 / 4 else chain(depth - 1, is_first=False))
        return start

    def inner(depth: int) -> Any:
        kind = chance.choice((AsyncFlow, InnerBatch))
        return kind(start=chain(depth - 1, is_first=False))

    return AsyncFlow(start=chain(chance.randint(0, 3), is_first=True))


@dataclass
class Source:
    """Where the rows come from.

    Attributes:
        kind: "list", "generator", "async generator" or "frame".
        rows: how many there are.
        breaks_at: the row at which a generator raises; -1: none.
        hangs_at: the row at which an async generator hangs; -1: none.
    """

    kind: str
    rows: int
    breaks_at: int = -1
    hangs_at: int = -1

    def batch(self) -> Any:
        """Return the batch."""
        if self.kind == "generator":
            return self._generate()
        if self.kind == "async generator":
            return self._generate_async()
        rows = [{"row": row} for row in range(self.rows)]
        if self.kind == "frame":
            import pandas as pd

            return pd.DataFrame(rows)
        return rows

    def _generate(self) -> Iterator[dict[str, int]]:
        for row in range(self.rows):
            if row == self.breaks_at:
                raise OSError("the source breaks")
            yield {"row": row}

    async def _generate_async(self) -> AsyncIterator[dict[str, int]]:
        for row in range(self.rows):
            if row == self.breaks_at:
                raise OSError("the source breaks")
            if row == self.hangs_at:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(row % 2)
            yield {"row": row}


@dataclass
class Event:
    """Something that a user does.

    Attributes:
        at: seconds after the beginning of the run.
        verb: a verb of the run, or "limit" or "per_minute" to set these.
        value: the argument, if there is one.
    """

    at: float
    verb: str
    value: Any = None

    def __call__(self, run: Any) -> None:
        if self.verb in ("limit", "per_minute"):
            setattr(run, self.verb, self.value)
        elif self.verb == "cancel one":
            if self.value < len(run):
                run.cancel(self.value)
        else:
            getattr(run, self.verb)()


@dataclass
class Scenario:
    """One scenario; see the module.

    Attributes:
        world, source, options, events: its parts.
        has_journal: whether the run is written, and resumed in the end.
    """

    seed: int
    world: World
    source: Source
    options: dict[str, Any]
    events: list[Event]
    has_journal: bool

    def expected(self) -> set[int]:
        """Return the rows that must succeed: all, unless something is there to keep them from it."""
        source, options = self.source, self.options
        harmful = {"stop", "cancel"} & {each.verb for each in self.events[:-1]}
        if self.world.rate or harmful or source.breaks_at >= 0 or source.hangs_at >= 0:
            return set()
        if options["timeout"] is not None:
            return set()  # pauses, and slow rows, may take longer
        cancelled = {each.value for each in self.events if each.verb == "cancel one"}
        return set(range(source.rows)) - cancelled

    def flow(self, world: World) -> AsyncFlow:
        """Return its graph, which sees a world."""
        return graph(random.Random(self.seed), world)


def scenario(seed: int) -> Scenario:
    """Return the scenario of an integer."""
    chance = random.Random(f"scenario {seed}")
    kind = chance.choice(("list", "list", "generator", "async generator", "frame"))
    rows = chance.randint(0, _MOST_ROWS)
    source = Source(kind, rows)
    if chance.random() < 1 / 5:
        source.breaks_at = chance.randint(1, _MOST_ROWS)
    if kind == "async generator" and chance.random() < 1 / 5:
        source.hangs_at = chance.randint(0, _MOST_ROWS)
    world = World(seed, rate=chance.choice((0, 0, 0.1, 0.3, 0.6)))
    verbs = chance.choice((_GENTLE, _GENTLE, _ALL))
    events = [_event(chance, rows, verbs) for _ in range(chance.choice((0, 1, 2, 4, 8, 16)))]
    events.append(Event(_LONG / 2, "resume"))
    events.append(Event(_LONG, "cancel"))
    events.sort(key=lambda each: each.at)
    has_journal = chance.random() < 1 / 10
    return Scenario(seed, world, source, _options(chance), events, has_journal)


def _options(chance: random.Random) -> dict[str, Any]:
    options: dict[str, Any] = {"threads": False}
    if chance.random() < 1 / 4:
        options["adaptive"] = chance.choice(("1-2-4", "1-5-9"))
    else:
        options["limit"] = chance.randint(1, 6)
    choices: dict[str, tuple[Any, ...]] = {
        "timeout": (None, None, 5, 20),
        "retries": (0, 0, 1, 3),
        "max_errors": (None, None, None, 2),
        "per_minute": (None, None, None, 60, 600),
        "isolate": (False, False, False, True),
        "track_shared": (True, True, False),
        "keep": (20_000, 1),
    }
    return options | {name: chance.choice(each) for name, each in choices.items()}


_GENTLE = ("limit", "limit", "per_minute", "pause", "resume", "resume", "cancel one", "cancel one")
_ALL = (*_GENTLE, "stop", "cancel", "retry_failed", "retry_failed")


def _event(chance: random.Random, rows: int, verbs: Sequence[str]) -> Event:
    at = float(chance.choice((0, chance.randint(0, 10), chance.randint(0, 40))))
    verb = chance.choice(verbs)
    values = {
        "limit": chance.randint(1, 8),
        "per_minute": chance.choice((None, 30, 600)),
        "cancel one": chance.randint(0, max(0, rows)),
    }
    return Event(at, verb, values.get(verb))
