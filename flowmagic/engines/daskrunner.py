"""The instances of one run on a Dask cluster, as the run sees them.

Instances that start within a few milliseconds of one another travel together (`chunking`,
`daskchunk`). What the workers tell is written to the instances' traces as it arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import pickle
import sys
import uuid
from collections.abc import Coroutine
from typing import Any

from ..errors import EngineError, InstanceLostError
from ..received import copied
from ..trace import FIELDS, NO_ACTION, Board, Trace
from . import Work
from .carried import load_error
from .chunking import Chunking
from .daskchunk import drop, forget, run_chunk
from .daskcluster import Connection
from .pickling import Sources, dumped, nodes_of, packed

_WATCH_EVERY = 0.5
"""Seconds between two looks at which workers there are."""

_AHEAD = 2  # chunks for each that a worker takes at once
_RPC_TIMEOUT = 5.0
_STOPPING = 5.0
"""Seconds that cancelled instances get to end on their workers before the run ends without them."""

# One for all runs of this process: a scheduler keeps the latest messages of each topic for good.
_TOPIC = f"flowmagic-{uuid.uuid4().hex}"


class _Ticket:
    """An instance that is with the cluster, or on its way there."""

    __slots__ = ("chunk", "context", "future", "number", "offset", "row", "trace")

    def __init__(self, number: int, row: bytes, trace: Trace, future: asyncio.Future[Any]) -> None:
        self.number = number
        self.row = row
        self.trace = trace
        self.future = future
        """Gets the bytes of the outcome, or InstanceLostError."""
        self.chunk: _Sent | None = None
        self.offset: float | None = None
        """What is added to its worker's time: always the same, so that its copies keep their order."""
        self.context = contextvars.copy_context()

    def print(self, printed: list[tuple[str, str]]) -> None:
        """Print what it has printed on its worker, as if it had done so here."""
        for stream, text in printed:
            self.context.run(getattr(sys, stream).write, text)


class _Sent:
    """A chunk that was sent."""

    def __init__(self, number: int, tickets: list[_Ticket]) -> None:
        self.number = number
        self.tickets = {each.number: each for each in tickets}
        """Those that have not ended."""
        self.numbers = list(self.tickets)
        self.future: Any = None
        self.worker = ""
        """Where it has begun; empty before that."""
        self.late = True
        """Whether the task's own result holds anything, as far as is known."""
        self.why = "was not heard of again"
        self.task: asyncio.Task[None] | None = None


class DaskRunner:
    """Runs each instance on a worker of a Dask cluster; see `Runner`.

    Args:
        where: as of `DaskEngine`.

    Raises:
        EngineError: something in the flow or the shared store cannot travel.
    """

    def __init__(self, where: Any, work: Work) -> None:
        self._where = where
        self._work = work
        packed(work.flow, work.shared)  # refused before anything runs
        self._numbers = itertools.count()
        self._chunking = Chunking()
        self._connection: Connection | None = None
        self._gone: EngineError | None = None
        self._tickets: dict[int, _Ticket] = {}
        self._chunks: dict[int, _Sent] = {}
        self._waiting: dict[int, _Ticket] = {}
        self._unwanted: dict[int, list[int]] = {}
        """By number of their chunk, tickets that are to be cancelled where they run."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._closing = False
        self._strangers: dict[str, type] = {}
        """By name, what stands here for node classes that only the workers know."""

    # As a `Runner`

    async def open(self) -> None:
        """Connect, and send what all instances need.

        Raises:
            EngineError: no scheduler answers, or what prep has made of things cannot travel.
        """
        self._loop = asyncio.get_running_loop()
        content = packed(self._work.flow, self._work.shared)
        self._gone, self._closing = None, False
        self._run = uuid.uuid4().hex
        self._connection = connection = await Connection.to(self._where)
        client = connection.client
        client.subscribe_topic(_TOPIC, self._heard)
        # With the scheduler, where a worker that dies takes nothing along, and under the key of a task,
        # so that it is forgotten with this client at the latest.
        self._package = f"flowmagic-{self._run}"
        self._holder = client.submit(bool, key=self._package, pure=False)
        await client.set_metadata([self._package], {"open": True, "content": content})
        self._sources = Sources(self._work.flow)
        kinds = dict.fromkeys(type(node) for node in nodes_of(self._work.flow))
        self._kinds = list(kinds)
        self._offsets: dict[str, float] = {}
        self._workers: dict[str, int] = await client.nthreads()
        self._start(self._watch())

    def run(self, params: dict[Any, Any], trace: Trace) -> Coroutine[Any, Any, Any]:
        """Run one instance; see `Runner`."""
        return self._instance(params, trace)

    def resize(self, limit: int) -> None:
        """Do nothing: the workers are what they are."""

    async def drain(self) -> None:
        """Wait until the instances have ended on their workers, and disconnect."""
        connection = self._connection
        if connection is None:
            return
        try:
            if self._gone is None:
                await self._last_chunks()
        finally:
            self._closing = True
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._connection = None
            self._chunks.clear()
            await connection.close()

    def close(self) -> None:
        """Let go of the cluster, where `drain` was not awaited to its end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    async def _last_chunks(self) -> None:
        assert self._connection is not None
        chunks = [each.task for each in self._chunks.values() if each.task is not None]
        self._send_unwanted()
        for chunk in list(self._chunks.values()):
            if chunk.worker and chunk.worker not in self._workers:
                self._start(self._cancel_chunk(chunk))  # no other worker need look at it
        if chunks:
            await asyncio.wait(chunks, timeout=_STOPPING)
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await self._connection.client.run(forget, self._package, on_error="ignore")

    # One instance

    async def _instance(self, params: dict[Any, Any], trace: Trace) -> Any:
        if self._gone is not None:
            raise InstanceLostError(str(self._gone))
        view = None if self._work.view is None else self._work.view(trace)
        number = next(self._numbers)
        ticket = _Ticket(number, _row(params), trace, self._loop.create_future())
        self._tickets[number] = self._waiting[number] = ticket
        self._plan_sending()
        try:
            outcome = await ticket.future
        finally:
            self._forget(ticket)
        ok, content, writes, read = pickle.loads(outcome)  # noqa: S301 - of our own worker
        if view is not None:
            view.update({key: pickle.loads(value) for key, value in writes})  # noqa: S301 - ditto
        received = trace.received
        if received is not None:
            received.reading = received.reading.also(read)
        if ok:
            return pickle.loads(content)  # noqa: S301 - ditto
        error = load_error(content, self._sources)
        for extra in (trace.extras or {}).values():
            if extra.get("error", error) is None:
                extra["error"] = error
        raise error

    def _forget(self, ticket: _Ticket) -> None:
        self._tickets.pop(ticket.number, None)
        self._waiting.pop(ticket.number, None)
        chunk = ticket.chunk
        if chunk is not None and chunk.tickets.pop(ticket.number, None) is not None:
            # It was cancelled, or its time is over: the worker is to know.
            if not self._unwanted:
                self._loop.call_soon(self._send_unwanted)
            self._unwanted.setdefault(chunk.number, []).append(ticket.number)

    # Chunks on their way

    def _plan_sending(self) -> None:
        if self._sending is None and self._waiting:
            at = max(self._loop.time() + self._chunking.pause(0), self._not_before)
            self._sending = self._loop.call_at(at, self._send)

    def _send(self) -> None:
        self._sending = None
        if self._connection is None:
            return
        places = sum(self._workers.values())
        # Some are on their way while others run. More would lie there in small chunks, and out of reach
        # for a worker that joins.
        room = _AHEAD * places - sum(not each.worker for each in self._chunks.values())
        waiting = list(self._waiting.values())
        size = self._chunking.size(len(waiting), places)
        chunks = [waiting[at : at + size] for at in range(0, len(waiting), size)][: max(0, room)]
        for tickets in chunks:
            for ticket in tickets:
                del self._waiting[ticket.number]
            self._submit(tickets)
        self._not_before = self._loop.time() + self._chunking.pause(len(chunks))

    def _submit(self, tickets: list[_Ticket]) -> None:
        assert self._connection is not None
        chunk = _Sent(next(self._numbers), tickets)
        key = f"flowmagic-{self._run}-{chunk.number}"
        for ticket in tickets:
            ticket.chunk = chunk
        self._chunks[chunk.number] = chunk
        chunk.future = self._connection.client.submit(
            run_chunk,
            {
                "package": self._package,
                "run": self._run,
                "topic": _TOPIC,
                "number": chunk.number,
                "tickets": [each.number for each in tickets],
                "rows": [each.row for each in tickets],
                "threads": self._work.threads,
                "waits": self._chunking.waits,
            },
            key=key,
            pure=False,
        )
        chunk.task = self._start(self._follow(chunk))

    async def _follow(self, chunk: _Sent) -> None:
        """Wait for a chunk's end; what was not told of its instances by then is lost."""
        try:
            await self._late_outcomes(chunk)
        except (asyncio.CancelledError, Exception) as error:
            # Dask's own errors, among them words for a task that was cancelled, or whose scheduler is
            # gone; or that of a flow that cannot be read there.
            if self._closing:
                raise
            chunk.why = self._why_lost(chunk, error)
            self._check_scheduler()
        finally:
            chunk.future.release()
            self._chunks.pop(chunk.number, None)
            self._plan_sending()
        for ticket in list(chunk.tickets.values()):
            self._lose(ticket, chunk.why)

    async def _late_outcomes(self, chunk: _Sent) -> None:
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
            self._end(chunk, number, outcome)

    def _why_lost(self, chunk: _Sent, error: BaseException) -> str:
        if chunk.why.startswith("was lost"):
            return chunk.why
        return f"could not run on a worker ({type(error).__name__}: {error})"

    def _lose(self, ticket: _Ticket, why: str) -> None:
        if ticket.chunk is not None:
            ticket.chunk.tickets.pop(ticket.number, None)
        if not ticket.future.done():
            hint = " Lost instances are run again with retries=2." if self._gone is None else ""
            ticket.future.set_exception(
                InstanceLostError(f"Instance {ticket.trace.row} {why}.{hint}")
            )

    def _send_unwanted(self) -> None:
        unwanted, self._unwanted = self._unwanted, {}
        if self._connection is None or self._gone is not None or not unwanted:
            return
        chunks = [self._chunks[number] for number in unwanted if number in self._chunks]
        begun = all(each.worker for each in chunks)
        workers = list({each.worker for each in chunks}) if begun else None
        self._start(self._cancel_there(unwanted, workers))
        for chunk in chunks:
            if not chunk.tickets and not chunk.worker:
                self._start(self._cancel_chunk(chunk))

    async def _cancel_there(
        self, unwanted: dict[int, list[int]], workers: list[str] | None
    ) -> None:
        assert self._connection is not None
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await self._connection.client.run(
                drop, self._run, unwanted, workers=workers, on_error="ignore"
            )

    async def _cancel_chunk(self, chunk: _Sent) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await chunk.future.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # What the workers tell

    def _heard(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if message["run"] != self._run:
            return
        worker, chunk = message["worker"], self._chunks.get(message["chunk"])
        late = self._work.clock() - message["now"]
        # The least of all: a clock there cannot be further behind than its quickest message says.
        self._offsets[worker] = min(late, self._offsets.get(worker, late))
        if "ended" in message:
            seconds, cpu, instances, too_large = message["ended"]
            self._chunking.learn(seconds, cpu, instances)
            if chunk is not None:
                chunk.late = bool(too_large)
        elif chunk is not None and "began" in message:
            chunk.worker = worker
            self._plan_sending()
            if not chunk.tickets:  # all were cancelled while it was on its way
                self._start(self._cancel_there({chunk.number: chunk.numbers}, [worker]))
        elif chunk is not None:
            parts, ends = pickle.loads(message["parts"])  # noqa: S301 - of our own worker
            for part in parts:
                self._take(part, self._offsets[worker])
            for number, outcome in ends:
                if outcome:
                    self._end(chunk, number, outcome)

    def _take(self, part: tuple[Any, ...], offset: float) -> None:
        """Write what has changed of an instance to its trace, with our own numbers and clock."""
        number, at, fields, nodes, actions, extras, printed = part
        ticket = self._tickets.get(number)
        if ticket is None:
            return
        trace, now = ticket.trace, self._work.clock()
        if ticket.offset is None:
            ticket.offset = offset
        shift = ticket.offset
        own: list[Any] = []
        for start in range(0, len(fields), FIELDS):
            node, parent, action, started, ended = fields[start : start + FIELDS]
            if action >= 0:
                name = actions[action]
                action = trace.board.action_id(name)
                if action < 0:
                    action = NO_ACTION
                    extras.setdefault(at + start, {})["action"] = dumped(name)
            kind = self._kind(node, nodes)
            # Not after now; an end that has not come is a NaN, and stays one.
            times = (min(started + shift, now), min(ended + shift, now))
            own += (_number_of(trace.board, kind), parent, action, *times)
        trace.take(at, own, {place: _read(extra, self._sources) for place, extra in extras.items()})
        ticket.print(printed)

    def _kind(self, node: int, names: dict[int, str]) -> type:
        """Return the class that a worker's number stands for; one made there has a stand-in here."""
        if node not in names:
            return self._kinds[node - 1]
        kind = type(names[node], (), {})
        return self._strangers.setdefault(names[node], kind)

    def _end(self, chunk: _Sent, number: int, outcome: bytes) -> None:
        ticket = chunk.tickets.pop(number, None)
        if ticket is not None and not ticket.future.done():
            ticket.future.set_result(outcome)

    # Whether all is well

    async def _watch(self) -> None:
        """Look which workers there are; give up chunks of those that are gone."""
        assert self._connection is not None
        client = self._connection.client
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            try:
                self._workers = await asyncio.wait_for(client.nthreads(), _RPC_TIMEOUT)
                self._plan_sending()
                self._check_scheduler()
            except (OSError, asyncio.TimeoutError):
                self._lose_all()
                return
            for chunk in list(self._chunks.values()):
                if chunk.worker and chunk.worker not in self._workers:
                    chunk.why = f"was lost with its worker, {chunk.worker}"
                    for ticket in list(chunk.tickets.values()):
                        self._lose(ticket, chunk.why)

    def _check_scheduler(self) -> None:
        # Nobody cancels that one but a client that has lost its scheduler, for a moment at least.
        if self._holder.cancelled():
            self._lose_all()

    def _lose_all(self) -> None:
        if self._connection is None or self._gone is not None:
            return
        self._gone = gone = EngineError(
            f"The Dask scheduler at {self._connection.where} is gone. Start it again, and then take "
            "the run up with run.retry_failed()."
        )
        # First, so that nothing is retried.
        if self._work.broke is not None:
            self._work.broke(gone)
        for ticket in list(self._tickets.values()):
            self._lose(ticket, "was lost with its scheduler")


def _row(params: Any) -> bytes:
    given = copied(params)
    try:
        return dumped(given)
    except Exception as error:
        for key, value in given.items():
            try:
                dumped(value)
            except Exception:  # noqa: BLE001 - its own code
                raise EngineError(
                    f"The param {key!r} is a {type(value).__name__}, which cannot travel to a worker "
                    f"({type(error).__name__}: {error}). Give what it is made from instead."
                ) from error
        raise


def _read(extra: dict[str, Any], sources: Sources) -> dict[str, Any]:
    """Return what fits no field of a copy, as it was on the worker."""
    made: dict[str, Any] = {}
    for name, value in extra.items():
        if name == "after" or value is None:
            made[name] = value
        else:
            made[name] = load_error(value, sources) if name == "error" else pickle.loads(value)  # noqa: S301 - of our own worker
    return made


def _number_of(board: Board, kind: type) -> int:
    known = board.node_ids.get(kind)
    return board.name_node(kind) if known is None else known
