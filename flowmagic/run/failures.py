"""What a run does about an instance that failed: runs it again, slows down, or ends early.

Instances are retried by the run itself and not by a library such as tenacity or stamina: those wrap
a call and sleep inside it, so that a waiting instance would hold its slot. Here its row goes back
into the line, another instance gets the slot, and the waits are told to the panel and kept by pause,
stop and cancel. What is left to write is the formula of one wait. Inside a node, where no slot is
given back anyway, those libraries (or PocketFlow's own `max_retries`) are the right choice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple, Union

from ..errors import LimitError, describe
from ..limits.adaptive import Aimd
from ..limits.limits import check_seconds
from ..limits.refusals import LONGEST_COOL_DOWN, Refusal, RefusalKind, classify_refusal

MIN_SAMPLE = 20
"""Of how many ended instances a share of failures is taken, at least, unless said otherwise."""

_MOST_RETRIES = 100  # attempts are counted in one byte

RetryOn = Union[
    type[BaseException], "tuple[type[BaseException], ...]", Callable[[BaseException], bool]
]


@dataclass(frozen=True)
class Retries:
    """How instances that failed are run again, each with the params it had.

    The wait before attempt n + 1 is random between 0 and `min(longest, wait * 2 ** (n - 1))` seconds:
    "full jitter" (M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015). It holds
    no slot. Where the provider says when to come back (Retry-After), that is when.

    Attributes:
        times: how many more attempts an instance gets; 0: none.
        wait: seconds, the longest wait before the second attempt.
        longest: seconds, the longest wait of all.
        on: which errors: an exception class, a tuple of them, or a function of the error. Used-up
            quotas and refused credentials are never retried.
        refusals: how often, besides, an adaptive run takes up again an instance that a rate limit
            refused.

    Raises:
        LimitError (a ValueError): a value is something else.
    """

    times: int = 0
    wait: float = 1.0
    longest: float = 60.0
    on: RetryOn = Exception
    refusals: int = 10

    def __post_init__(self) -> None:
        for name, times in (("retries", self.times), ("refusals", self.refusals)):
            whole = isinstance(times, int) and not isinstance(times, bool)
            if not whole or not 0 <= times <= _MOST_RETRIES:
                raise LimitError(
                    f"{name} is {describe(times)}, not a number of further attempts from 0 to "
                    f"{_MOST_RETRIES}. Write for example {name}=2."
                )
        for name in ("wait", "longest"):
            check_seconds(getattr(self, name), name)
        if not _tells_errors(self.on):
            raise LimitError(
                f"on is {describe(self.on)}, neither exception classes nor a function of the error. "
                "Write for example on=TimeoutError, or on=(TimeoutError, ConnectionError)."
            )

    def matches(self, error: BaseException) -> bool:
        """Whether an error is one of those to retry."""
        on: Any = self.on
        if isinstance(on, (type, tuple)):
            return isinstance(error, on)
        return bool(on(error))

    def wait_before(self, attempt: int) -> float:
        """Return a random wait, in seconds, before an attempt; the second is the first to wait."""
        most = min(self.longest, self.wait * 2.0 ** min(attempt - 2, 64))
        return random.uniform(0, most)  # noqa: S311 - jitter, no secret


def _tells_errors(on: Any) -> bool:
    """Whether something says of each error whether it is one to retry."""
    if isinstance(on, tuple):
        return all(isinstance(each, type) for each in on)
    return issubclass(on, BaseException) if isinstance(on, type) else callable(on)


@dataclass(frozen=True)
class ErrorBudget:
    """How many instances may fail before a run that is clearly broken stops.

    Attributes:
        count: this many may; one more stops the run. None: any number.
        share: this share, between 0 and 1, of those that have ended. None: any.
        sample: how many must have ended before the share counts.
    """

    count: int | None = None
    share: float | None = None
    sample: int = MIN_SAMPLE

    @classmethod
    def of(cls, value: Any) -> ErrorBudget:
        """Read what a user wrote: 10, 0.2, "20%", or (0.2, 50), which adds the least sample.

        Raises:
            LimitError (a ValueError): it is something else.
        """
        if isinstance(value, cls):
            return value
        sample: Any = MIN_SAMPLE
        amount: Any = value
        if isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004 - a pair
            amount, sample = value
        elif isinstance(value, str):
            amount, sample = _read_budget(value)
        whole = isinstance(amount, int) and not isinstance(amount, bool)
        right = isinstance(sample, int) and not isinstance(sample, bool) and sample > 0
        if right and whole and amount >= 0:
            return cls(count=amount)
        if right and isinstance(amount, Real) and not whole and 0 < float(amount) < 1:
            return cls(share=float(amount), sample=sample)
        raise LimitError(
            f"max_errors is {describe(value)}, neither a count of failures nor a share of them. "
            'Write for example max_errors=10, max_errors="20%", or max_errors=(0.2, 50) for a '
            "share of at least 50 instances."
        )

    def spent(self, failed: int, ended: int) -> str:
        """Say how the budget is spent; empty while it is not."""
        if self.count is not None and failed > self.count:
            return f"{failed} instances failed, more than max_errors={self.count}"
        if self.share is not None and ended >= self.sample and failed > self.share * ended:
            return f"{failed} of {ended} instances failed, more than max_errors={self.share:.0%}"
        return ""


def _read_budget(text: str) -> tuple[Any, Any]:
    amount, _, sample = text.partition("/")
    try:
        if amount.endswith("%"):
            return float(amount[:-1]) / 100, int(sample or MIN_SAMPLE)
        return (int(amount) if amount.isdigit() else float(amount)), int(sample or MIN_SAMPLE)
    except ValueError:
        return None, None


class FailureAction(NamedTuple):
    """What a failure means.

    Attributes:
        again_in: seconds until the instance runs again; None: it has failed for good.
        cool_down: seconds for which nothing else should start either; 0: none.
        stop: why the run should stop; empty: it goes on.
        resized: whether the adaptive limit has changed.
    """

    again_in: float | None = None
    cool_down: float = 0.0
    stop: str = ""
    resized: bool = False


class FailureHandler:
    """Judges the failures of one run.

    Args:
        retries: for every kind of failure.
        budget: None: any number of instances may fail.
        aimd: the adaptive limit of the run, if it has one. Instances refused by a rate limit are
            then taken up again up to `retries.refusals` times; and a used-up quota or refused
            credentials stop the run.
    """

    def __init__(self, retries: Retries, budget: ErrorBudget | None, aimd: Aimd | None) -> None:
        self._retries = retries
        self._budget = budget
        self._aimd = aimd
        self._tried: dict[int, int] = {}
        self._refused: dict[int, int] = {}

    def forgive(self, index: int) -> None:
        """Forget what an instance has used up: somebody asked for another attempt."""
        self._tried.pop(index, None)
        self._refused.pop(index, None)

    def judge(
        self, index: int, error: BaseException, *, began: float, now: float, failed: int, ended: int
    ) -> FailureAction:
        """Say what a failure means.

        Args:
            began, now: when the instance did begin, and has failed.
            failed, ended: how many have by now, this one included.
        """
        refusal = classify_refusal(error)
        failure_action = (
            self._of_refusal(index, error, refusal, began, now) if refusal else FailureAction()
        )
        if failure_action.again_in is None and not failure_action.stop and _curable(refusal):
            failure_action = failure_action._replace(again_in=self._again(index, error))
        if failure_action.again_in is None and not failure_action.stop and self._budget is not None:
            failure_action = failure_action._replace(stop=self._budget.spent(failed, ended))
        if failure_action.again_in is not None and failure_action.cool_down:
            # The whole run waits already; it should be among the first when it goes on.
            failure_action = failure_action._replace(again_in=0.0)
        return failure_action

    def _of_refusal(
        self, index: int, error: BaseException, refusal: Refusal, began: float, now: float
    ) -> FailureAction:
        adaptive = self._aimd is not None
        if not _curable(refusal):
            return FailureAction(stop=_reason(index, error, refusal) if adaptive else "")
        cool_down = refusal.retry_after or 0.0
        if hasattr(error, "_flowmagic_limit"):
            cool_down = 0.0  # a named limit waits for it, for all who call there
        if self._aimd is None:
            return FailureAction(cool_down=cool_down)
        resized = self._aimd.refused(began, now)
        refused = self._refused[index] = self._refused.get(index, 0) + 1
        again = None
        if refused <= self._retries.refusals:
            again = self._retries.wait_before(min(refused + 1, 7))
        return FailureAction(again, cool_down, resized=resized)

    def _again(self, index: int, error: BaseException) -> float | None:
        tried = self._tried.get(index, 0)
        if tried >= self._retries.times or not self._retries.matches(error):
            return None
        self._tried[index] = tried + 1
        return self._retries.wait_before(tried + 2)


def _curable(refusal: Refusal | None) -> bool:
    """Whether another attempt, soon, could go better."""
    if refusal is None:
        return True
    soon = refusal.retry_after is None or refusal.retry_after <= LONGEST_COOL_DOWN
    return refusal.kind == RefusalKind.RATE_LIMIT and soon


def _reason(index: int, error: BaseException, refusal: Refusal) -> str:
    what = {
        RefusalKind.AUTHENTICATION: "the provider refused the credentials",
        RefusalKind.QUOTA: "the provider's quota is used up",
        RefusalKind.RATE_LIMIT: f"the provider asks to come back in {_clock(refusal.retry_after)}",
    }[refusal.kind]
    return f"{what} (instance {index}, {type(error).__name__})"


def _clock(seconds: float | None) -> str:
    minutes = round((seconds or 0.0) / 60)
    return f"{minutes // 60} h {minutes % 60} min"
