"""An instance that is with the cluster or on its way there, and the chunk that it travels in."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from ...errors import EngineError, InstanceLostError
from ...records.param_reads import copied
from ...records.trace import Trace
from .serialization import dumped
from .stdout import print_again


class Ticket:
    """Stands for an instance until its outcome is here, or it is lost.

    Args:
        number: of its own.
        params: of the instance.
        trace: of the instance.

    Raises:
        EngineError: a param cannot travel; it is named.
    """

    __slots__ = ("chunk", "context", "future", "number", "offset", "row", "sends", "trace")

    def __init__(self, number: int, params: dict[Any, Any], trace: Trace) -> None:
        self.number = number
        self.row = _row(params)
        self.trace = trace
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """Gets the outcome, or InstanceLostError."""
        self.chunk: SentChunk | None = None
        self.offset: float | None = None
        """What is added to its worker's time: always the same, so that its copies keep their order."""
        self.sends = 0
        """How often it was sent in vain: its workers died before it had begun."""
        self.context = contextvars.copy_context()

    def print(self, printed: list[tuple[str, str]]) -> None:
        """Print what it has printed on its worker, as if it had done so here."""
        self.context.run(print_again, printed)

    def end(self, outcome: bytes) -> None:
        """Note that it has ended."""
        if not self.future.done():
            self.future.set_result(outcome)

    def lose(self, why: str, hint: str) -> None:
        """Note that it will not end.

        Args:
            why: in words that follow "Instance 5 ...".
            hint: what can be done about it, after a space; empty: nothing.
        """
        if self.chunk is not None:
            self.chunk.tickets.pop(self.number, None)
        if not self.future.done():
            self.future.set_exception(InstanceLostError(f"Instance {self.trace.row} {why}.{hint}"))


class SentChunk:
    """A chunk that was sent."""

    def __init__(self, number: int, tickets: list[Ticket]) -> None:
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
        for ticket in tickets:
            ticket.chunk = self

    def end(self, number: int, outcome: bytes) -> None:
        """Note that an instance of it has ended."""
        ticket = self.tickets.pop(number, None)
        if ticket is not None:
            ticket.end(outcome)


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
