"""The named limits under pocketflow-throttled's names: RateLimiter and LimiterRegistry.

`LimiterRegistry` keeps no limits of its own: what is registered here is what `flowmagic.limit` and
`flowmagic.named_limits` know, and the other way round.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ..errors import LimitError, describe
from ..limits.calls.call_limit import CallLimit
from ..limits.calls.named import change_limit, named_limits, remove_limit
from ..limits.limits import plain_number


class RateLimiter:
    """Keeps calls to so many at once, and so many within any window; these may begin at once.

    Args:
        max_concurrent: how many are under way at once.
        max_per_window: how many begin within the window; None: any number.
        window_seconds: length of the window.

    Raises:
        LimitError (a ValueError): one of them is no such number.

    Example:
        async with RateLimiter(max_concurrent=5, max_per_window=60):
            await client.ask(prompt)
    """

    def __init__(
        self,
        max_concurrent: int = 5,
        max_per_window: int | None = None,
        window_seconds: float = 60.0,
    ) -> None:
        changes = _changes(max_concurrent, max_per_window, window_seconds)
        self.limit = CallLimit()
        """What keeps it, as `flowmagic.limit` gives them."""
        self.limit.change(**changes)
        self._context = self.limit.call()

    @classmethod
    def of(cls, limit: CallLimit) -> RateLimiter:
        """Return the view of a call limit under these names."""
        limiter = cls.__new__(cls)
        limiter.limit = limit
        limiter._context = limit.call()
        return limiter

    @property
    def max_concurrent(self) -> int | None:
        """How many are under way at once; settable at any time."""
        return self.limit.concurrency

    @max_concurrent.setter
    def max_concurrent(self, value: int) -> None:
        self.limit.change(concurrency=_changes(value)["concurrency"])

    @property
    def max_per_window(self) -> float | None:
        """How many begin within the window; settable at any time."""
        return self.limit.per_minute

    @max_per_window.setter
    def max_per_window(self, value: int | None) -> None:
        changes = _changes(max_per_window=value)
        self.limit.change(per_minute=changes["per_minute"], burst=changes["burst"])

    @property
    def window_seconds(self) -> float:
        """Length of the window."""
        return self.limit.window

    @property
    def current_window_count(self) -> int:
        """How many began within the window that ends now, while there is a `max_per_window`."""
        return self.limit.in_window

    async def acquire(self) -> None:
        """Wait until a call may begin, and begin it; `release` ends it."""
        await self._context.__aenter__()

    def release(self) -> None:
        """End a call that `acquire` began.

        Raises:
            RuntimeError: none is under way.
        """
        self._context.end()

    async def __aenter__(self) -> RateLimiter:  # noqa: PYI034 - Self is younger than Python 3.10
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._context.__aexit__(kind, error, traceback)

    def reset(self) -> None:
        """Forget what began; those inside stay inside."""
        self.limit.reset()

    def __repr__(self) -> str:
        return (
            f"RateLimiter(max_concurrent={self.max_concurrent}, "
            f"max_per_window={self.max_per_window}, window_seconds={self.window_seconds})"
        )


class LimiterRegistry:
    """The limits of the process, by name, as rate limiters."""

    @staticmethod
    def register(
        name: str,
        max_concurrent: int = 5,
        max_per_window: int | None = None,
        window_seconds: float = 60.0,
        replace: bool = False,  # noqa: FBT001, FBT002 - pocketflow-throttled's signature
    ) -> RateLimiter:
        """Create the limiter of that name; with `replace`, change the one that there is.

        Raises:
            LimitError (a ValueError): there is one, or a value is wrong.
        """
        changes = _changes(max_concurrent, max_per_window, window_seconds)
        return _view(change_limit(name, changes, new=None if replace else True))

    @staticmethod
    def get(name: str) -> RateLimiter:
        """Return the limiter of that name.

        Raises:
            KeyError: there is none.
        """
        limits = named_limits()
        if name not in limits:
            known = ", ".join(f'"{each}"' for each in limits) or "none"
            # Double quotes only: a KeyError shows the repr of its message.
            raise KeyError(
                f'There is no limiter named "{name}"; there are: {known}. '
                f'Write LimiterRegistry.register("{name}", max_concurrent=5) first.'
            )
        return _view(limits[name])

    @staticmethod
    def get_or_create(
        name: str,
        max_concurrent: int = 5,
        max_per_window: int | None = None,
        window_seconds: float = 60.0,
    ) -> RateLimiter:
        """Return the limiter of that name as it is; create it if there is none."""
        changes = _changes(max_concurrent, max_per_window, window_seconds)
        return _view(change_limit(name, changes, new=False))

    @staticmethod
    def exists(name: str) -> bool:
        """Return whether there is one of that name."""
        return name in named_limits()

    @staticmethod
    def remove(name: str) -> bool:
        """Forget the one of that name; return whether there was one."""
        there = name in named_limits()
        remove_limit(name)
        return there

    @staticmethod
    def reset(name: str | None = None) -> None:
        """Forget the one of that name, or all."""
        for each in named_limits() if name is None else [name]:
            remove_limit(each)

    @staticmethod
    def list_names() -> list[str]:
        """Return all names, in the order of their creation."""
        return list(named_limits())

    @classmethod
    def list_all(cls) -> dict[str, dict[str, Any]]:
        """Return the `stats` of all."""
        return {name: cls.stats(name) for name in named_limits()}

    @classmethod
    def stats(cls, name: str) -> dict[str, Any]:
        """Return what the one of that name is set to, and how much of its window is taken.

        Raises:
            KeyError: there is none.
        """
        limiter = cls.get(name)
        return {
            "max_concurrent": limiter.max_concurrent,
            "max_per_window": limiter.max_per_window,
            "current_window_count": limiter.current_window_count,
            "window_seconds": limiter.window_seconds,
        }


def _view(limit: CallLimit) -> RateLimiter:
    """Return the one view of a limit."""
    view = getattr(limit, "_rate_limiter", None)
    if view is None:
        # Two threads may both make one; `setdefault` lets one of them win.
        view = vars(limit).setdefault("_rate_limiter", RateLimiter.of(limit))
    return view  # type: ignore[no-any-return]


def _changes(
    max_concurrent: Any = 5, max_per_window: Any = None, window_seconds: Any = 60.0
) -> dict[str, Any]:
    """Return what these names mean to `CallLimit.change`, checked under these names."""
    _check_count(max_concurrent, "max_concurrent", "at least 1", "max_concurrent=5")
    if max_per_window is not None:
        _check_count(max_per_window, "max_per_window", "at least 1 or None", "max_per_window=60")
    seconds = plain_number(window_seconds)
    if seconds is None or seconds <= 0:
        raise LimitError(
            f"window_seconds must be positive, but it is {describe(window_seconds)}. "
            "Write for example window_seconds=60."
        )
    # As many as the window holds may begin at once: nothing else spreads them.
    burst = 1 if max_per_window is None else max_per_window
    return {
        "concurrency": max_concurrent,
        "per_minute": max_per_window,
        "burst": burst,
        "window": seconds,
    }


def _check_count(value: Any, name: str, wanted: str, line: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise LimitError(
            f"{name} must be {wanted}, but it is {describe(value)}. Write for example {line}."
        )
