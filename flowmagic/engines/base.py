"""Where an instance runs: two small protocols, and an implementation of them per file.

An `Engine` is a value: what a user asks for. A run has it begin its `Work`, and gets a `Runner`,
which is told nothing of limits: the pool keeps those.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from ..records.trace import Trace

__all__ = ["Engine", "Runner", "Work"]


@dataclass(frozen=True)
class Work:
    """What an engine is given of a run.

    Attributes:
        flow: a PocketFlow flow or a single node; never altered.
        shared: the shared store.
        limit: how many instances run at once, to begin with.
        threads: whether the `exec` of sync nodes may run in threads.
        clock: gives the run's time, in seconds.
        view: gives each attempt of an instance its own view of the store; None: all have the store
            itself.
        settle: called with that view when the attempt has ended; None: nobody needs to know.
        broke: to be called when the engine can run nothing more: the run ends with that error.
    """

    flow: Any
    shared: Any
    limit: int
    threads: bool
    clock: Callable[[], float]
    view: Callable[[Trace], Any] | None = None
    settle: Callable[[Any], None] | None = None
    broke: Callable[[BaseException], None] | None = None


class Runner(Protocol):
    """Runs the instances of one run."""

    async def open(self) -> None:
        """Get ready; awaited before the first instance, and again when an ended run goes on."""

    def run(self, params: dict[Any, Any], trace: Trace) -> Coroutine[Any, Any, Any]:
        """Run one instance with its merged params, write its node copies, return its last action."""

    def resize(self, limit: int) -> None:
        """Be ready for `limit` instances at once."""

    async def drain(self) -> None:
        """Wait until nothing of the instances is left where they ran; awaited when all have ended."""

    def close(self) -> None:
        """Give back what is left, at once; called when the run is over, however it ended."""


class Engine(Protocol):
    """Says where instances run; one may serve many runs, also at the same time."""

    @property
    def name(self) -> str:
        """What it is called in the options of a run."""

    @property
    def isolates(self) -> bool:
        """Whether each instance has a view of the shared store of its own, asked for or not.

        So it is wherever instances run in other processes. Panel and summary say so.
        """

    def begin(self, work: Work) -> Runner:
        """Return what runs the instances of one run. Bad input is refused here, and starts no run."""
