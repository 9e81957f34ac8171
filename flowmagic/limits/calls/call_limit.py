"""The limit on calls that users set and watch; it holds in any event loop and any thread.

limit = CallLimit("openai", concurrency=10, per_minute=500, tokens_per_minute=200_000)

async with limit.call(tokens=1200) as call:
    answer = await client.ask(prompt)
    call.used(answer.tokens)
"""

from __future__ import annotations

import math
from typing import Any

from ..adaptive import Adaptive
from ..limits import check_burst, check_concurrency, check_per_minute, check_seconds
from ..pace import WINDOW
from .capacity import KEEP, Kept
from .context import CallContext, Tokens
from .queue import CallQueue


class CallLimit(CallQueue):
    """A limit on calls, wherever in the process they are made.

    Every setting but the name can be changed at any time, from any thread, and acts at once on
    calls that wait. None means that there is no such limit.

    Args:
        name: the name of the limit, for messages.
        concurrency: how many calls run at once.
        per_minute: how many calls begin within any window.
        tokens_per_minute: how many tokens the calls use that begin within any window.
        adaptive: bounds within which the concurrency adapts to refusals: an `Adaptive`, or
            "2-10-50".
        burst: how many calls may begin at once after an idle time, before they are spread evenly.
        window: length in seconds of the window of `per_minute` and `tokens_per_minute`.

    Raises:
        LimitError (a ValueError): a value is not what it should be.
    """

    def __init__(
        self,
        name: str = "",
        *,
        concurrency: int | None = None,
        per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        adaptive: Any = None,
        burst: int = 1,
        window: float = WINDOW,
    ) -> None:
        super().__init__(name)
        self.change(
            # With an adaptive limit, None cannot mean "no such limit".
            concurrency=KEEP if concurrency is None else concurrency,
            per_minute=per_minute,
            tokens_per_minute=tokens_per_minute,
            adaptive=adaptive,
            burst=burst,
            window=window,
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, concurrency={self.concurrency}, "
            f"per_minute={self.per_minute}, tokens_per_minute={self.tokens_per_minute})"
        )

    def __str__(self) -> str:
        """Describe in one line how much of the limit is in use, and how many calls wait."""

        def used(number: float, most: float | None, what: str) -> str:
            return f"{number:,.0f}{'' if most is None else f' of {most:,g}'} {what}"

        minute = "in the last minute" if self.window == WINDOW else f"in {self.window:g} s"
        calls = self.in_last_minute if self.window == WINDOW else self.in_window
        parts = [
            used(self.running, self.concurrency, "running"),
            f"{self.waiting} waiting",
            used(calls, self.per_minute, f"calls {minute}"),
        ]
        if self.tokens_per_minute is not None:
            parts.append(used(self.tokens_in_last_minute, self.tokens_per_minute, "tokens"))
        if self.cooling:
            parts.append(f"cooling down for {self.cooling:.0f} s")
        return f"{self.name}: {', '.join(parts)}"

    def call(self, *, tokens: Tokens = 0) -> CallContext:
        """Return what puts calls under this limit: enter it (`async with`, `with`), or decorate.

        If an error leaves the block and is a rate limit of the provider (see
        `flowmagic.limits.refusals`), an adaptive limit falls, and no call begins for as long as the
        provider asks to wait.

        Args:
            tokens: how many tokens a call is going to use, an estimate that `Call.used` replaces;
                for a decorator, also a function of the arguments of the decorated function.

        Raises:
            LimitError: `tokens` is not a number of tokens; when entered: it is more than may ever
                begin.
            BlockedLoopError: `with` was entered in a thread whose event loop runs.
        """
        return CallContext(self, tokens)

    def change(
        self,
        *,
        concurrency: int | Kept | None = KEEP,
        per_minute: float | Kept | None = KEEP,
        tokens_per_minute: float | Kept | None = KEEP,
        adaptive: Any = KEEP,
        burst: int | Kept = KEEP,
        window: float | Kept = KEEP,
    ) -> None:
        """Change the settings that are given, all or none, also for calls that wait.

        Raises:
            LimitError: a value is not what it should be; then nothing is changed.
        """
        if concurrency is not KEEP and concurrency is not None:
            check_concurrency(concurrency, "concurrency")
        if per_minute is not KEEP:
            per_minute = check_per_minute(per_minute)
        if tokens_per_minute is not KEEP:
            tokens_per_minute = check_per_minute(tokens_per_minute, "tokens_per_minute")
        if adaptive is not KEEP and adaptive is not None:
            adaptive = Adaptive.parse(adaptive)
        if burst is not KEEP:
            check_burst(burst)
        if window is not KEEP:
            window = check_seconds(window, "window", 60)
        with self._locked():
            self._capacity.change(
                concurrency=concurrency,
                per_minute=per_minute,
                tokens_per_minute=tokens_per_minute,
                adaptive=adaptive,
                burst=burst,
                window=window,
            )

    def reset(self) -> None:
        """Forget all calls, the cool-down, and what an adaptive limit has learned.

        Calls that are running keep their slots.
        """
        with self._locked():
            self._capacity.reset()

    @property
    def concurrency(self) -> int | None:
        """How many calls run at once; with `adaptive`, its present value."""
        slots = self._capacity.slots
        return None if slots == math.inf else int(slots)

    @concurrency.setter
    def concurrency(self, value: int | None) -> None:
        self.change(concurrency=value)

    @property
    def per_minute(self) -> float | None:
        """How many calls begin within any window."""
        pace = self._capacity.pace
        return None if pace is None else pace.most

    @per_minute.setter
    def per_minute(self, value: float | None) -> None:
        self.change(per_minute=value)

    @property
    def tokens_per_minute(self) -> float | None:
        """How many tokens the calls use that begin within any window."""
        pace = self._capacity.token_pace
        return None if pace is None else pace.most

    @tokens_per_minute.setter
    def tokens_per_minute(self, value: float | None) -> None:
        self.change(tokens_per_minute=value)

    @property
    def adaptive(self) -> Adaptive | None:
        """The bounds of an adaptive concurrency; set it to "2-10-50", an `Adaptive`, or None."""
        aimd = self._capacity.aimd
        return None if aimd is None else aimd.adaptive

    @adaptive.setter
    def adaptive(self, value: Any) -> None:
        self.change(adaptive=value)

    @property
    def burst(self) -> int:
        """How many calls may begin at once after an idle time."""
        return self._capacity.burst

    @burst.setter
    def burst(self, value: int) -> None:
        self.change(burst=value)

    @property
    def window(self) -> float:
        """Length in seconds of the window of `per_minute` and `tokens_per_minute`."""
        return self._capacity.window

    @window.setter
    def window(self, value: float) -> None:
        self.change(window=value)

    @property
    def running(self) -> int:
        """How many calls are running."""
        return self._capacity.running

    @property
    def waiting(self) -> int:
        """How many calls are waiting."""
        return len(self._queue)

    @property
    def calls(self) -> int:
        """How many calls have begun."""
        return self._capacity.calls

    @property
    def refused(self) -> int:
        """How many calls a rate limit of the provider refused."""
        return self._capacity.refused

    @property
    def cooling(self) -> float:
        """How many seconds of a cool-down are left; 0.0 if there is none."""
        return max(0.0, self._capacity.cool_until - self._clock())

    @property
    def in_last_minute(self) -> int:
        """How many calls began within the last minute."""
        with self._locked() as now:
            return self._capacity.calls_in_last_minute(now)

    @property
    def tokens_in_last_minute(self) -> float:
        """How many tokens the calls use that began within the last minute."""
        with self._locked() as now:
            return self._capacity.tokens_in_last_minute(now)

    @property
    def in_window(self) -> int:
        """How many calls began within the window; 0 if there is no `per_minute`."""
        with self._locked() as now:
            pace = self._capacity.pace
            return 0 if pace is None else int(pace.in_window(now))

    def state(self) -> dict[str, Any]:
        """Return all settings and counts, as values that JSON can hold."""
        settings = ("name", "concurrency", "per_minute", "tokens_per_minute", "burst", "window")
        counts = ("running", "waiting", "calls", "in_last_minute", "tokens_in_last_minute")
        state = {name: getattr(self, name) for name in (*settings, *counts, "refused", "cooling")}
        state["adaptive"] = None if self.adaptive is None else str(self.adaptive)
        return state
