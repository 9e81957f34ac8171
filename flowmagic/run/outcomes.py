"""What follows from the end of an instance, decided in one place.

A worker reports each end to `Outcomes`, which writes it to the records and the journal, and returns
a `Decision`: run the instance again, slow down, stop the run. The worker hands the decision to
`Lifecycle.carry_out`. Nothing in this module acts on a run: it sets no timer, moves no limit in
force, and starts and cancels nothing.

Instances are retried by the run and not by a library such as tenacity or stamina. Those wrap a call
and sleep inside it, so a waiting instance would keep its slot. Here its row returns to the queue,
another instance gets the slot, and the panel shows the wait, which pause, stop and cancel can end.
Inside a node, where the slot is kept anyway, those libraries or PocketFlow's `max_retries` are the
right choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import from_users_frame
from ..limits.adaptive import Aimd
from ..limits.refusals import LONGEST_COOL_DOWN, Refusal, RefusalKind, classify_refusal
from ..records.status import CANCELLED, FAILED, SUCCEEDED
from ..records.store import RecordStore
from .failures import ErrorBudget, Retries

if TYPE_CHECKING:
    from ..journal.recorder import Recorder


_MOST_DOUBLINGS = 7  # of the wait of a refused instance, however often it was refused


class Decision(NamedTuple):
    """What a run should do after an instance has ended.

    Attributes:
        retry_in: seconds until the instance runs again; None: it does not.
        cool_down: seconds for which no instance should start; 0: none.
        limit: what the adaptive limit has changed to; None: it has not changed.
        stop: why the run should stop; empty: it should not.
        interrupt: a KeyboardInterrupt raised by a node, for which the run should be cancelled.
    """

    retry_in: float | None = None
    cool_down: float = 0.0
    limit: int | None = None
    stop: str = ""
    interrupt: KeyboardInterrupt | None = None


class Outcomes:
    """Records how the instances of one run end, and decides what follows.

    Args:
        aimd: the adaptive limit, if the run has one. It is raised after successes and lowered after
            refusals; instances refused by a rate limit run again up to `retries.refusals` times;
            and a used-up quota or refused credentials stop the run.
        journal: where each end is also written; None: nowhere.

    Attributes:
        succeeded: called with the index, the result and the time of an instance that succeeded;
            returns a `Decision`, or None if nothing follows. Does not raise.
    """

    def __init__(
        self,
        records: RecordStore,
        *,
        retries: Retries,
        max_errors: ErrorBudget | None = None,
        aimd: Aimd | None = None,
        journal: Recorder | None = None,
    ) -> None:
        self._records = records
        self._retries = retries
        self._max_errors = max_errors
        self._aimd = aimd
        self._journal = journal
        self._retried: dict[int, int] = {}
        self._refused: dict[int, int] = {}
        self.succeeded: Callable[[int, Any, float], Decision | None] = self._succeeded
        if journal is None and aimd is None:
            # Nothing but the records has to know. A method in between costs 2 to 3 % (one node,
            # benchmarks overhead).
            self.succeeded = records.finish

    def _succeeded(self, index: int, result: Any, now: float) -> Decision | None:
        self._records.finish(index, result, now)
        if self._journal is not None:
            self._journal.note(index)
        aimd = self._aimd
        if aimd is not None and aimd.succeeded(self._records.started[index]):
            return Decision(limit=aimd.limit)
        return None

    def raised(
        self, index: int, error: BaseException, now: float, *, cancelled: bool = False
    ) -> Decision | None:
        """Record that an instance ended with an error, and decide what follows.

        Args:
            cancelled: whether its cancellation was requested. A CancelledError without a request is
                the node's own doing: a failure like any other.

        Raises:
            Exception: what the user's function in `Retries.on` raises; the end is recorded by then.
        """
        if isinstance(error, KeyboardInterrupt):
            # Raised in a task, it would end the whole loop, and with it the kernel.
            self._record(index, error, now, CANCELLED)
            return Decision(interrupt=error)
        if cancelled:
            self._record(index, error, now, CANCELLED)
            return None
        error = from_users_frame(error)
        self._record(index, error, now, FAILED)
        return self._judge(index, error, now)

    def _record(self, index: int, error: BaseException, now: float, code: int) -> None:
        self._records.finish(index, error, now, code)
        if self._journal is not None:
            self._journal.note(index)

    def forgive(self, index: int) -> None:
        """Give an instance all its attempts again: the user asked for it to be retried."""
        self._retried.pop(index, None)
        self._refused.pop(index, None)

    def _judge(self, index: int, error: BaseException, now: float) -> Decision:
        """Decide what follows from a failure that has been recorded."""
        refusal = classify_refusal(error)
        decision = Decision()
        if refusal is not None:
            decision = self._judge_refusal(index, error, refusal, now)
        if decision.stop:
            return decision
        if decision.retry_in is None and _may_pass(refusal):
            decision = decision._replace(retry_in=self._retry_wait(index, error))
        if decision.retry_in is None:
            return decision._replace(stop=self._exceeded_budget())
        if decision.cool_down:
            # All starts wait already; this one should be among the first after that.
            return decision._replace(retry_in=0.0)
        return decision

    def _judge_refusal(
        self, index: int, error: BaseException, refusal: Refusal, now: float
    ) -> Decision:
        aimd = self._aimd
        if not _may_pass(refusal):
            return Decision(stop="" if aimd is None else _reason(index, error, refusal))
        cool_down = refusal.retry_after or 0.0
        if hasattr(error, "_flowmagic_limit"):
            cool_down = 0.0  # the named limit makes all its callers wait
        if aimd is None:
            return Decision(cool_down=cool_down)
        lowered = aimd.refused(self._records.started[index], now)
        refused = self._refused[index] = self._refused.get(index, 0) + 1
        wait = None
        if refused <= self._retries.refusals:
            wait = self._retries.wait_before(min(refused + 1, _MOST_DOUBLINGS))
        return Decision(wait, cool_down, aimd.limit if lowered else None)

    def _retry_wait(self, index: int, error: BaseException) -> float | None:
        """Count one more attempt and return the seconds before it; None if none is left."""
        retried = self._retried.get(index, 0)
        if retried >= self._retries.times or not self._retries.matches(error):
            return None
        self._retried[index] = retried + 1
        return self._retries.wait_before(retried + 2)

    def _exceeded_budget(self) -> str:
        """Say how the error budget is exceeded; empty while it is not."""
        if self._max_errors is None:
            return ""
        counts = self._records.status_counts
        return self._max_errors.exceeded(counts[FAILED], counts[FAILED] + counts[SUCCEEDED])


def _may_pass(refusal: Refusal | None) -> bool:
    """Whether another attempt may soon succeed."""
    if refusal is None:
        return True
    soon = refusal.retry_after is None or refusal.retry_after <= LONGEST_COOL_DOWN
    return refusal.kind == RefusalKind.RATE_LIMIT and soon


def _reason(index: int, error: BaseException, refusal: Refusal) -> str:
    what = {
        RefusalKind.AUTHENTICATION: "the provider refused the credentials",
        RefusalKind.QUOTA: "the provider's quota is used up",
        RefusalKind.RATE_LIMIT: f"the provider asks to come back in {_hours(refusal.retry_after)}",
    }[refusal.kind]
    return f"{what} (instance {index}, {type(error).__name__})"


def _hours(seconds: float | None) -> str:
    minutes = round((seconds or 0.0) / 60)
    return f"{minutes // 60} h {minutes % 60} min"
