"""The instances of one run on a Dask cluster, as the run sees them.

Instances that start within a few milliseconds of one another travel together (`dasksending`,
`daskchunk`). What the workers tell is written to the instances' traces as it arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import EngineError, InstanceLostError, MissingExtraError, describe
from ...records.trace import Trace
from ..base import Work
from . import requirements
from .cluster import Connection
from .instance_result import load_outcome
from .liveness import ClusterMonitor
from .messages import Part, news_of
from .sender import Chunking, ChunkSender
from .serialization import Sources, forget, leave, packed
from .trace_diff import TracePatcher

# One for all runs of this process: a scheduler keeps the latest messages of each topic for good.
_TOPIC = f"flowmagic-{uuid.uuid4().hex}"


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
        self._chunking = Chunking()
        self._connection: Connection | None = None
        self._strangers: dict[str, type] = {}

    # As a `Runner`

    async def open(self) -> None:
        """Connect, and send what all instances need.

        Raises:
            EngineError: no scheduler answers, what prep has made of things cannot travel, or the
                scheduler or a worker lacks what the run needs.
        """
        work = self._work
        content = packed(work.flow, work.shared)
        self._run = uuid.uuid4().hex
        self._package = f"flowmagic-{self._run}"
        self._sources = Sources(work.flow)
        self._patcher = TracePatcher(work.flow, self._sources, work.clock, self._strangers)
        self._offsets: dict[str, float] = {}
        self._connection = connection = await Connection.to(self._where)
        try:
            await requirements.check(connection.client, work.flow)
        except EngineError:
            await connection.close()
            raise
        self._watch = ClusterMonitor(connection, self._looked, self._broke)
        self._sender = ChunkSender(
            connection,
            self._watch,
            self._chunking,
            package=self._package,
            run=self._run,
            topic=_TOPIC,
            threads=work.threads,
            unfit=self._unfit,
        )
        connection.client.subscribe_topic(_TOPIC, self._heard)
        await self._watch.begin(await leave(connection.client, self._package, content))

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
            if self._watch.gone is None:
                await self._sender.finish()
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    await connection.client.run(forget, self._package, on_error="ignore")
        finally:
            await connection.close()
            self._connection = None

    def close(self) -> None:
        """Let go of the cluster, where `drain` was not awaited to its end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    async def _instance(self, params: dict[Any, Any], trace: Trace) -> Any:
        if self._watch.gone is not None:
            raise InstanceLostError(str(self._watch.gone))
        view = None if self._work.view is None else self._work.view(trace)
        ticket = self._sender.add(params, trace)
        try:
            outcome = await ticket.future
        finally:
            self._sender.forget(ticket)
        return load_outcome(outcome, trace, view, self._sources)

    # What it is told

    def _heard(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if message["run"] != self._run:
            return
        worker, chunk = message["worker"], self._sender.chunks.get(message["chunk"])
        late = self._work.clock() - message["now"]
        # The least of all: a clock there cannot be further behind than its quickest message says.
        offset = self._offsets[worker] = min(late, self._offsets.get(worker, late))
        if "ended" in message:
            seconds, cpu, instances, too_large = message["ended"]
            self._chunking.learn(seconds, cpu, instances)
            if chunk is not None:
                chunk.late = bool(too_large)
        elif chunk is not None and "began" in message:
            self._sender.begun(chunk, worker)
        elif chunk is not None:
            parts, ends = news_of(message)
            for part in parts:
                self._take(part, offset)
            for number, outcome in ends:
                if outcome:
                    chunk.end(number, outcome)

    def _take(self, part: Part, offset: float) -> None:
        number, changes, printed = part
        ticket = self._sender.tickets.get(number)
        if ticket is None:
            return
        if ticket.offset is None:
            ticket.offset = offset
        self._patcher.take(ticket.trace, changes, ticket.offset)
        ticket.print(printed)

    def _looked(self) -> None:
        self._sender.plan()
        self._sender.lose_orphans()

    async def _unfit(self, why: BaseException) -> None:
        """End the run, since a worker that joined late would fail one instance after the other."""
        assert self._connection is not None  # it has an instance
        try:
            await requirements.check(self._connection.client, self._work.flow)
            error = EngineError(
                f"A worker could not begin with the instances of this run ({type(why).__name__}: {why}). "
                "See to it that each worker can import what the flow needs, and then take the run up "
                "with run.retry_failed()."
            )
        except EngineError as named:
            error = named
        if self._work.broke is not None:
            self._work.broke(error)

    def _broke(self, gone: EngineError) -> None:
        # First, so that nothing is retried.
        if self._work.broke is not None:
            self._work.broke(gone)
        self._sender.lose_all()


@dataclass(frozen=True)
class DaskEngine:
    """A Dask cluster, on whose workers instances run.

    Each instance has a snapshot of the shared store, taken when the run begins, as with isolate: what
    it writes comes back when it has ended, as its `writes`, and no other instance sees it.

    Args:
        where: the address of a scheduler ("tcp://host:8786"), a `distributed.Client`, or a cluster;
            None starts a cluster of processes on this machine for each run, and closes it.

    Raises:
        EngineError (a RuntimeError): `where` is something else.
        MissingExtraError (an ImportError): distributed is not installed.
    """

    where: Any = None

    name: ClassVar[str] = "dask"
    isolates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise MissingExtraError(
                'engine="dask" needs dask.distributed: pip install "jupyter-flowmagic[dask]"'
            )
        where = self.where
        known = where is None or any(
            hasattr(where, name) for name in ("scheduler_address", "scheduler")
        )
        if not (known or (isinstance(where, str) and "://" in where)):
            raise EngineError(
                f"DaskEngine was given {describe(where)}, not the address of a scheduler, a client or "
                'a cluster. Write DaskEngine("tcp://host:8786"), DaskEngine(client), or DaskEngine() '
                "for a cluster on this machine."
            )

    def begin(self, work: Work) -> DaskRunner:
        """Return what runs the instances of one run; see `Engine`.

        Raises:
            EngineError: something in the flow or the shared store cannot travel.
        """
        return DaskRunner(self.where, work)
