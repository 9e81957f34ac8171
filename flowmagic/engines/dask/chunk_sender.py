"""Sends the instances of a run to the workers in chunks, and follows each chunk to its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from ...records.trace import Trace
from .chunk_runner import cancel_instances, run_chunk
from .chunk_size import ChunkSizePolicy
from .cluster_connection import ClusterConnection
from .cluster_monitor import ClusterMonitor
from .remote_instance import RemoteInstance, SentChunk
from .requirements import runtime

_MAX_SENDS = 5
"""How often an instance is sent whose workers die before they can start it."""


class ChunkSender:
    """Sends instances in chunks. Used only in the event loop of the run.

    Args:
        connection: the connection to the cluster.
        monitor: the monitor of the cluster.
        policy: the chunk size policy.
        payload_key: the key of the run's payload on the scheduler.
        run: the id of the run.
        topic: the topic of messages to the run.
        threads: as in `Work`.
        on_start_error: awaited with the exception of a chunk that failed before it began, so that
            every chunk may fail there.

    Attributes:
        instances: the instances from `add` to `remove`, by id.
        chunks: the chunks that have not ended, by number.
    """

    def __init__(
        self,
        connection: ClusterConnection,
        monitor: ClusterMonitor,
        policy: ChunkSizePolicy,
        *,
        payload_key: str,
        run: str,
        topic: str,
        threads: bool,
        on_start_error: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._monitor = monitor
        self._policy = policy
        self._run = run
        self._on_start_error = on_start_error
        self._common = {
            "runtime": runtime(),
            "payload_key": payload_key,
            "run": run,
            "topic": topic,
            "threads": threads,
        }
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self.instances: dict[int, RemoteInstance] = {}
        self.chunks: dict[int, SentChunk] = {}
        self._waiting: dict[int, RemoteInstance] = {}
        self._to_cancel: dict[int, list[int]] = {}
        """The ids of instances to cancel on their workers, by number of their chunk."""
        self._next_send: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def add(
        self,
        params: dict[Any, Any],
        trace: Trace,
        filled: Callable[[Trace], Collection[Any]] | None = None,
    ) -> RemoteInstance:
        """Send an instance as soon as there is room for it; for `filled` see `Work`.

        Raises:
            EngineError: a param cannot be pickled.
        """
        instance = RemoteInstance(next(self._numbers), params, trace, filled)
        self.instances[instance.id] = self._waiting[instance.id] = instance
        self.schedule_send()
        return instance

    def remove(self, instance: RemoteInstance) -> None:
        """Remove an instance that has ended; if it has not, cancel it on its worker."""
        self.instances.pop(instance.id, None)
        self._waiting.pop(instance.id, None)
        chunk = instance.chunk
        if chunk is not None and chunk.instances.pop(instance.id, None) is not None:
            # It was cancelled, or it has timed out.
            if not self._to_cancel:
                self._loop.call_soon(self._cancel_removed)
            self._to_cancel.setdefault(chunk.number, []).append(instance.id)

    def on_begun(self, chunk: SentChunk, worker: str) -> None:
        """Note that a chunk has begun on a worker, which makes room for another one."""
        chunk.worker = worker
        self.schedule_send()
        if not chunk.instances:  # all were cancelled before it began
            self._connection.start_task(self._cancel_on({chunk.number: chunk.ids}, [worker]))

    def lose_orphans(self) -> None:
        """Make the instances fail whose workers are gone."""
        for chunk in list(self.chunks.values()):
            if self._is_orphan(chunk):
                chunk.lost_reason = f"its worker, {chunk.worker}, is gone"
                self._lose(list(chunk.instances.values()), chunk.lost_reason)

    def lose_all(self) -> None:
        """Make all instances fail, since the cluster is lost."""
        self._lose(list(self.instances.values()), "its cluster is gone")

    async def finish(self, seconds: float) -> None:
        """Cancel what is left on the workers, and wait so long at most until the chunks have ended."""
        tasks = [each.task for each in self.chunks.values() if each.task is not None]
        self._cancel_removed()
        for chunk in list(self.chunks.values()):
            if self._is_orphan(chunk):  # or Dask would give it to another worker
                self._connection.start_task(self._cancel_task(chunk))
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def _is_orphan(self, chunk: SentChunk) -> bool:
        return bool(chunk.worker) and chunk.worker not in self._monitor.workers

    def _lose(self, instances: list[RemoteInstance], reason: str) -> None:
        lost_cluster = self._monitor.failure is not None
        hint = "" if lost_cluster else "Write retries=2 to run lost instances again."
        for instance in instances:
            instance.lose(reason, hint)

    # Sending

    def schedule_send(self) -> None:
        """Send the instances that wait, after a pause in which more may come."""
        if self._next_send is None and self._waiting:
            at = max(self._loop.time() + self._policy.pause(0), self._not_before)
            self._next_send = self._loop.call_at(at, self._send)

    def _send(self) -> None:
        self._next_send = None
        if self._connection.closing:
            return
        threads = sum(self._monitor.workers.values())
        # Not all at once: the chunks would be smaller, and a worker that joins would get none of them.
        not_begun = sum(not each.worker for each in self.chunks.values())
        # Without any worker one chunk is sent all the same: an adaptive cluster starts a worker only
        # when there is a task for it.
        room = max(0, (self._policy.ready_chunks * threads or 1) - not_begun)
        waiting = list(self._waiting.values())
        size = self._policy.size(len(waiting), threads, room)
        chunks = [waiting[at : at + size] for at in range(0, len(waiting), size)][:room]
        for instances in chunks:
            for instance in instances:
                del self._waiting[instance.id]
            self._submit(SentChunk(next(self._numbers), instances))
        self._not_before = self._loop.time() + self._policy.pause(len(chunks))

    def _submit(self, chunk: SentChunk) -> None:
        self.chunks[chunk.number] = chunk
        chunk.future = self._connection.client.submit(
            run_chunk,
            {
                **self._common,
                "number": chunk.number,
                "ids": chunk.ids,
                "params": [each.params for each in chunk.instances.values()],
                "mostly_waiting": self._policy.mostly_waiting,
            },
            key=f"flowmagic-{self._run}-{chunk.number}",
            pure=False,
        )
        chunk.task = self._connection.start_task(self._follow(chunk))

    # Following

    async def _follow(self, chunk: SentChunk) -> None:
        """Wait for the end of a chunk; its instances without an outcome are lost then."""
        try:
            await self._collect_outcomes(chunk)
        except (asyncio.CancelledError, Exception) as error:
            # Any of Dask's own exceptions, or that of a payload that cannot be unpickled. Dask raises
            # CancelledError, too: for a task that was cancelled, or whose scheduler is gone.
            if self._connection.closing:
                raise
            reason = f"its chunk failed on the cluster ({type(error).__name__}: {error})"
            chunk.lost_reason = chunk.lost_reason or reason
            self._monitor.check_scheduler()
            if not chunk.worker and chunk.future.status == "error":
                await self._on_not_begun(chunk, error)
        finally:
            chunk.future.release()
            self.chunks.pop(chunk.number, None)
            self.schedule_send()
        reason = chunk.lost_reason or "its chunk ended without an outcome for it"
        self._lose(list(chunk.instances.values()), reason)

    async def _collect_outcomes(self, chunk: SentChunk) -> None:
        """Wait for the end of a chunk, and fetch the outcomes that were too large for a message."""
        done = asyncio.Event()
        chunk.future.add_done_callback(  # called in a thread of Dask's
            lambda _: self._loop.call_soon_threadsafe(done.set)
        )
        await done.wait()
        if chunk.future.status == "finished" and not chunk.may_have_outcomes:
            return
        outcomes = await chunk.future
        if outcomes is None:  # another worker had claimed it, and is gone
            worker = f", {chunk.worker}," if chunk.worker else ""
            chunk.lost_reason = f"its worker{worker} is gone"
            return
        for instance_id, outcome in outcomes.items():
            chunk.end(instance_id, outcome)

    async def _on_not_begun(self, chunk: SentChunk, error: BaseException) -> None:
        """Send the instances of a chunk again if its workers died; else report why it did not begin."""
        if isinstance(error, (OSError, asyncio.TimeoutError, concurrent.futures.TimeoutError)):
            return  # the scheduler was slow to answer the worker; the next chunk may begin there
        if type(error).__name__ != "KilledWorker":
            await self._on_start_error(error)
            return
        chunk.lost_reason = f"its workers died {_MAX_SENDS} times before they could start it"
        for instance in list(chunk.instances.values()):
            instance.failed_sends += 1
            if instance.failed_sends < _MAX_SENDS:
                del chunk.instances[instance.id]
                instance.chunk = None
                self._waiting[instance.id] = instance

    # Cancelling

    def _cancel_removed(self) -> None:
        """Cancel the removed instances on their workers, in one call for all of them."""
        ids_by_chunk, self._to_cancel = self._to_cancel, {}
        if self._connection.closing or self._monitor.failure is not None or not ids_by_chunk:
            return
        chunks = [self.chunks[number] for number in ids_by_chunk if number in self.chunks]
        all_begun = all(each.worker for each in chunks)
        workers = list({each.worker for each in chunks}) if all_begun else None  # None: all workers
        self._connection.start_task(self._cancel_on(ids_by_chunk, workers))
        for chunk in chunks:
            if not chunk.instances and not chunk.worker:
                self._connection.start_task(self._cancel_task(chunk))

    async def _cancel_on(
        self, ids_by_chunk: dict[int, list[int]], workers: list[str] | None
    ) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await self._connection.client.run(
                cancel_instances, self._run, ids_by_chunk, workers=workers, on_error="ignore"
            )

    async def _cancel_task(self, chunk: SentChunk) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await chunk.future.cancel()
