"""A chunk of instances on a Dask worker: one task, one event loop, as many walks at once as it has rows.

What happens is told to the run as it happens, in messages of a few hundredths of a second each, by
the cluster's event topics. A message carries, of each instance that has changed, its node copies from
the first open one on; so each message stands for itself.

A chunk runs once. Dask gives a lost worker's tasks to another one; whoever finds a chunk claimed
leaves it alone, and the run decides what becomes of its instances.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from ..errors import RemoteError, found
from ..isolated import Isolated, isolated
from ..received import Readings, make
from ..trace import ACTION, ENDED, FIELDS, Board, Trace
from . import Work
from .carried import dump_error
from .local import LocalRunner
from .pickling import dumped

MESSAGE_EVERY = 0.01
"""Seconds between two messages of a chunk, at least."""

_LATE = (
    8 * 1024
)  # bytes; the scheduler keeps messages for a while, so larger results go another way
_LOOK_EVERY = 0.025  # seconds until a chunk first looks whether its worker has anything to compute
# Share of a core; who computes less than that waits. Taking a chunk that computes for one that waits
# (a crowded machine) costs its worker some turns; the other way round, instances would not run at all.
_BUSY = 0.4
_RPC_TIMEOUT = 60.0  # seconds
_MOST_DROPPED = 1_000  # chunks
_MOST_PACKAGES = 8


class _Package:
    """The flow, the store and the node classes of a run: all chunks in a process share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: tuple[Any, Any, list[type]] | None = None

    def opened(self, worker: Any, key: str) -> tuple[Any, Any, list[type]]:
        """Return flow, store and classes; the first one fetches them from the scheduler."""
        with self._lock:
            if self._opened is None:
                content = _on_loop(worker, worker.scheduler.get_metadata(keys=[key, "content"]))
                self._opened = pickle.loads(content)  # noqa: S301 - of the user's own run
            return self._opened


_packages: OrderedDict[str, _Package] = OrderedDict()
_sharing = threading.Lock()


def _package(key: str) -> _Package:
    with _sharing:
        package = _packages.setdefault(key, _Package())
        _packages.move_to_end(key)
        while len(_packages) > _MOST_PACKAGES:
            _packages.popitem(last=False)
    return package


def forget(key: str) -> None:
    """Let go of the flow and the store of a run that has ended."""
    with _sharing:
        _packages.pop(key, None)


def _on_loop(worker: Any, call: Coroutine[Any, Any, Any]) -> Any:
    """Await something in a worker's loop, from a thread of its tasks."""
    return asyncio.run_coroutine_threadsafe(call, worker.loop.asyncio_loop).result(_RPC_TIMEOUT)


class _Changed(set[int]):
    """The rows of which there is something to tell; calls `tell` when there is a first one."""

    def __init__(self, tell: Any) -> None:
        super().__init__()
        self._tell = tell

    def add(self, row: int) -> None:
        if not self:
            self._tell()
        super().add(row)


class _Noted(Trace):
    """A trace whose every change is told."""

    __slots__ = ("changed",)
    changed: _Changed

    def __setitem__(self, at: Any, value: Any) -> None:
        super().__setitem__(at, value)
        self.changed.add(self.row)


class _Instance:
    """One instance of a chunk."""

    __slots__ = ("_on_print", "_printed", "task", "ticket", "told", "trace", "written")

    def __init__(self, ticket: int, trace: _Noted, on_print: Callable[[int], None]) -> None:
        self.ticket = ticket
        self.trace = trace
        self._on_print = on_print
        self.told = 0
        """How many fields of its trace will not change and have been told."""
        self.written: dict[Any, Any] = {}
        self._printed: list[tuple[str, str]] = []
        self.task: asyncio.Task[None] | None = None

    def print(self, stream: str, text: str) -> None:
        """Note what it prints, in any thread."""
        self._printed.append((stream, text))
        if len(self._printed) == 1:
            self._on_print(self.trace.row)

    def take_printed(self) -> list[tuple[str, str]]:
        """Return what was printed since the last time, by stream, and forget it."""
        texts = self._printed[:]
        del self._printed[: len(texts)]  # a thread may be printing
        joined: list[tuple[str, str]] = []
        for stream, text in texts:
            if joined and joined[-1][0] == stream:
                joined[-1] = stream, joined[-1][1] + text
            else:
                joined.append((stream, text))
        return joined


class _Timed(LocalRunner):
    """Knows how long the threads of its instances have computed."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.used: list[float] = []
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
    """
    from distributed import get_worker

    worker = get_worker()
    if not _on_loop(worker, _claim(worker, chunk["package"], chunk["number"])):
        return None
    if not worker.address.startswith("inproc"):
        _catch_prints()
    return asyncio.run(_Chunk(worker, **chunk).run())


async def _claim(worker: Any, package: str, number: int) -> bool:
    """Whether this chunk may run here: its run goes on, and it has begun nowhere else."""
    scheduler, claim = worker.scheduler, [package, f"chunk {number}"]
    goes_on, claimed = await asyncio.gather(
        scheduler.get_metadata(keys=[package, "open"], default=False),
        scheduler.get_metadata(keys=claim, default=None),
    )
    if claimed is not None or not goes_on:
        return False
    await scheduler.set_metadata(keys=claim, value=worker.address)
    return True


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
        flow, shared, classes = _package(package).opened(worker, package)
        self._waits = waits
        self._run, self._topic, self._number = run, topic, number
        self._worker = worker
        self._rows = rows
        self._shared = shared
        self._readings = Readings()
        self._board = Board()
        for kind in classes:
            self._board.name_node(kind)
        self._known = len(classes)
        self._changed = _Changed(self._soon)
        self._board.watchers = (self._changed,)
        self._board.nodes.frombytes(bytes(len(rows) * self._board.nodes.itemsize))
        self._instances = [
            _Instance(ticket, self._trace(row), self._printed) for row, ticket in enumerate(tickets)
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
        self._runner = _Timed(work)
        self._ends: list[tuple[Any, ...]] = []
        self._late: dict[int, bytes] = {}
        self._last = 0.0
        self._flush_at: asyncio.TimerHandle | None = None

    def _trace(self, row: int) -> _Noted:
        trace = _Noted()
        trace.board, trace.row, trace.extras = self._board, row, None
        trace.received, trace.changed = None, self._changed
        return trace

    def _view(self, trace: Trace) -> Any:
        return isolated(self._shared, self._instances[trace.row].written)

    async def run(self) -> dict[int, bytes]:
        """Run all, and return what was too large to be told."""
        self._loop = loop = asyncio.get_running_loop()
        _here[self._run, self._number] = self
        began, used = time.monotonic(), time.thread_time()
        self._looked = self._clocks()
        self._looking = loop.call_later(_LOOK_EVERY, self._look_at_worker, _LOOK_EVERY)
        try:
            if self._waits:
                self._looking.cancel()
                self._look_at_worker(0.0)
            self._send({"began": True})
            unwanted = _dropped.get((self._run, self._number), ())
            for instance, row in zip(self._instances, self._rows, strict=True):
                if instance.ticket not in unwanted:
                    instance.task = loop.create_task(self._walk(instance, row))
            tasks = [each.task for each in self._instances if each.task is not None]
            if tasks:
                await asyncio.wait(tasks)
        finally:
            self._looking.cancel()
            _here.pop((self._run, self._number), None)
            _dropped.pop((self._run, self._number), None)
            self._runner.close()
        self._flush()
        seconds = time.monotonic() - began
        cpu = time.thread_time() - used + sum(self._runner.used)
        self._send({"ended": (seconds, cpu, len(self._rows), sorted(self._late))})
        return self._late

    async def _walk(self, instance: _Instance, row: bytes) -> None:
        trace = instance.trace
        _printing.set(instance)
        error: BaseException | None = None
        try:
            params = make(pickle.loads(row))  # noqa: S301 - of the user's own run
            params.reading, params.writes = self._readings.nothing, 0
            trace.received = params
            end = True, _travelling("Its result", await self._runner.run(params, trace))
        except BaseException as raised:  # noqa: BLE001 - it is the instance's end, not the chunk's
            end, error = (False, dump_error(raised)), raised
        writes = []
        for key, value in instance.written.items():
            try:
                writes.append((key, _travelling(f"What it wrote to shared[{key!r}]", value)))
            except RemoteError as refusal:
                if error is None:
                    end, error = (False, dump_error(refusal)), refusal
        read = frozenset() if trace.received is None else trace.received.reading.read
        outcome = dumped((*end, writes, read))
        if len(outcome) > _LATE:
            self._late[instance.ticket] = outcome
            outcome = b""
        self._ends.append((instance.ticket, outcome, error))
        self._changed.add(trace.row)

    def drop(self, tickets: list[int]) -> None:
        """Cancel instances, from any thread."""
        unwanted = set(tickets)

        def cancel() -> None:
            for instance in self._instances:
                if instance.ticket in unwanted and instance.task is not None:
                    instance.task.cancel()

        with contextlib.suppress(RuntimeError):  # it has ended meanwhile
            self._loop.call_soon_threadsafe(cancel)

    # What is told

    def _soon(self) -> None:
        if self._flush_at is None:
            wait = max(0.0, self._last + MESSAGE_EVERY - time.monotonic())
            self._flush_at = self._loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        errors = {ticket: error for ticket, _, error in self._ends}
        parts = []
        for row in sorted(self._changed):
            instance = self._instances[row]
            parts.append(self._part(instance, errors.get(instance.ticket)))
        ends = [end[:2] for end in self._ends]
        self._changed.clear()
        self._ends.clear()
        if parts:
            self._send({"parts": pickle.dumps((parts, ends))})
        self._last = time.monotonic()

    def _part(self, instance: _Instance, error: BaseException | None) -> tuple[Any, ...]:
        """Return what has changed of an instance's node copies: place, fields, names, extras."""
        trace, at = instance.trace, instance.told
        fields = list.__getitem__(trace, slice(at, None))
        nodes, actions = {}, {}
        for place in range(0, len(fields), FIELDS):
            node, action = fields[place], fields[place + ACTION]
            if node > self._known or not node:
                nodes[node] = self._board.node_names[node]
            if action >= 0:
                actions[action] = self._board.action_name(action)
        extras = {
            place: {name: _extra(name, value, error) for name, value in extra.items()}
            for place, extra in (trace.extras or {}).items()
            if place >= at
        }
        while at < len(trace) and trace[at + ENDED] == trace[at + ENDED]:  # no longer a NaN
            at += FIELDS
        instance.told = at
        place = len(trace) - len(fields)
        printed = instance.take_printed()
        return instance.ticket, place, fields, nodes, actions, extras, printed

    def _printed(self, row: int) -> None:
        with contextlib.suppress(RuntimeError):  # the chunk has ended, and a thread prints still
            self._loop.call_soon_threadsafe(self._changed.add, row)

    def _send(self, message: dict[str, Any]) -> None:
        message |= {"run": self._run, "chunk": self._number, "worker": self._worker.address}
        self._worker.log_event(self._topic, message | {"now": time.monotonic()})

    @staticmethod
    def _clocks() -> tuple[float, float, float]:
        return time.monotonic(), time.thread_time(), time.process_time()

    def _look_at_worker(self, wait: float) -> None:
        """Give the place among the worker's tasks back while the worker only waits.

        Its instances wait for somebody, a provider most likely: others may run here meanwhile.
        """
        from distributed import secede

        before, self._looked = self._looked, self._clocks()
        seconds, here, everywhere = (
            now - then for now, then in zip(self._looked, before, strict=True)
        )
        # What threads compute, only the process knows; without any, what others compute is theirs.
        used = everywhere if self._runner.live else here
        if self._waits or used < _BUSY * seconds:
            secede()
            return
        wait = min(1.0, 2 * wait)
        self._looking = self._loop.call_later(wait, self._look_at_worker, wait)


def _travelling(what: str, value: Any) -> bytes:
    try:
        return dumped(value)
    except Exception as error:
        raise RemoteError(
            f"{what} is {found(value)}, which cannot travel back from its worker "
            f"({type(error).__name__}: {error}). Return or write what can be pickled."
        ) from error


def _extra(name: str, value: Any, error: BaseException | None) -> Any:
    """Return what fits no field of a copy; an error that is also the instance's own: as None."""
    if name == "error":
        return None if value is error else dump_error(value)
    if name == "after":
        return value
    try:
        return dumped(value)
    except Exception:  # noqa: BLE001 - its own code
        return dumped(repr(value))


# What the instances print


_printing: ContextVar[_Instance | None] = ContextVar("flowmagic_chunk", default=None)


class _Printed:
    """Stands in for a standard stream of a worker: what an instance prints goes back to its run."""

    def __init__(self, below: Any, name: str) -> None:
        self._below = below
        self._name = name

    def write(self, text: str) -> Any:
        instance = _printing.get()
        if instance is None:
            return self._below.write(text)
        instance.print(self._name, text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


_catching = threading.Lock()


def _catch_prints() -> None:
    with _catching:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, _Printed):
                setattr(sys, name, _Printed(stream, name))
