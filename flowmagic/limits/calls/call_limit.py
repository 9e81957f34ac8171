"""The limit at the call: one for any loop and any thread of the process.

limit = CallLimit("openai", concurrency=10, per_minute=500, tokens_per_minute=200_000)

async with limit.call(tokens=1200) as call:
    answer = await client.ask(prompt)
    call.used(answer.tokens)
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, Final, Literal

from ...errors import LimitError, describe
from ..adaptive import Adaptive, Aimd
from ..limits import check_burst, check_per_minute, check_seconds, is_positive_integer
from ..pace import WINDOW, Pace
from .context import CallContext, Tokens
from .queue import CallQueue


class Keep(Enum):
    """Stands for what is not given, where None says "no such limit"."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
_Kept = Literal[Keep.KEEP]


class CallLimit(CallQueue):
    """What calls are kept to, wherever they come from; each limit is None where there is none.

    All but the name may be set at any time, from any thread, and act at once on those who wait.

    Args:
        name: what it is called in messages.
        concurrency: how many calls are under way at once.
        per_minute: how many begin within any window.
        tokens_per_minute: how many tokens those that begin within any window may use.
        adaptive: between what bounds the concurrency finds its own value: an `Adaptive`, or "2-10-50".
        burst: how many calls may begin at once after idleness, before they are spread evenly.
        window: length in seconds of the window that "per minute" speaks of.

    Raises:
        LimitError (a ValueError): a limit that cannot be kept.
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
            # An adaptive limit has a concurrency of its own.
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
        """Say in one line how far it is used: of what there is a limit for, and who waits."""

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

        An error that leaves the block and says that a rate limit refused (see `flowmagic.limits.refusals`)
        lowers an adaptive limit, and holds back all calls for as long as the provider asks to.

        Args:
            tokens: how many a call is going to use, which `Call.used` corrects; for a decorator,
                this may be a function of the decorated one's arguments.

        Raises:
            LimitError: that is no number of tokens; when entered: it is more than may ever begin.
            BlockedLoopError: `with` was entered in a thread whose event loop runs.
        """
        return CallContext(self, tokens)

    def change(
        self,
        *,
        concurrency: int | _Kept | None = KEEP,
        per_minute: float | _Kept | None = KEEP,
        tokens_per_minute: float | _Kept | None = KEEP,
        adaptive: Any = KEEP,
        burst: int | _Kept = KEEP,
        window: float | _Kept = KEEP,
    ) -> None:
        """Set what is given, all or nothing, and at once for those who wait.

        Raises:
            LimitError: one of them cannot be kept; then nothing is changed.
        """
        if concurrency is not KEEP:
            concurrency = _check_concurrency(concurrency)
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
            self._set_slots(concurrency, adaptive)
            self._burst = self._burst if burst is KEEP else burst
            self._window = self._window if window is KEEP else window
            self._pace = self._paced(self._pace, per_minute, self._began)
            self._token_pace = self._paced(self._token_pace, tokens_per_minute, -math.inf)

    def _set_slots(self, concurrency: int | _Kept | None, adaptive: Any) -> None:
        if concurrency is None and (self._aimd if adaptive is KEEP else adaptive) is not None:
            raise LimitError(
                "concurrency=None would be no limit, but an adaptive one is in force. "
                "Write concurrency=None, adaptive=None to have neither."
            )
        if adaptive is None:
            self._aimd = None
        elif adaptive is not KEEP:
            if self._aimd is None:
                self._aimd = Aimd(adaptive)
            else:
                self._aimd.rebound(adaptive)
        if self._aimd is not None:
            if isinstance(concurrency, int):
                self._aimd.change(concurrency)
            self._most = self._aimd.limit
        elif concurrency is not KEEP:
            self._most = math.inf if concurrency is None else concurrency

    def _paced(self, pace: Pace | None, most: float | _Kept | None, last: float) -> Pace | None:
        """Return a pace as it is to be, changed if there was one."""
        if most is KEEP:
            most = None if pace is None else pace.most
        if most is None:
            return None
        self._plain = False
        if pace is None:
            return Pace(most, window=self._window, burst=self._burst, last=last)
        if (most, self._window, self._burst) != (pace.most, pace.window, pace.burst):
            pace.change(most, window=self._window, burst=self._burst)
        return pace

    def reset(self) -> None:
        """Begin anew: nothing has begun yet, no cool-down, the adaptive limit at its start.

        Those inside stay inside.
        """
        with self._locked():
            for forgetful in (self._pace, self._token_pace, self._aimd):
                if forgetful is not None:
                    forgetful.reset()
            self._call_meter.reset()
            self._token_meter.reset()
            self._began = self._cool_until = -math.inf
            self._calls = self._refused = 0
            if self._aimd is not None:
                self._most = self._aimd.limit

    @property
    def concurrency(self) -> int | None:
        """How many calls are under way at once; with `adaptive`, what that has come to."""
        return None if self._most == math.inf else int(self._most)

    @concurrency.setter
    def concurrency(self, value: int | None) -> None:
        self.change(concurrency=value)

    @property
    def per_minute(self) -> float | None:
        """How many calls begin within any window."""
        pace = self._pace
        return None if pace is None else pace.most

    @per_minute.setter
    def per_minute(self, value: float | None) -> None:
        self.change(per_minute=value)

    @property
    def tokens_per_minute(self) -> float | None:
        """How many tokens the calls that begin within any window may use."""
        pace = self._token_pace
        return None if pace is None else pace.most

    @tokens_per_minute.setter
    def tokens_per_minute(self, value: float | None) -> None:
        self.change(tokens_per_minute=value)

    @property
    def adaptive(self) -> Adaptive | None:
        """Between what bounds the concurrency moves; assign "2-10-50", an `Adaptive`, or None."""
        aimd = self._aimd
        return None if aimd is None else aimd.adaptive

    @adaptive.setter
    def adaptive(self, value: Any) -> None:
        self.change(adaptive=value)

    @property
    def burst(self) -> int:
        """How many calls may begin at once after idleness."""
        return self._burst

    @burst.setter
    def burst(self, value: int) -> None:
        self.change(burst=value)

    @property
    def window(self) -> float:
        """Length in seconds of the window that "per minute" speaks of."""
        return self._window

    @window.setter
    def window(self, value: float) -> None:
        self.change(window=value)

    @property
    def running(self) -> int:
        """How many calls are under way."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many wait to be let in."""
        return len(self._queue)

    @property
    def calls(self) -> int:
        """How many have begun."""
        return self._calls

    @property
    def refused(self) -> int:
        """How many a rate limit refused."""
        return self._refused

    @property
    def cooling(self) -> float:
        """How many seconds of a cool-down are left; 0.0 if none is under way."""
        return max(0.0, self._cool_until - self._clock())

    @property
    def in_last_minute(self) -> int:
        """How many began within the last minute."""
        with self._locked() as now:
            return int(self._last_minute(self._call_meter.total(now), self._pace, now))

    @property
    def tokens_in_last_minute(self) -> float:
        """How many tokens those used that began within the last minute."""
        with self._locked() as now:
            return self._last_minute(self._token_meter.total(now), self._token_pace, now)

    def _last_minute(self, metered: float, pace: Pace | None, now: float) -> float:
        # The meter leaves out part of a second, a pace what began before it was set: neither tells
        # too much.
        if pace is None or pace.window != WINDOW:
            return metered
        return max(metered, pace.in_window(now))

    @property
    def in_window(self) -> int:
        """How many began within the window; 0 while there is no `per_minute` that counts them."""
        with self._locked() as now:
            return 0 if self._pace is None else int(self._pace.in_window(now))

    def state(self) -> dict[str, Any]:
        """Return all that can be set and watched, as plain values that JSON has a word for."""
        asked = ("name", "concurrency", "per_minute", "tokens_per_minute", "burst", "window")
        seen = ("running", "waiting", "calls", "in_last_minute", "tokens_in_last_minute")
        state = {name: getattr(self, name) for name in (*asked, *seen, "refused", "cooling")}
        state["adaptive"] = None if self.adaptive is None else str(self.adaptive)
        return state


def _check_concurrency(value: Any) -> int | None:
    if value is None:
        return None
    if not is_positive_integer(value):
        raise LimitError(
            f"concurrency is {describe(value)}, not a positive integer. "
            "Write for example concurrency=5, or concurrency=None for no such limit."
        )
    return value
