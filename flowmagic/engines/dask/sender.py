"""The chunks of a run that are on a cluster: how they get there, and how they leave it again."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import math
from collections.abc import Awaitable, Callable
from typing import Any

from ...records.trace import Trace
from .chunk_runner import drop, run_chunk
from .cluster import Connection
from .liveness import ClusterMonitor
from .requirements import runtime
from .tickets import SentChunk, Ticket

_MOST_SENDS = 5
"""Times that an instance is sent whose workers die, each time, before it has begun."""

_STOPPING = 5.0
"""Seconds that cancelled instances get to end on their workers before the run ends without them."""


class ChunkSender:
    """Sends instances in chunks, and follows each chunk to its end.

    Args:
        connection: to the cluster.
        watch: over that.
        chunking: says how many instances go together, and when.
        package: the key of what the instances need.
        run: the name by which workers know the run.
        topic: of the messages to it.
        threads: as in `Work`.
        unfit: awaited with what keeps a worker from beginning with any instance of the run.

    Attributes:
        tickets: of all instances, from `add` to `forget`, by number.
        chunks: those that have not ended, by number.
    """

    def __init__(
        self,
        connection: Connection,
        watch: ClusterMonitor,
        chunking: Chunking,
        *,
        package: str,
        run: str,
        topic: str,
        threads: bool,
        unfit: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._unfit = unfit
        self._watch = watch
        self._chunking = chunking
        self._run = run
        self._common = {
            "runtime": runtime(),
            "package": package,
            "run": run,
            "topic": topic,
            "threads": threads,
        }
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self.tickets: dict[int, Ticket] = {}
        self.chunks: dict[int, SentChunk] = {}
        self._waiting: dict[int, Ticket] = {}
        self._unwanted: dict[int, list[int]] = {}
        """By number of their chunk, tickets that are to be cancelled where they run."""
        self._next: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def add(self, params: dict[Any, Any], trace: Trace) -> Ticket:
        """Send an instance as soon as there is room; return what stands for it.

        Raises:
            EngineError: a param cannot travel.
        """
        ticket = Ticket(next(self._numbers), params, trace)
        self.tickets[ticket.number] = self._waiting[ticket.number] = ticket
        self.plan()
        return ticket

    def forget(self, ticket: Ticket) -> None:
        """Let go of an instance, and cancel it where it runs if it has not ended."""
        self.tickets.pop(ticket.number, None)
        self._waiting.pop(ticket.number, None)
        chunk = ticket.chunk
        if chunk is not None and chunk.tickets.pop(ticket.number, None) is not None:
            # It was cancelled, or its time is over: the worker is to know.
            if not self._unwanted:
                self._loop.call_soon(self._send_unwanted)
            self._unwanted.setdefault(chunk.number, []).append(ticket.number)

    def plan(self) -> None:
        """Send what waits, soon: there may be room for it."""
        if self._next is None and self._waiting:
            at = max(self._loop.time() + self._chunking.pause(0), self._not_before)
            self._next = self._loop.call_at(at, self._send)

    def begun(self, chunk: SentChunk, worker: str) -> None:
        """Note that a chunk has begun on a worker."""
        chunk.worker = worker
        self.plan()
        if not chunk.tickets:  # all were cancelled while it was on its way
            self._connection.start(self._cancel_there({chunk.number: chunk.numbers}, [worker]))

    def lose_orphans(self) -> None:
        """Give up the chunks whose workers are gone."""
        for chunk in list(self.chunks.values()):
            if self._orphaned(chunk):
                chunk.why = f"was lost with its worker, {chunk.worker}"
                self._lose(list(chunk.tickets.values()), chunk.why)

    def lose_all(self) -> None:
        """Give up everything, since the scheduler is gone."""
        self._lose(list(self.tickets.values()), "was lost with its cluster")

    async def finish(self) -> None:
        """Cancel what is left of instances that were forgotten, and wait until the chunks have ended."""
        following = [each.task for each in self.chunks.values() if each.task is not None]
        self._send_unwanted()
        for chunk in list(self.chunks.values()):
            if self._orphaned(chunk):
                self._connection.start(self._cancel_chunk(chunk))  # no other worker need look at it
        if following:
            await asyncio.wait(following, timeout=_STOPPING)

    def _orphaned(self, chunk: SentChunk) -> bool:
        return bool(chunk.worker) and chunk.worker not in self._watch.workers

    def _lose(self, tickets: list[Ticket], why: str) -> None:
        hint = " Lost instances are run again with retries=2." if self._watch.gone is None else ""
        for ticket in tickets:
            ticket.lose(why, hint)

    # On their way there

    def _send(self) -> None:
        self._next = None
        if self._connection.closing:
            return
        places = sum(self._watch.workers.values())
        # Some are on their way while others run. More would lie there in small chunks, and out of reach
        # for a worker that joins.
        on_their_way = sum(not each.worker for each in self.chunks.values())
        # Without any worker one chunk waits on the cluster all the same: an adaptive one starts a worker
        # only when there is something for it.
        room = max(0, (self._chunking.ahead * places or 1) - on_their_way)
        waiting = list(self._waiting.values())
        size = self._chunking.size(len(waiting), places, room)
        chunks = [waiting[at : at + size] for at in range(0, len(waiting), size)][:room]
        for tickets in chunks:
            for ticket in tickets:
                del self._waiting[ticket.number]
            self._submit(SentChunk(next(self._numbers), tickets))
        self._not_before = self._loop.time() + self._chunking.pause(len(chunks))

    def _submit(self, chunk: SentChunk) -> None:
        self.chunks[chunk.number] = chunk
        chunk.future = self._connection.client.submit(
            run_chunk,
            {
                **self._common,
                "number": chunk.number,
                "tickets": chunk.numbers,
                "rows": [each.row for each in chunk.tickets.values()],
                "waits": self._chunking.waits,
            },
            key=f"flowmagic-{self._run}-{chunk.number}",
            pure=False,
        )
        chunk.task = self._connection.start(self._follow(chunk))

    # To their end

    async def _follow(self, chunk: SentChunk) -> None:
        """Wait for a chunk's end; what was not told of its instances by then is lost."""
        try:
            await self._late_outcomes(chunk)
        except (asyncio.CancelledError, Exception) as error:
            # Dask's own errors, among them words for a task that was cancelled, or whose scheduler is
            # gone; or that of a flow that cannot be read there.
            if self._connection.closing:
                raise
            if not chunk.why.startswith("was lost"):
                chunk.why = f"could not run on a worker ({type(error).__name__}: {error})"
            self._watch.check()
            if not chunk.worker and chunk.future.status == "error":
                await self._not_begun(chunk, error)
        finally:
            chunk.future.release()
            self.chunks.pop(chunk.number, None)
            self.plan()
        self._lose(list(chunk.tickets.values()), chunk.why)

    async def _not_begun(self, chunk: SentChunk, error: BaseException) -> None:
        """Send again what lay ready on workers that died; where none of it can begin, say so."""
        if isinstance(error, (OSError, asyncio.TimeoutError, concurrent.futures.TimeoutError)):
            return  # the scheduler was slow to answer that worker, which says nothing of the next chunk
        if type(error).__name__ != "KilledWorker":
            await self._unfit(error)
            return
        chunk.why = f"found its workers dead {_MOST_SENDS} times before it could begin"
        for ticket in list(chunk.tickets.values()):
            ticket.sends += 1
            if ticket.sends < _MOST_SENDS:
                del chunk.tickets[ticket.number]
                ticket.chunk = None
                self._waiting[ticket.number] = ticket

    async def _late_outcomes(self, chunk: SentChunk) -> None:
        done = asyncio.Event()
        chunk.future.add_done_callback(  # in a thread of Dask's
            lambda _: self._loop.call_soon_threadsafe(done.set)
        )
        await done.wait()
        if chunk.future.status == "finished" and not chunk.late:
            return
        outcomes = await chunk.future
        if outcomes is None:
            chunk.why = "was lost with its worker" + (f", {chunk.worker}" * bool(chunk.worker))
            return
        for number, outcome in outcomes.items():
            chunk.end(number, outcome)

    # Away from there

    def _send_unwanted(self) -> None:
        unwanted, self._unwanted = self._unwanted, {}
        if self._connection.closing or self._watch.gone is not None or not unwanted:
            return
        chunks = [self.chunks[number] for number in unwanted if number in self.chunks]
        begun = all(each.worker for each in chunks)
        workers = list({each.worker for each in chunks}) if begun else None
        self._connection.start(self._cancel_there(unwanted, workers))
        for chunk in chunks:
            if not chunk.tickets and not chunk.worker:
                self._connection.start(self._cancel_chunk(chunk))

    async def _cancel_there(
        self, unwanted: dict[int, list[int]], workers: list[str] | None
    ) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await self._connection.client.run(
                drop, self._run, unwanted, workers=workers, on_error="ignore"
            )

    async def _cancel_chunk(self, chunk: SentChunk) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await chunk.future.cancel()


TARGET = 0.1
"""Seconds for which a chunk should keep its worker busy."""

MOST = 500
"""Instances in a chunk."""

_PAUSE = 0.004  # seconds that a task costs
_GATHER = 0.002  # seconds in which instances that start are gathered
_SHARE = 64  # of an instance's duration: gathering longer than this part of it would be felt
_WAITING = 0.2  # of a chunk's time: who computes less than that waits
_WEIGHT = 0.3  # of the latest chunk in what is known of all
_LONG = 0.005  # seconds that an instance computes; as long as that, the next chunk comes in time


class Chunking:
    """Learns from the chunks of one run how large the next ones are to be."""

    def __init__(self) -> None:
        self._cpu: float | None = None
        """Seconds that an instance computes; None: not known yet."""
        self._seconds = 0.0
        self._share = 1.0
        """Of the time that a chunk takes, how much it computes."""

    def learn(self, seconds: float, cpu: float, instances: int) -> None:
        """Take in a chunk that has ended: how long it took, and computed, with so many instances."""
        each, share = cpu / instances, min(1.0, cpu / max(seconds, 1e-6))
        if self._cpu is None:
            self._cpu, self._seconds, self._share = each, seconds, share
            return
        self._cpu += _WEIGHT * (each - self._cpu)
        self._seconds += _WEIGHT * (seconds - self._seconds)
        self._share += _WEIGHT * (share - self._share)

    @property
    def waits(self) -> bool:
        """Whether the instances wait for somebody, most of their time, so that many may be at it."""
        return self._share < _WAITING

    @property
    def ahead(self) -> int:
        """How many chunks are to lie ready for each that a worker takes at once.

        More than one would be sent in pieces, as one instance after the other ends, and each piece
        costs. One is enough where it lasts until the next is there.
        """
        return 1 if self._cpu is not None and self._cpu >= _LONG else 2

    def size(self, waiting: int, places: int, room: int) -> int:
        """Return how many instances the next chunks take.

        Args:
            waiting: how many wait to be sent.
            places: how many chunks the workers take at once.
            room: how many can be sent now.
        """
        if self._cpu is None:
            # Small enough that nobody has to compute much more than the others.
            return max(1, min(MOST, math.ceil(math.ceil(waiting / max(1, places)) / 2)))
        even = math.ceil(waiting / max(1, room))
        full = math.floor(TARGET / max(self._cpu, TARGET / MOST))
        return max(1, min(even, full))

    def pause(self, chunks: int) -> float:
        """Return how many seconds to gather instances after so many chunks were sent."""
        return max(_GATHER, chunks * _PAUSE, min(1.0, self._seconds / _SHARE))
