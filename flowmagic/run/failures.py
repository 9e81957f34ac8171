"""Which failed instances run again, and how many failures stop a run: two values that a user sets."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Union

from ..errors import LimitError, describe
from ..limits.limits import check_seconds

MIN_SAMPLE = 20
"""How many instances must have ended, by default, before a share of failures counts."""

_MOST_RETRIES = 100  # attempts are counted in one byte

RetryOn = Union[
    type[BaseException], "tuple[type[BaseException], ...]", Callable[[BaseException], bool]
]


@dataclass(frozen=True)
class Retries:
    """Whether, how often and when failed instances run again, with the same params.

    The wait before attempt n + 1 is random between 0 and `min(longest, wait * 2 ** (n - 1))` seconds:
    "full jitter" (M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015). A waiting
    instance uses no slot. If the provider says when to retry (Retry-After), the run waits until then
    instead.

    Attributes:
        times: how many more attempts an instance gets; 0: none.
        wait: the longest wait before the second attempt, in seconds.
        longest: the longest wait of all, in seconds.
        on: which errors to retry: an exception class, a tuple of them, or a function of the error
            that returns a bool. Used-up quotas and refused credentials are never retried.
        refusals: how many more attempts an instance gets in an adaptive run after refusals by a rate
            limit, besides `times`.

    Raises:
        LimitError (a ValueError): `times` or `refusals` is not an integer from 0 to 100, `wait` or
            `longest` not a positive number, or `on` something else.
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
        if not _selects_errors(self.on):
            raise LimitError(
                f"on is {describe(self.on)}, neither exception classes nor a function of the error. "
                "Write for example on=TimeoutError, or on=(TimeoutError, ConnectionError)."
            )

    def matches(self, error: BaseException) -> bool:
        """Whether an error is one to retry."""
        on: Any = self.on
        if isinstance(on, (type, tuple)):
            return isinstance(error, on)
        return bool(on(error))

    def wait_before(self, attempt: int) -> float:
        """Return a random wait before an attempt, in seconds; `attempt` is 2 for the first retry."""
        most = min(self.longest, self.wait * 2.0 ** min(attempt - 2, 64))
        return random.uniform(0, most)  # noqa: S311 - jitter, no secret


def _selects_errors(on: Any) -> bool:
    """Whether a value is an exception class, a tuple of them, or a function."""
    if isinstance(on, tuple):
        return all(isinstance(each, type) for each in on)
    return issubclass(on, BaseException) if isinstance(on, type) else callable(on)


@dataclass(frozen=True)
class ErrorBudget:
    """How many instances may fail before the run stops.

    Attributes:
        count: this many may fail; one more stops the run. None: any number.
        share: this share of the ended instances may fail, between 0 and 1. None: any.
        sample: how many must have ended before the share counts.
    """

    count: int | None = None
    share: float | None = None
    sample: int = MIN_SAMPLE

    @classmethod
    def of(cls, value: Any) -> ErrorBudget:
        """Return the budget that `max_errors` stands for: 10, 0.2, "20%", or (share, sample).

        Raises:
            LimitError (a ValueError): it stands for none.
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

    def exceeded(self, failed: int, ended: int) -> str:
        """Return a sentence if more have failed than the budget allows, else an empty string.

        Args:
            failed: how many instances have failed.
            ended: how many have succeeded or failed.
        """
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
