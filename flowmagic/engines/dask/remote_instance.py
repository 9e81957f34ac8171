"""An instance on a cluster, as its run sees it, and the chunk that it was sent in."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Collection
from typing import Any

from ...errors import EngineError, InstanceLostError, describe
from ...records.param_reads import copied
from ...records.trace import Trace
from .serialization import dump
from .stdout import replay


class RemoteInstance:
    """One attempt of an instance, from the moment it waits to be sent until it has ended or is lost.

    Args:
        instance_id: a number of its own.
        params: the params of the instance.
        trace: the trace of the instance.
        filled: see `Work`.

    Attributes:
        params: the pickled params, with what `filled` returned.
        future: gets the outcome, or an InstanceLostError.
        chunk: the chunk that it was sent in; None if it waits to be sent.
        clock_offset: what is added to its worker's times; None before its first update. It does not
            change, so that the times of the node copies keep their order.
        failed_sends: how often it was sent to workers that died before they could start it.

    Raises:
        EngineError: a param cannot be pickled; the message names it.
    """

    def __init__(
        self,
        instance_id: int,
        params: dict[Any, Any],
        trace: Trace,
        filled: Callable[[Trace], Collection[Any]] | None = None,
    ) -> None:
        self.id = instance_id
        self.params = _dump_params(params, None if filled is None else list(filled(trace)))
        self.trace = trace
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.chunk: SentChunk | None = None
        self.clock_offset: float | None = None
        self.failed_sends = 0
        self._context = contextvars.copy_context()

    def print(self, texts: list[tuple[str, str]]) -> None:
        """Print what the instance has printed on its worker, in its own context."""
        self._context.run(replay, texts)

    def end(self, outcome: bytes) -> None:
        """Set the outcome, unless the instance has ended or is lost."""
        if not self.future.done():
            self.future.set_result(outcome)

    def lose(self, reason: str, hint: str) -> None:
        """Make the instance fail with an InstanceLostError, unless it has ended.

        Args:
            reason: a clause that follows "was lost: ".
            hint: a sentence that says what to do about it, or "".
        """
        if self.chunk is not None:
            self.chunk.instances.pop(self.id, None)
        if not self.future.done():
            text = f"Instance {self.trace.row} was lost: {reason}. {hint}".rstrip()
            self.future.set_exception(InstanceLostError(text))


class SentChunk:
    """A chunk that has been sent.

    Attributes:
        instances: the instances that have not ended, by id.
        ids: the ids of all its instances.
        future: the future of the Dask task.
        worker: the address of the worker where it has begun; "" before that.
        may_have_outcomes: whether the result of the task may hold outcomes; False once a message has said
            that there are none.
        lost_reason: why the instances that have not ended are lost, as for `RemoteInstance.lose`; "" if
            that is not known.
        task: the asyncio task that waits for its end.
    """

    def __init__(self, number: int, instances: list[RemoteInstance]) -> None:
        self.number = number
        self.instances = {each.id: each for each in instances}
        self.ids = list(self.instances)
        self.future: Any = None
        self.worker = ""
        self.may_have_outcomes = True
        self.lost_reason = ""
        self.task: asyncio.Task[None] | None = None
        for instance in instances:
            instance.chunk = self

    def end(self, instance_id: int, outcome: bytes) -> None:
        """Set the outcome of an instance, unless it has ended or is lost."""
        instance = self.instances.pop(instance_id, None)
        if instance is not None:
            instance.end(outcome)


def _dump_params(params: Any, filled: list[Any] | None) -> bytes:
    plain = copied(params)
    try:
        return dump((plain, filled))
    except Exception as error:
        for key, value in plain.items():
            try:
                dump(value)
            except Exception:  # noqa: BLE001 - raised by the user's objects
                raise EngineError(
                    f"The param {key!r} is {describe(value)}, which cannot be sent to a worker "
                    f"({type(error).__name__}: {error}). Pass what it is created from, and create it "
                    "in the node."
                ) from error
        raise
