"""A throttled node whose limit adapts to the refusals of the provider."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from ..errors import RateLimitHit
from ..limits.adaptive import Adaptive, Aimd
from ..limits.calls import CallLimit
from ..limits.limits import plain_number
from ..limits.refusals import classify_refusal
from .item_pool import ItemPool
from .limit_attributes import AdaptiveAttributes, Check
from .node import ThrottledParallelBatchNode


class AdaptiveThrottledNode(AdaptiveAttributes, ThrottledParallelBatchNode):
    """A throttled node that finds its own limit.

    A call that fails with an error for which `is_rate_limit_error` returns True lowers the limit by
    `backoff_factor`, once for all calls that were running at the time. After `recovery_threshold`
    successes in a row, the limit rises by `recovery_factor`. It stays between `min_concurrent` and
    `max_concurrent`. The node and its copies share the limit and keep it for the next run.

    Args:
        initial_concurrent: the first value of the limit.
        propagate_rate_limit: whether a refusal that is not retried is raised as RateLimitHit, so
            that an adaptive flow around the node slows down too.

    The others are the attributes; an argument of None stands for the class attribute.

    Raises:
        LimitError (a ValueError): a limit is not a positive number, or the minimum is larger than
            the maximum.
    """

    initial_concurrent: int = 5
    min_concurrent: int = 1
    max_concurrent: int = 20
    propagate_rate_limit: bool = False

    _minimum, _maximum = "min_concurrent", "max_concurrent"
    _checks: ClassVar[Mapping[str, Check]] = {
        **ThrottledParallelBatchNode._checks,
        **AdaptiveAttributes._adaptive_checks("initial_concurrent", "min_concurrent"),
    }

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
        self._set_attributes(
            initial_concurrent=initial_concurrent,
            min_concurrent=min_concurrent,
            backoff_factor=backoff_factor,
            recovery_threshold=recovery_threshold,
            recovery_factor=recovery_factor,
            propagate_rate_limit=propagate_rate_limit,
        )
        self._settings()  # raises now, not in the middle of a run

    def _settings(self) -> Adaptive:
        return self._adaptive_settings(self.initial_concurrent)

    def _create_limit(self) -> CallLimit:
        return CallLimit(
            type(self).__name__, adaptive=self._settings(), per_minute=self.max_per_minute
        )

    def _apply_limit(self, name: str) -> None:
        if name == "max_per_minute":
            super()._apply_limit(name)
        elif self._bounds_in_order():
            self.limiter.adaptive = self._settings()

    async def _attempt(self, item: Any, retry: int) -> Any:
        try:
            async with self.limiter.call():
                self.cur_retry = retry
                try:
                    return await self.exec_async(item)
                except Exception as error:  # noqa: BLE001 - raised again below
                    refused = self.is_rate_limit_error(error)
                    raise (_RefusedStandIn if refused else _StandIn)(error) from None
        except _StandIn as caught:
            stand_in = caught
        _copy_mark(stand_in, stand_in.error)
        try:
            raise stand_in.error
        finally:
            del stand_in  # breaks a cycle: the traceback of the error holds this frame

    async def _exec_item(self, pool: ItemPool, item: Any) -> Any:
        try:
            return await super()._exec_item(pool, item)
        except Exception as error:
            if not self.propagate_rate_limit or isinstance(error, RateLimitHit):
                raise
            if not self.is_rate_limit_error(error):
                raise
            hit = RateLimitHit(str(error), _retry_after(error), type(self).__name__)
            _copy_mark(error, hit)
            raise hit from error

    @property
    def current_concurrent(self) -> int:
        """The limit in force."""
        return self.limiter.concurrency or self.max_concurrent

    @property
    def stats(self) -> dict[str, Any]:
        """The limits, what the adaptive limit has counted, and how many calls run and wait."""
        aimd = self.limiter._capacity.aimd or Aimd(self._settings())
        return {
            **super().stats,
            "current_concurrent": self.current_concurrent,
            "total_successes": aimd.successes,
            "total_rate_limits": aimd.rate_limits,
            "consecutive_successes": aimd.in_a_row,
        }

    def reset_adaptive_state(self) -> None:
        """Forget what was learned: the limit is `initial_concurrent` again."""
        self.limiter.adaptive = None
        self.limiter.adaptive = self._settings()
        self._shared.wake_pools()


class _StandIn(Exception):  # noqa: N818 - stands for an error
    """Leaves the block of the limit in place of an error of `exec_async`.

    The limit would classify the error by itself; here, `is_rate_limit_error` alone decides.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _RefusedStandIn(_StandIn, RateLimitHit):
    """The stand-in of an error that is a refusal."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.retry_after = _retry_after(error)


def _copy_mark(source: BaseException, target: BaseException) -> None:
    """Copy the mark that the limit has begun the cool-down, so that a run does not begin another."""
    with suppress(Exception):
        target._flowmagic_limit = source._flowmagic_limit  # type: ignore[attr-defined]


def _retry_after(error: BaseException) -> float | None:
    refusal = classify_refusal(error)
    value = getattr(error, "retry_after", None) if refusal is None else refusal.retry_after
    number = plain_number(value)
    return None if number is None or number < 0 else float(number)
