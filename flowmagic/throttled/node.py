"""Batch nodes that throttle the call: so many items at once, at such a pace, over all copies.

A flow that runs many instances copies its nodes. One limit stands for a node and all of its copies,
so that `max_concurrent = 1` is one call at a time, however many instances there are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from pocketflow import AsyncParallelBatchNode

from ..limits.calls import CallLimit
from ..limits.refusals import is_rate_limit
from .item_pool import MOST_RESTING, ItemPool
from .preset_schema import in_python, require


class ThrottledParallelBatchNode(AsyncParallelBatchNode):  # type: ignore[misc]
    """PocketFlow's AsyncParallelBatchNode, with at most `max_concurrent` calls of exec_async at once.

    Each attempt of each item stands inside the limit; waiting between two attempts does not. Results
    are in the order of the items. The first failure ends the other items and is raised. The limits
    may be set as class attributes, as arguments, or as attributes of a node, also while it runs, and
    hold for the node and all of its copies together. A Retry-After is waited out by all of them.

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
        max_concurrent: how many calls at once.
        max_per_minute: how many may begin within any 60 seconds, evenly spread.

    None takes the class attribute.

    Raises:
        LimitError (a ValueError): a limit is no positive number.
    """

    max_retries: int = 1
    wait: float = 0
    max_concurrent: int = 5
    max_per_minute: float | None = None

    _checked: ClassVar[tuple[str, ...]] = ("max_concurrent", "max_per_minute")

    _throttle: _Throttle

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
        self._take(max_concurrent=max_concurrent, max_per_minute=max_per_minute)
        self._throttle = _Throttle()

    def _take(self, **given: Any) -> None:
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
        for name in self._checked:
            _check(name, getattr(self, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._checked:
            super().__setattr__(name, value)
            return
        _check(name, value)
        super().__setattr__(name, value)
        # A subclass may set its limit before it calls our __init__.
        if "_throttle" in self.__dict__ and self._throttle.limit is not None:
            self._change(name)
            self._throttle.resized()

    def _change(self, name: str) -> None:
        """Let an attribute that was set act on what is under way."""
        if name == "max_concurrent":
            self.limiter.concurrency = self.max_concurrent
        else:
            self.limiter.per_minute = self.max_per_minute

    @property
    def limiter(self) -> CallLimit:
        """The limit that the node and its copies share."""
        throttle = self._throttle
        # Made at the first use: a pickled or deep-copied node has its attributes only later.
        with throttle.lock:
            if throttle.limit is None:
                throttle.limit = self._begin()
            return throttle.limit

    def _begin(self) -> CallLimit:
        return CallLimit(
            type(self).__name__,
            concurrency=self.max_concurrent,
            per_minute=self.max_per_minute,
        )

    def reset_limiter(self) -> None:
        """Begin anew: nothing was begun within the last minute, and nothing was learned."""
        self.limiter.reset()
        self._throttle.resized()

    @property
    def stats(self) -> dict[str, Any]:
        """The limits, and how many calls are inside and are waiting now."""
        return {
            "max_concurrent": self.max_concurrent,
            "max_per_minute": self.max_per_minute,
            "running": self.limiter.running,
            "waiting": self.limiter.waiting,
        }

    @staticmethod
    def is_rate_limit_error(exc: BaseException) -> bool:
        """Tell whether an error is a refusal because of a rate limit; override it to know better."""
        return is_rate_limit(exc)

    async def _exec(self, items: Iterable[Any] | None) -> list[Any]:
        limiter = self.limiter

        async def work(item: Any) -> Any:
            return await self._exec_item(pool, item)

        def at_once() -> int:
            return limiter.concurrency or MOST_RESTING

        pool = ItemPool(() if items is None else items, work, at_once)
        with self._throttle.watched_by(pool):
            return await pool.run()

    async def _exec_item(self, pool: ItemPool, item: Any) -> Any:
        # As in PocketFlow, but with a counter of the item's own: one on the node would be moved on
        # by the other items, and retries be lost.
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
            self.cur_retry = retry  # where exec_async may look for it, until its first await
            return await self.exec_async(item)


class _Throttle:
    """What a node and its copies share: the limit, and who is to be told when it is set."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.limit: CallLimit | None = None
        self._pools: list[ItemPool] = []

    @contextmanager
    def watched_by(self, pool: ItemPool) -> Iterator[None]:
        """Wake a pool whenever the limit is moved."""
        self._pools.append(pool)
        try:
            yield
        finally:
            self._pools.remove(pool)

    def resized(self) -> None:
        for pool in list(self._pools):
            pool.wake()

    def __reduce__(self) -> tuple[type[_Throttle], tuple[()]]:
        # A node that is pickled or deep-copied takes its limits along, not what became of them.
        return _Throttle, ()


def _check(name: str, value: Any) -> None:
    if value is not None or name != "max_per_minute":
        require(name, value, in_python)
