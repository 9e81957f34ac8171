"""A chunk of instances on a Dask worker: one task, one event loop, as many walks at once as it has rows.

A chunk runs once. Dask gives a lost worker's tasks to another one; whoever finds a chunk claimed
leaves it alone, and the run decides what becomes of its instances.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import pickle
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ...errors import EngineError
from ...records.param_reads import track_reads
from ...records.trace import Trace
from ...shared.views import Isolated, isolated
from ..base import Work
from ..local import LocalRunner
from .instance_result import dump_outcome
from .messages import End, MessageSender, Part
from .requirements import runtime
from .serialization import claim, opened
from .stdout import Prints, catch, printing
from .trace_diff import TraceDiffer

_LATE = (
    8 * 1024
)  # bytes; the scheduler keeps messages for a while, so larger results go another way
_MOST_DROPPED = 1_000  # chunks

_here: dict[tuple[str, int], _Chunk] = {}
"""The chunks that run in this process, by run and number."""

_dropped: OrderedDict[tuple[str, int], set[int]] = OrderedDict()
"""Tickets of chunks that may still come here, and are not to run."""


def drop(run: str, tickets: dict[int, list[int]]) -> None:
    """Cancel instances, by the numbers of their chunks: those here, and those that may come here."""
    for number, unwanted in tickets.items():
        _dropped.setdefault((run, number), set()).update(unwanted)
        chunk = _here.get((run, number))
        if chunk is not None:
            chunk.drop(unwanted)
    while len(_dropped) > _MOST_DROPPED:
        _dropped.popitem(last=False)


def run_chunk(chunk: dict[str, Any]) -> dict[int, bytes] | None:
    """Run the instances of a chunk: the task that Dask is given.

    Returns:
        What was too large for a message, by ticket; None: the chunk had begun somewhere else before.

    Raises:
        EngineError: this worker has another Python or flowmagic than the run: neither would understand
            the other.
    """
    from distributed import get_worker

    chunk = dict(chunk)
    if (needed := chunk.pop("runtime")) != runtime():
        raise EngineError(f"it has {runtime()}, and the run {needed}")
    worker = get_worker()
    if not claim(worker, chunk["package"], chunk["number"]):
        return None
    if not worker.address.startswith("inproc"):
        catch()
    return asyncio.run(_Chunk(worker, **chunk).run())


class _Instance:
    """One instance of a chunk."""

    __slots__ = ("prints", "row", "task", "ticket", "written")

    def __init__(self, ticket: int, row: int, on_print: Callable[[int], None]) -> None:
        self.ticket = ticket
        self.row = row
        self.written: dict[Any, Any] = {}
        self.prints = Prints(functools.partial(on_print, row))
        self.task: asyncio.Task[None] | None = None


class _Chunk:
    def __init__(
        self,
        worker: Any,
        *,
        package: str,
        run: str,
        topic: str,
        number: int,
        tickets: list[int],
        rows: list[bytes],
        threads: bool,
        waits: bool,
    ) -> None:
        flow, shared, classes = opened(worker, package)
        self._key = run, number
        self._rows = rows
        self._shared = shared
        self._messages = MessageSender(worker, topic, run, number, self._news)
        self._differ = TraceDiffer(classes, len(rows), self._messages.soon)
        self._instances = [
            _Instance(ticket, row, self._printed) for row, ticket in enumerate(tickets)
        ]
        work = Work(
            flow,
            shared,
            limit=len(rows),
            threads=threads,
            clock=time.monotonic,
            view=self._view,
            settle=Isolated.settle,
        )
        self._runner = TimedRunner(work)
        self._place = CpuSlot(self._runner, waits=waits)
        self._ends: list[tuple[End, BaseException | None]] = []
        self._late: dict[int, bytes] = {}

    def _view(self, trace: Trace) -> Any:
        return isolated(self._shared, self._instances[trace.row].written)

    async def run(self) -> dict[int, bytes]:
        """Run all, and return what was too large to be told."""
        self._loop = loop = asyncio.get_running_loop()
        _here[self._key] = self
        try:
            self._place.begin()
            self._messages.begin()
            unwanted = _dropped.get(self._key, ())
            for instance, row in zip(self._instances, self._rows, strict=True):
                if instance.ticket not in unwanted:
                    instance.task = loop.create_task(self._walk(instance, row))
            tasks = [each.task for each in self._instances if each.task is not None]
            if tasks:
                await asyncio.wait(tasks)
        finally:
            self._place.end()
            _here.pop(self._key, None)
            _dropped.pop(self._key, None)
            self._runner.close()
        self._messages.flush()
        self._messages.end(*self._place.taken(), len(self._rows), sorted(self._late))
        return self._late

    async def _walk(self, instance: _Instance, row: bytes) -> None:
        trace = self._differ.trace(instance.row)
        printing.set(instance.prints)
        result, error = None, None
        try:
            params = track_reads(pickle.loads(row))  # noqa: S301 - of the user's own run
            trace.params = params
            result = await self._runner.run(params, trace)
        except BaseException as raised:  # noqa: BLE001 - it is the instance's end, not the chunk's
            error = raised
        outcome, error = dump_outcome(trace, result, error, instance.written)
        if len(outcome) > _LATE:
            self._late[instance.ticket] = outcome
            outcome = b""
        self._ends.append(((instance.ticket, outcome), error))
        self._differ.changed.add(instance.row)

    def drop(self, tickets: list[int]) -> None:
        """Cancel instances, from any thread."""
        unwanted = set(tickets)

        def cancel() -> None:
            for instance in self._instances:
                if instance.ticket in unwanted and instance.task is not None:
                    instance.task.cancel()

        with contextlib.suppress(RuntimeError):  # it has ended meanwhile
            self._loop.call_soon_threadsafe(cancel)

    def _printed(self, row: int) -> None:
        with contextlib.suppress(RuntimeError):  # the chunk has ended, and a thread prints still
            self._loop.call_soon_threadsafe(self._differ.changed.add, row)

    def _news(self) -> tuple[list[Part], list[End]]:
        errors = {ticket: error for (ticket, _), error in self._ends}
        parts: list[Part] = []
        for row in sorted(self._differ.changed):
            instance = self._instances[row]
            changes = self._differ.changes(row, errors.get(instance.ticket))
            parts.append((instance.ticket, changes, instance.prints.take()))
        ends = [end for end, _ in self._ends]
        self._differ.changed.clear()
        self._ends.clear()
        return parts, ends


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


class CpuSlot:
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
