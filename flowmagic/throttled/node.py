"""A batch node that limits the calls of its `exec_async`, in all of its copies together.

A flow copies its nodes for every instance. A node and its copies share one limit, so that
`max_concurrent = 1` means one call at a time, however many instances run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pocketflow import AsyncParallelBatchNode

from ..limits.calls import CallLimit
from ..limits.limits import check_concurrency, check_per_minute
from ..limits.refusals import is_rate_limit
from .item_pool import MOST_RESTING, ItemPool
from .limit_attributes import Check, LimitAttributes


class ThrottledParallelBatchNode(LimitAttributes, AsyncParallelBatchNode):  # type: ignore[misc]
    """PocketFlow's AsyncParallelBatchNode, with at most `max_concurrent` calls of exec_async at once.

    Each attempt at an item counts against the limit; the wait between two attempts does not. Results
    are in the order of the items. If an item fails for good, the others are cancelled and its
    exception is raised. Limits can be class attributes, arguments, or attributes of a node that are
    set while it runs; they hold for the node and all of its copies together. If a provider asks to
    wait (Retry-After), no copy calls it until then.

    Example:
        class Translate(ThrottledParallelBatchNode):
            max_concurrent = 5
            max_per_minute = 60

            async def prep_async(self, shared):
                return shared["texts"]

            async def exec_async(self, text):
                return await translate(text)

    Args:
        max_retries: how many attempts an item gets in all.
        wait: seconds between two attempts.
        max_concurrent: how many calls run at once.
        max_per_minute: how many calls may begin within any 60 seconds, evenly spread.

    An argument of None stands for the class attribute.

    Raises:
        LimitError (a ValueError): a limit is not a positive number.
    """

    max_retries: int = 1
    wait: float = 0
    max_concurrent: int = 5
    max_per_minute: float | None = None

    _checks: ClassVar[Mapping[str, Check]] = {
        "max_concurrent": check_concurrency,
        "max_per_minute": check_per_minute,
    }

    _shared: _SharedLimit

    def __init__(
        self,
        max_retries: int | None = None,
        wait: float | None = None,
        max_concurrent: int | None = None,
        max_per_minute: float | None = None,
    ) -> None:
        super().__init__(
            self.max_retries if max_retries is None else max_retries,
            self.wait if wait is None else wait,
        )
        self._set_attributes(max_concurrent=max_concurrent, max_per_minute=max_per_minute)
        self._check_limits()
        self._shared = _SharedLimit()

    def _limit_changed(self, name: str) -> None:
        if "_shared" in self.__dict__ and self._shared.limit is not None:
            self._apply_limit(name)
            self._shared.wake_pools()

    def _apply_limit(self, name: str) -> None:
        if name == "max_concurrent":
            self.limiter.concurrency = self.max_concurrent
        else:
            self.limiter.per_minute = self.max_per_minute

    @property
    def limiter(self) -> CallLimit:
        """The limit that the node and its copies share."""
        shared = self._shared
        # Created at the first use: while a node is unpickled, its attributes are not there yet.
        with shared.lock:
            if shared.limit is None:
                shared.limit = self._create_limit()
            return shared.limit

    def _create_limit(self) -> CallLimit:
        return CallLimit(
            type(self).__name__,
            concurrency=self.max_concurrent,
            per_minute=self.max_per_minute,
        )

    def reset_limiter(self) -> None:
        """Forget the calls of the last minute, a cool-down, and what an adaptive limit has learned."""
        self.limiter.reset()
        self._shared.wake_pools()

    @property
    def stats(self) -> dict[str, Any]:
        """The limits, how many calls are running, and how many are waiting."""
        return {
            **self._limit_values(),
            "running": self.limiter.running,
            "waiting": self.limiter.waiting,
        }

    @staticmethod
    def is_rate_limit_error(exc: BaseException) -> bool:
        """Whether an error means that a rate limit was exceeded; override it for your own errors."""
        return is_rate_limit(exc)

    async def _exec(self, items: Iterable[Any] | None) -> list[Any]:
        limiter = self.limiter

        async def work(item: Any) -> Any:
            return await self._exec_item(pool, item)

        def concurrency() -> int:
            return limiter.concurrency or MOST_RESTING

        pool = ItemPool(() if items is None else items, work, concurrency)
        with self._shared.waking(pool):
            return await pool.run()

    async def _exec_item(self, pool: ItemPool, item: Any) -> Any:
        # As in PocketFlow, but the counter is local: the items run at the same time, and on one
        # counter of the node they would use up each other's attempts.
        last = self.max_retries - 1
        for retry in range(self.max_retries):
            try:
                return await self._attempt(item, retry)
            except Exception as error:  # noqa: BLE001 - the fallback decides what is raised
                if retry == last:
                    return await self.exec_fallback_async(item, error)
                if self.wait > 0:
                    await pool.rest(self.wait)
        return None

    async def _attempt(self, item: Any, retry: int) -> Any:
        async with self.limiter.call():
            self.cur_retry = retry  # exec_async may read it until its first await
            return await self.exec_async(item)


class _SharedLimit:
    """What a node shares with its copies: the limit, and the pools that run under it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.limit: CallLimit | None = None
        self._pools: list[ItemPool] = []

    @contextmanager
    def waking(self, pool: ItemPool) -> Iterator[None]:
        """Wake the pool whenever the limit changes."""
        self._pools.append(pool)
        try:
            yield
        finally:
            self._pools.remove(pool)

    def wake_pools(self) -> None:
        for pool in list(self._pools):
            pool.wake()

    def __reduce__(self) -> tuple[type[_SharedLimit], tuple[()]]:
        # A pickled or deep-copied node keeps its attributes, but has a limit of its own.
        return _SharedLimit, ()
