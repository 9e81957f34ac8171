"""Where instances run: two protocols, implemented by one file or package per engine.

An `Engine` is a value, what a user asks for. A run calls its `begin` with the `Work` and gets a
`Runner`. The runner need not keep the limits: the run does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..records.trace import Trace

if TYPE_CHECKING:
    from ..flow.reuse.node_reuse import NodeReuse


@dataclass(frozen=True)
class Work:
    """What an engine gets of a run.

    Attributes:
        flow: a PocketFlow flow or a single node; the engine does not change it.
        shared: the shared store.
        limit: how many instances run at once, to begin with.
        threads: whether the `exec` of sync nodes may run in threads.
        clock: returns the run's time, in seconds.
        view: returns the view of the store for one attempt of an instance; None: all use the store
            itself.
        settle: must be called with that view when the attempt has ended; None: nothing to call.
        filled: returns the params that the view begins with; None: with none. For engines that make a
            view elsewhere.
        broke: must be called when the engine can run nothing more; the run ends with that error.
        stop: must be called with a reason when no more instances should start; None: the engine has to
            make further instances fail.
        on_wait: must be called with the index of an instance and True when the engine has nothing free
            to run it, and with False when it has; the timeout does not count the time between. None:
            nothing to call.
        reuse: finds the outputs of execs that need not run; None: all of them run.
    """

    flow: Any
    shared: Any
    limit: int
    threads: bool
    clock: Callable[[], float]
    view: Callable[[Trace], Any] | None = None
    settle: Callable[[Any], None] | None = None
    filled: Callable[[Trace], Collection[Any]] | None = None
    broke: Callable[[BaseException], None] | None = None
    stop: Callable[[str], None] | None = None
    on_wait: Callable[[int, bool], None] | None = None
    reuse: NodeReuse | None = None


@dataclass(frozen=True)
class AbandonedCall:
    """A call of a sync node that has not returned although its instance has ended.

    Attributes:
        node: the class name of the node.
        index: the index of the instance.
        since: when the call was abandoned, in seconds since the epoch.
    """

    node: str
    index: int
    since: float


class Runner(Protocol):
    """Runs the instances of one run."""

    async def open(self) -> None:
        """Get ready; awaited before the first instance, and again when an ended run continues."""

    def run(self, params: dict[Any, Any], trace: Trace) -> Coroutine[Any, Any, Any]:
        """Run one instance with its merged params, record its node copies, return its last action."""

    def resize(self, limit: int) -> None:
        """Be ready for `limit` instances at once."""

    async def drain(self) -> None:
        """Wait until nothing of the instances is left where they ran; awaited when all have ended."""

    def abandoned(self) -> list[AbandonedCall]:
        """Return the calls that have not returned although their instances have ended."""

    def close(self) -> None:
        """Release what is left, at once; called when the run is over, however it ended."""


class Engine(Protocol):
    """Says where instances run; one engine may serve many runs, also at the same time."""

    @property
    def name(self) -> str:
        """The engine's name in the options of a run."""

    @property
    def isolates(self) -> bool:
        """Whether each instance has its own view of the shared store, even without `isolate`.

        True of engines that run instances in other processes. Panel and summary say so.
        """

    def begin(self, work: Work) -> Runner:
        """Return the runner of one run.

        Raises:
            EngineError: the engine cannot run this flow; the run does not start.
        """
