"""Call limits under the names of pocketflow-throttled: RateLimiter and LimiterRegistry.

`LimiterRegistry` has no limits of its own. What it registers are the named limits of
`flowmagic.limit` and `flowmagic.named_limits`, and it finds those that `flowmagic.set_limit` created.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ..errors import LimitError, describe
from ..limits.calls.call_limit import CallLimit
from ..limits.calls.named import change_limit, named_limits, remove_limit
from ..limits.limits import is_positive_integer, plain_number


class RateLimiter:
    """Limits how many calls run at once, and how many begin within any window.

    The calls of one window may begin all at once.

    Args:
        max_concurrent: how many calls run at once; a positive integer.
        max_per_window: how many begin within any window; a positive integer, or None: any number.
        window_seconds: length of the window in seconds; a positive number.

    Raises:
        LimitError (a ValueError): a value is not what it should be.

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
        """The call limit behind it, with more to set and to read."""
        self.limit.change(**changes)
        self._context = self.limit.call()

    @classmethod
    def of(cls, limit: CallLimit) -> RateLimiter:
        """Return a RateLimiter for a call limit that exists."""
        limiter = cls.__new__(cls)
        limiter.limit = limit
        limiter._context = limit.call()
        return limiter

    @property
    def max_concurrent(self) -> int | None:
        """How many calls run at once; can be set at any time."""
        return self.limit.concurrency

    @max_concurrent.setter
    def max_concurrent(self, value: int) -> None:
        self.limit.change(concurrency=_changes(value)["concurrency"])

    @property
    def max_per_window(self) -> float | None:
        """How many calls begin within any window; can be set at any time."""
        return self.limit.per_minute

    @max_per_window.setter
    def max_per_window(self, value: int | None) -> None:
        changes = _changes(max_per_window=value)
        self.limit.change(per_minute=changes["per_minute"], burst=changes["burst"])

    @property
    def window_seconds(self) -> float:
        """Length of the window in seconds."""
        return self.limit.window

    @property
    def current_window_count(self) -> int:
        """How many calls began within the window that ends now; 0 without `max_per_window`."""
        return self.limit.in_window

    async def acquire(self) -> None:
        """Wait until a call may begin, and begin it; `release` must end it."""
        await self._context.__aenter__()

    def release(self) -> None:
        """End a call that `acquire` began.

        Raises:
            RuntimeError: no call is running.
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
        """Forget the calls of the window; running calls keep their slots."""
        self.limit.reset()

    def __repr__(self) -> str:
        return (
            f"RateLimiter(max_concurrent={self.max_concurrent}, "
            f"max_per_window={self.max_per_window}, window_seconds={self.window_seconds})"
        )


class LimiterRegistry:
    """The named limits of the process, as rate limiters."""

    @staticmethod
    def register(
        name: str,
        max_concurrent: int = 5,
        max_per_window: int | None = None,
        window_seconds: float = 60.0,
        replace: bool = False,  # noqa: FBT001, FBT002 - pocketflow-throttled's signature
    ) -> RateLimiter:
        """Create the limiter with this name; with `replace`, change it if it exists.

        Raises:
            LimitError (a ValueError): it exists and `replace` is False, or a value is wrong.
        """
        changes = _changes(max_concurrent, max_per_window, window_seconds)
        return _view(change_limit(name, changes, new=None if replace else True))

    @staticmethod
    def get(name: str) -> RateLimiter:
        """Return the limiter with this name.

        Raises:
            KeyError: there is none.
        """
        limits = named_limits()
        if name not in limits:
            known = ", ".join(f'"{each}"' for each in limits) or "none"
            # Without single quotes: a KeyError shows the repr of its message.
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
        """Return the limiter with this name, unchanged if it exists, else created."""
        changes = _changes(max_concurrent, max_per_window, window_seconds)
        return _view(change_limit(name, changes, new=False))

    @staticmethod
    def exists(name: str) -> bool:
        """Whether there is a limiter with this name."""
        return name in named_limits()

    @staticmethod
    def remove(name: str) -> bool:
        """Remove the limiter with this name; return whether there was one."""
        existed = name in named_limits()
        remove_limit(name)
        return existed

    @staticmethod
    def reset(name: str | None = None) -> None:
        """Remove the limiter with this name, or all limiters."""
        for each in named_limits() if name is None else [name]:
            remove_limit(each)

    @staticmethod
    def list_names() -> list[str]:
        """Return the names of all limiters, in the order in which they were created."""
        return list(named_limits())

    @classmethod
    def list_all(cls) -> dict[str, dict[str, Any]]:
        """Return the `stats` of all limiters, by name."""
        return {name: cls.stats(name) for name in named_limits()}

    @classmethod
    def stats(cls, name: str) -> dict[str, Any]:
        """Return the settings of a limiter, and how many calls began within its window.

        Raises:
            KeyError: there is no limiter with this name.
        """
        limiter = cls.get(name)
        return {
            "max_concurrent": limiter.max_concurrent,
            "max_per_window": limiter.max_per_window,
            "current_window_count": limiter.current_window_count,
            "window_seconds": limiter.window_seconds,
        }


def _view(limit: CallLimit) -> RateLimiter:
    """Return the RateLimiter of a limit, always the same one."""
    view = getattr(limit, "_rate_limiter", None)
    if view is None:
        # If two threads create one at the same time, `setdefault` keeps only the first.
        view = vars(limit).setdefault("_rate_limiter", RateLimiter.of(limit))
    return view  # type: ignore[no-any-return]


def _changes(
    max_concurrent: Any = 5, max_per_window: Any = None, window_seconds: Any = 60.0
) -> dict[str, Any]:
    """Check these arguments, and return those for `CallLimit.change`."""
    _check_count(max_concurrent, "max_concurrent", "at least 1", "max_concurrent=5")
    if max_per_window is not None:
        _check_count(max_per_window, "max_per_window", "at least 1 or None", "max_per_window=60")
    seconds = plain_number(window_seconds)
    if seconds is None or seconds <= 0:
        raise LimitError(
            f"window_seconds must be positive, but it is {describe(window_seconds)}. "
            "Write for example window_seconds=60."
        )
    # As in pocketflow-throttled, the calls of a window are not spread.
    burst = 1 if max_per_window is None else max_per_window
    return {
        "concurrency": max_concurrent,
        "per_minute": max_per_window,
        "burst": burst,
        "window": seconds,
    }


def _check_count(value: Any, name: str, expected: str, line: str) -> None:
    if not is_positive_integer(value):
        raise LimitError(
            f"{name} must be {expected}, but it is {describe(value)}. Write for example {line}."
        )
