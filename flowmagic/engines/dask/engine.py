"""The Dask engine: runs the instances of a run on the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import importlib.util
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import EngineError, InstanceLostError, MissingExtraError, describe
from ...records.trace import Trace
from ..base import AbandonedCall, Work
from . import requirements, serialization
from .chunk_sender import ChunkSender
from .chunk_size import ChunkSizePolicy
from .cluster_connection import ClusterConnection
from .cluster_monitor import ClusterMonitor
from .instance_result import load_outcome
from .messages import InstanceUpdate, updates_in
from .serialization import SourceFiles, dump_flow
from .trace_diff import TracePatcher

# One topic for all runs of this process: a scheduler never deletes the latest messages of a topic.
_TOPIC = f"flowmagic-{uuid.uuid4().hex}"

_DRAIN_TIMEOUT = 5.0
"""Seconds after which a run ends although its instances have not ended on their workers, which may hang
or not answer."""
_DISCONNECT_TIME = 0.5
"""Seconds of these that are left to disconnect."""


class DaskRunner:
    """Runs each instance on a worker of a Dask cluster; see `Runner`.

    Args:
        where: as for `DaskEngine`.
        work: see `Work`.

    Raises:
        EngineError: something in the flow or the shared store cannot be pickled.
    """

    def __init__(self, where: Any, work: Work) -> None:
        self._where = where
        self._work = work
        dump_flow(work.flow, work.shared)  # raises before anything runs
        self._policy = ChunkSizePolicy()
        self._connection: ClusterConnection | None = None
        self._stand_ins: dict[str, type] = {}

    async def open(self) -> None:
        """Connect to the cluster, and publish the flow and the shared store there.

        Raises:
            EngineError: no scheduler answers; the scheduler or a worker lacks what the run needs; or
                the flow's own prep has left something that cannot be pickled.
        """
        work = self._work
        content = dump_flow(work.flow, work.shared)
        self._run_id = uuid.uuid4().hex
        self._payload_key = f"flowmagic-{self._run_id}"
        self._source_files = SourceFiles(work.flow)
        self._patcher = TracePatcher(work.flow, self._source_files, work.clock, self._stand_ins)
        self._clock_offsets: dict[str, float] = {}
        connection = await ClusterConnection.open(self._where)
        try:
            await requirements.check(connection.client, work.flow)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._monitor = ClusterMonitor(connection, self._on_check, self._on_cluster_loss)
        self._sender = ChunkSender(
            connection,
            self._monitor,
            self._policy,
            payload_key=self._payload_key,
            run=self._run_id,
            topic=_TOPIC,
            threads=work.threads,
            on_start_error=self._on_start_error,
        )
        connection.client.subscribe_topic(_TOPIC, self._on_message)
        anchor = await serialization.publish(connection.client, self._payload_key, content)
        await self._monitor.start(anchor)

    async def run(self, params: dict[Any, Any], trace: Trace) -> Any:
        """Run one instance; see `Runner`."""
        if self._monitor.failure is not None:
            raise InstanceLostError(str(self._monitor.failure))
        view = None if self._work.view is None else self._work.view(trace)
        instance = self._sender.add(params, trace, self._work.filled)
        try:
            outcome = await instance.future
        finally:
            self._sender.remove(instance)
        return load_outcome(outcome, trace, view, self._source_files)

    def resize(self, limit: int) -> None:
        """Do nothing: the number of workers does not depend on the limit."""

    async def drain(self) -> None:
        """Wait until the instances have ended on their workers, and disconnect; 5 s at most."""
        connection = self._connection
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DRAIN_TIMEOUT
        try:
            if self._monitor.failure is None:
                await self._sender.finish(_DRAIN_TIMEOUT - 2 * _DISCONNECT_TIME)
                forgets = connection.client.run(
                    serialization.forget, self._payload_key, on_error="ignore"
                )
                await connection.attempt(forgets, deadline - _DISCONNECT_TIME - loop.time())
        finally:
            await connection.close(deadline - loop.time())
            self._connection = None

    def abandoned(self) -> list[AbandonedCall]:
        """Return nothing: such calls are on the workers."""
        return []

    def close(self) -> None:
        """Abandon the connection if `drain` has not closed it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def _on_message(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if message["run"] != self._run_id:
            return
        worker, chunk = message["worker"], self._sender.chunks.get(message["chunk"])
        delay = self._work.clock() - message["now"]
        # The smallest delay so far is the closest to the difference between the two clocks.
        offset = self._clock_offsets[worker] = min(delay, self._clock_offsets.get(worker, delay))
        if "ended" in message:
            seconds, cpu, instances, has_large = message["ended"]
            self._policy.learn(seconds, cpu, instances)
            if chunk is not None:
                chunk.may_have_outcomes = has_large
        elif chunk is not None and "began" in message:
            self._sender.on_begun(chunk, worker)
        elif chunk is not None:
            updates, ends = updates_in(message)
            for update in updates:
                self._apply(update, offset)
            for end in ends:
                if end.outcome:
                    chunk.end(end.id, end.outcome)

    def _apply(self, update: InstanceUpdate, offset: float) -> None:
        instance = self._sender.instances.get(update.id)
        if instance is None:
            return
        if instance.clock_offset is None:
            instance.clock_offset = offset
        self._patcher.apply(instance.trace, update.diff, instance.clock_offset)
        instance.print(update.printed)

    def _on_check(self) -> None:
        self._sender.schedule_send()
        self._sender.lose_orphans()

    async def _on_start_error(self, reason: BaseException) -> None:
        """End the run: a worker that cannot start any instance would fail one after the other."""
        assert self._connection is not None  # a chunk has been sent
        try:
            await requirements.check(self._connection.client, self._work.flow)
            error = EngineError(
                "A worker could not start any instance of this run "
                f"({type(reason).__name__}: {reason}). Make sure that each worker can import what "
                "the flow needs, then write run.retry_failed()."
            )
        except EngineError as requirement:
            error = requirement
        if self._work.broke is not None:
            self._work.broke(error)

    def _on_cluster_loss(self, error: EngineError) -> None:
        # Before the instances fail, so that none of them is retried.
        if self._work.broke is not None:
            self._work.broke(error)
        self._sender.lose_all()


@dataclass(frozen=True)
class DaskEngine:
    """Runs instances on the workers of a Dask cluster.

    Each instance has its own view of a snapshot of the shared store, which is taken when the run begins.
    What it writes is its `writes`, once it has ended; no other instance sees it.

    Args:
        where: the address of a scheduler ("tcp://host:8786"), a `distributed.Client`, or a cluster.
            None starts a cluster of processes on this machine for each run, and closes it at the end.

    Raises:
        EngineError (a RuntimeError): `where` is something else.
        MissingExtraError (an ImportError): distributed is not installed.
    """

    where: Any = None

    name: ClassVar[str] = "dask"
    isolates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise MissingExtraError('engine="dask" needs dask.distributed: pip install distributed')
        where = self.where
        known = where is None or any(
            hasattr(where, name) for name in ("scheduler_address", "scheduler")
        )
        if not (known or (isinstance(where, str) and "://" in where)):
            raise EngineError(
                f"DaskEngine got {describe(where)}, not the address of a scheduler, a client or "
                'a cluster. Write DaskEngine("tcp://host:8786"), DaskEngine(client), or DaskEngine() '
                "for a cluster on this machine."
            )

    def begin(self, work: Work) -> DaskRunner:
        """Return the runner of one run; see `Engine`.

        Raises:
            EngineError: something in the flow or the shared store cannot be pickled.
        """
        return DaskRunner(self.where, work)
