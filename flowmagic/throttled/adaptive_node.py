"""A throttled node whose limit finds its own value, by what the provider refuses."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

from ..errors import LimitError, RateLimitHit
from ..limits.adaptive import Adaptive, Aimd
from ..limits.calls import CallLimit
from ..limits.limits import plain_number
from ..limits.refusals import classify_refusal
from .item_pool import ItemPool
from .node import ThrottledParallelBatchNode


class AdaptiveThrottledNode(ThrottledParallelBatchNode):
    """A throttled node that finds its own limit, by what is refused.

    A call that ends in what `is_rate_limit_error` takes for a refusal lowers the limit by
    `backoff_factor`, once for all calls that were inside together; after `recovery_threshold`
    successes in a row it is raised by `recovery_factor`. It stays between `min_concurrent` and
    `max_concurrent`. What was learned is shared with the node's copies, and kept for the next run.

    Args:
        initial_concurrent: the limit to begin with.
        propagate_rate_limit: whether a refusal that is not retried leaves the node as RateLimitHit,
            so that a flow that adapts may slow down as well.

    The others as the attributes; None takes the class attribute.

    Raises:
        LimitError (a ValueError): a limit is no positive number, or they contradict each other.
    """

    initial_concurrent: int = 5
    min_concurrent: int = 1
    max_concurrent: int = 20
    backoff_factor: float = 0.5
    recovery_threshold: int = 10
    recovery_factor: float = 1.2
    propagate_rate_limit: bool = False

    _checked: ClassVar[tuple[str, ...]] = (
        *ThrottledParallelBatchNode._checked,
        "initial_concurrent",
        "min_concurrent",
        "backoff_factor",
        "recovery_threshold",
        "recovery_factor",
    )

    def __init__(
        self,
        max_retries: int | None = None,
        wait: float | None = None,
        max_concurrent: int | None = None,
        max_per_minute: float | None = None,
        *,
        initial_concurrent: int | None = None,
        min_concurrent: int | None = None,
        backoff_factor: float | None = None,
        recovery_threshold: int | None = None,
        recovery_factor: float | None = None,
        propagate_rate_limit: bool | None = None,
    ) -> None:
        super().__init__(max_retries, wait, max_concurrent, max_per_minute)
        self._take(
            initial_concurrent=initial_concurrent,
            min_concurrent=min_concurrent,
            backoff_factor=backoff_factor,
            recovery_threshold=recovery_threshold,
            recovery_factor=recovery_factor,
            propagate_rate_limit=propagate_rate_limit,
        )
        self._adaptive()  # refuse now what could not be kept to

    def _adaptive(self) -> Adaptive:
        least, most = self.min_concurrent, self.max_concurrent
        if least > most:
            raise LimitError(
                f"min_concurrent is {least}, more than max_concurrent, which is {most}. "
                f"Write for example min_concurrent={most}."
            )
        return Adaptive(
            least,
            # Where only the bounds were set, the class's number to begin with gives way.
            max(least, min(most, self.initial_concurrent)),
            most,
            backoff=self.backoff_factor,
            threshold=self.recovery_threshold,
            growth=self.recovery_factor,
        )

    def _begin(self) -> CallLimit:
        return CallLimit(
            type(self).__name__, adaptive=self._adaptive(), per_minute=self.max_per_minute
        )

    def _change(self, name: str) -> None:
        if name == "max_per_minute":
            super()._change(name)
        elif self.min_concurrent <= self.max_concurrent:  # else the other one is about to be set
            self.limiter.adaptive = self._adaptive()

    async def _attempt(self, item: Any, retry: int) -> Any:
        try:
            async with self.limiter.call():
                self.cur_retry = retry
                try:
                    return await self.exec_async(item)
                except Exception as error:  # noqa: BLE001 - raised again below
                    refused = self.is_rate_limit_error(error)
                    raise (_Refused if refused else _Failed)(error) from None
        except _Failed as stand_in:
            failed = stand_in
        _carry_mark(failed, failed.error)
        try:
            raise failed.error
        finally:
            del failed  # the error's traceback holds this frame

    async def _exec_item(self, pool: ItemPool, item: Any) -> Any:
        try:
            return await super()._exec_item(pool, item)
        except Exception as error:
            if not self.propagate_rate_limit or isinstance(error, RateLimitHit):
                raise
            if not self.is_rate_limit_error(error):
                raise
            hit = RateLimitHit(str(error), _retry_after(error), type(self).__name__)
            _carry_mark(error, hit)
            raise hit from error

    @property
    def current_concurrent(self) -> int:
        """The limit in force."""
        return self.limiter.concurrency or self.max_concurrent

    @property
    def stats(self) -> dict[str, Any]:
        """The limit in force, what it may become, and what moved it."""
        aimd = self.limiter._aimd or Aimd(self._adaptive())
        return {
            **super().stats,
            "current_concurrent": self.current_concurrent,
            "initial_concurrent": self.initial_concurrent,
            "min_concurrent": self.min_concurrent,
            "backoff_factor": self.backoff_factor,
            "recovery_threshold": self.recovery_threshold,
            "recovery_factor": self.recovery_factor,
            "total_successes": aimd.successes,
            "total_rate_limits": aimd.rate_limits,
            "consecutive_successes": aimd.in_a_row,
        }

    def reset_adaptive_state(self) -> None:
        """Forget what was learned: the limit is `initial_concurrent` again."""
        self.limiter.adaptive = None
        self.limiter.adaptive = self._adaptive()
        self._throttle.resized()


class _Failed(Exception):  # noqa: N818 - stands for an error
    """Leaves the limit in place of an error, which the limit would read by itself.

    It is to go by what `is_rate_limit_error` says: neither more nor less is a refusal.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Refused(_Failed, RateLimitHit):
    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.retry_after = _retry_after(error)


def _carry_mark(source: BaseException, target: BaseException) -> None:
    """Tell whoever gets the error that the limit has taken its cool-down up already."""
    with suppress(Exception):
        target._flowmagic_limit = source._flowmagic_limit  # type: ignore[attr-defined]


def _retry_after(error: BaseException) -> float | None:
    refusal = classify_refusal(error)
    given = getattr(error, "retry_after", None) if refusal is None else refusal.retry_after
    number = plain_number(given)
    return None if number is None or number < 0 else float(number)
