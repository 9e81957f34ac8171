"""Runs a chunk of instances on a Dask worker: one task, with one event loop for all of them.

A chunk runs once. When a worker dies, Dask gives its tasks to other workers; a worker that finds a chunk
claimed does not run it, and the run decides what happens to its instances.
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
from ...shared.views import Isolated, filled, isolated
from .. import thread_loop
from ..base import Work
from ..process_state import ProcessState
from . import serialization
from .instance_result import dump_outcome
from .messages import InstanceEnd, InstanceUpdate, MessageSender
from .requirements import runtime
from .stdout import PrintBuffer, current_buffer, install_forwarders
from .trace_diff import MAX_IN_MESSAGE, TraceDiffer
from .worker_slot import CpuTimingRunner, WorkerSlot

_MAX_CANCELLED = 1_000  # chunks

_running: dict[tuple[str, int], ChunkRunner] = {}
"""The chunks that run in this process, by run and number."""

_cancelled: OrderedDict[tuple[str, int], set[int]] = OrderedDict()
"""Ids of cancelled instances, by run and number of their chunk, which may not have arrived yet."""


def cancel_instances(run: str, ids_by_chunk: dict[int, list[int]]) -> None:
    """Cancel instances of chunks that run in this process, or that may still arrive here."""
    for number, ids in ids_by_chunk.items():
        _cancelled.setdefault((run, number), set()).update(ids)
        chunk = _running.get((run, number))
        if chunk is not None:
            chunk.cancel(ids)
    while len(_cancelled) > _MAX_CANCELLED:
        _cancelled.popitem(last=False)


def run_chunk(chunk: dict[str, Any]) -> dict[int, bytes] | None:
    """Run the instances of a chunk. This is the task that Dask runs.

    Returns:
        The outcomes that are too large for a message, by instance id; None if the chunk was claimed
        before, or its run has ended.

    Raises:
        EngineError: this worker has another Python or flowmagic than the run.
    """
    from distributed import get_worker

    chunk = dict(chunk)
    if (needed := chunk.pop("runtime")) != runtime():
        raise EngineError(
            f"This worker has {runtime()}, and the run has {needed}. Start it with those versions."
        )
    worker = get_worker()
    if not serialization.claim(worker, chunk["payload_key"], chunk["number"]):
        return None
    if not worker.address.startswith("inproc"):
        install_forwarders()
    return thread_loop.run(ChunkRunner(worker, **chunk).run())


class ChunkInstance:
    """One instance of a chunk; its row is its index in the chunk."""

    def __init__(self, instance_id: int, row: int, on_print: Callable[[int], None]) -> None:
        self.id = instance_id
        self.row = row
        self.filled: list[Any] | None = None
        """The params that its view of the store begins with; None if it begins with none."""
        self.writes: dict[Any, Any] = {}
        self.printed = PrintBuffer(functools.partial(on_print, row))
        self.task: asyncio.Task[None] | None = None


class ChunkRunner:
    """Runs one chunk.

    Args:
        worker: the worker that it runs on.
        payload_key: the key of the run's payload on the scheduler.
        run: the id of the run.
        topic: the topic of messages to the run.
        number: the number of the chunk.
        ids: the ids of its instances.
        params: the pickled params of each of them; see `RemoteInstance`.
        threads: whether the `exec` of sync nodes may run in threads.
        mostly_waiting: whether earlier chunks of the run mostly waited.
    """

    def __init__(
        self,
        worker: Any,
        *,
        payload_key: str,
        run: str,
        topic: str,
        number: int,
        ids: list[int],
        params: list[bytes],
        threads: bool,
        mostly_waiting: bool,
    ) -> None:
        flow, shared, classes = serialization.load(worker, payload_key)
        self._key = run, number
        self._params = params
        self._shared = shared
        self._messages = MessageSender(worker, topic, run, number, self._collect_updates)
        self._differ = TraceDiffer(classes, len(ids), self._messages.schedule)
        self._instances = [ChunkInstance(each, row, self._on_print) for row, each in enumerate(ids)]
        work = Work(
            flow,
            shared,
            limit=len(ids),
            threads=threads,
            clock=time.monotonic,
            view=self._view,
            settle=Isolated.settle,
        )
        self._runner = CpuTimingRunner(work)
        self._slot = WorkerSlot(self._runner, mostly_waiting=mostly_waiting)
        self._process = ProcessState()
        self._ends: list[tuple[InstanceEnd, BaseException | None]] = []
        self._large_outcomes: dict[int, bytes] = {}

    def _view(self, trace: Trace) -> Any:
        instance = self._instances[trace.row]
        if instance.filled is None:
            return isolated(self._shared, instance.writes)
        return filled(self._shared, instance.filled, trace, instance.writes)

    async def run(self) -> dict[int, bytes]:
        """Run all instances; return the outcomes that are too large for a message, by instance id."""
        self._loop = loop = asyncio.get_running_loop()
        _running[self._key] = self
        self._process.begin()
        try:
            self._slot.start()
            self._messages.send_start()
            cancelled = _cancelled.get(self._key, ())
            tasks = []
            for instance, params in zip(self._instances, self._params, strict=True):
                if instance.id not in cancelled:
                    instance.task = loop.create_task(self._run_instance(instance, params))
                    tasks.append(instance.task)
            if tasks:
                await asyncio.wait(tasks)
        finally:
            self._slot.stop()
            _running.pop(self._key, None)
            _cancelled.pop(self._key, None)
            self._runner.close()
            self._process.end()
        self._messages.flush()
        self._messages.send_end(
            *self._slot.usage(), len(self._instances), has_large=bool(self._large_outcomes)
        )
        return self._large_outcomes

    async def _run_instance(self, instance: ChunkInstance, pickled_params: bytes) -> None:
        trace = self._differ.trace(instance.row)
        current_buffer.set(instance.printed)
        self._process.enter()
        result, error = None, None
        try:
            params, instance.filled = pickle.loads(pickled_params)  # noqa: S301 - sent by the run itself
            trace.params = params = track_reads(params)
            result = await self._runner.run(params, trace)
        except BaseException as raised:  # noqa: BLE001 - ends this instance, not the chunk
            error = raised
        outputs = trace.large_outputs
        outcome, error = dump_outcome(trace, result, error, instance.writes, outputs)
        outputs.clear()  # they are in the outcome, and the trace stays until the chunk ends
        if len(outcome) > MAX_IN_MESSAGE:
            self._large_outcomes[instance.id] = outcome
            outcome = b""
        self._ends.append((InstanceEnd(instance.id, outcome), error))
        self._differ.changed.add(instance.row)

    def cancel(self, ids: list[int]) -> None:
        """Cancel instances, from any thread."""
        cancelled = set(ids)

        def cancel() -> None:
            for instance in self._instances:
                if instance.id in cancelled and instance.task is not None:
                    instance.task.cancel()

        with contextlib.suppress(RuntimeError):  # the chunk has ended meanwhile
            self._loop.call_soon_threadsafe(cancel)

    def _on_print(self, row: int) -> None:
        with contextlib.suppress(RuntimeError):  # the chunk has ended, but not a thread of it
            self._loop.call_soon_threadsafe(self._differ.changed.add, row)

    def _collect_updates(self) -> tuple[list[InstanceUpdate], list[InstanceEnd]]:
        errors = {end.id: error for end, error in self._ends}
        updates = []
        for row in sorted(self._differ.changed):
            instance = self._instances[row]
            diff = self._differ.diff(row, errors.get(instance.id))
            updates.append(InstanceUpdate(instance.id, diff, instance.printed.take()))
        ends = [end for end, _ in self._ends]
        self._differ.changed.clear()
        self._ends.clear()
        return updates, ends
