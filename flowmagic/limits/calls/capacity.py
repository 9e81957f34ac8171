"""What a call limit allows at a moment: free slots, the paces, and no cool-down; a call it let in.

Nothing here waits or locks. `CallQueue` calls it, under its lock.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from ...errors import LimitError, describe
from ..adaptive import Adaptive, Aimd
from ..limits import plain_number
from ..pace import WINDOW, Entry, Pace
from .usage import current_usage

if TYPE_CHECKING:
    from .queue import CallQueue

_SECONDS = 60  # of a `Meter`


class Call:
    """A call that a limit has let in.

    Attributes:
        tokens: how many tokens it counts for.
        began: when it was let in, in seconds of the limit's clock.
        waited: how many seconds it waited before that.
        limit: the limit that let it in.
        outer: the enclosing call of the same task under the same limit, if there is one.
        pace, entry: the token pace that it counts against, and its entry there.
        usage: what else counts its tokens.
    """

    __slots__ = ("began", "entry", "limit", "outer", "pace", "tokens", "usage", "waited")

    def __init__(self, limit: CallQueue, tokens: float, began: float, waited: float) -> None:
        self.limit = limit
        self.outer: Call | None = None
        self.tokens = tokens
        self.began = began
        self.waited = waited
        self.pace: Pace | None = None
        self.entry: Entry | None = None
        self.usage = current_usage()

    def used(self, tokens: float) -> None:
        """Report how many tokens the call really used, in its block or after it.

        It replaces the estimate; of several reports, the last one counts.

        Raises:
            LimitError: `tokens` is not a number, or is negative.
        """
        self.limit.correct(self, check_tokens(tokens, "used"))


def check_tokens(value: Any, name: str = "tokens") -> float:
    """Return `value` if it is a finite number of tokens, 0 or more; else raise LimitError."""
    number = plain_number(value)
    if number is None or number < 0:
        line = "call.used(1200)" if name == "used" else "limit.call(tokens=1200)"
        raise LimitError(
            f"{name} is {describe(value)}, not a number of tokens, 0 or more. Write for example {line}."
        )
    return int(number) if float(number).is_integer() else number


class Meter:
    """Adds up amounts by the second, for a minute.

    `total` never returns more than the last 60 seconds held: the oldest second, of which only a part
    is within them, is left out. All times are seconds of one clock.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all amounts."""
        self._counts: list[float] = [0] * _SECONDS
        self._second = 0
        """The latest second seen."""

    def add(self, at: float, amount: float = 1) -> None:
        """Add an amount at a time, present or past; a negative one takes back an earlier amount."""
        second = int(at)
        if second > self._second:
            self._advance(second)
        if second > self._second - _SECONDS:
            self._counts[second % _SECONDS] += amount

    def total(self, now: float) -> float:
        """Return the sum of the last minute."""
        if int(now) > self._second:
            self._advance(int(now))
        return sum(self._counts)

    def _advance(self, second: int) -> None:
        for new in range(max(self._second, second - _SECONDS) + 1, second + 1):
            self._counts[new % _SECONDS] = 0
        self._second = second


class Keep(Enum):
    """The type of KEEP."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""The default of arguments that leave a setting as it is, where None means "no such limit"."""

Kept = Literal[Keep.KEEP]


class Capacity:
    """The settings of a call limit, what is in use, and what was counted.

    A call first takes its capacity (`take`), then begins (`begin`) or gives the capacity back
    (`give_back`), and ends with `end`, `end_well` or `end_refused`. All times are seconds of one
    clock.
    """

    def __init__(self) -> None:
        self.slots: float = math.inf
        self.aimd: Aimd | None = None
        """The adaptive limit that sets `slots`, if there is one."""
        self.pace: Pace | None = None
        self.token_pace: Pace | None = None
        self.burst = 1
        self.window = WINDOW
        self.running = 0
        """Slots in use."""
        self.plain = True
        """Whether nothing but the slots limits calls: neither a pace nor a cool-down."""
        self.call_meter, self.token_meter = Meter(), Meter()
        self._reset_counts()

    def _reset_counts(self) -> None:
        self.calls = self.refused = 0
        self.last_begin = self.cool_until = -math.inf

    def change(
        self,
        *,
        concurrency: int | Kept | None,
        per_minute: float | Kept | None,
        tokens_per_minute: float | Kept | None,
        adaptive: Adaptive | Kept | None,
        burst: int | Kept,
        window: float | Kept,
    ) -> None:
        """Change the settings that are not KEEP; the values have been checked one by one.

        Raises:
            LimitError: there would be an adaptive limit, but no limit; then nothing is changed.
        """
        self._change_slots(concurrency, adaptive)
        self.burst = self.burst if burst is KEEP else burst
        self.window = self.window if window is KEEP else window
        self.pace = self._changed_pace(self.pace, per_minute, self.last_begin)
        self.token_pace = self._changed_pace(self.token_pace, tokens_per_minute, -math.inf)

    def _change_slots(
        self, concurrency: int | Kept | None, adaptive: Adaptive | Kept | None
    ) -> None:
        if concurrency is None and (self.aimd if adaptive is KEEP else adaptive) is not None:
            raise LimitError(
                "concurrency=None would be no limit, but an adaptive one is in force. "
                "Write concurrency=None, adaptive=None to have neither."
            )
        if adaptive is None:
            self.aimd = None
        elif adaptive is not KEEP:
            if self.aimd is None:
                self.aimd = Aimd(adaptive)
            else:
                self.aimd.rebound(adaptive)
        if self.aimd is not None:
            if isinstance(concurrency, int):
                self.aimd.change(concurrency)
            self.slots = self.aimd.limit
        elif concurrency is not KEEP:
            self.slots = math.inf if concurrency is None else concurrency

    def _changed_pace(
        self, pace: Pace | None, most: float | Kept | None, last: float
    ) -> Pace | None:
        if most is KEEP:
            most = None if pace is None else pace.most
        if most is None:
            return None
        self.plain = False
        if pace is None:
            return Pace(most, window=self.window, burst=self.burst, last=last)
        if (most, self.window, self.burst) != (pace.most, pace.window, pace.burst):
            pace.change(most, window=self.window, burst=self.burst)
        return pace

    def reset(self) -> None:
        """Forget all calls, the cool-down, and what the adaptive limit has learned.

        Calls that are running keep their slots.
        """
        for part in (self.pace, self.token_pace, self.aimd, self.call_meter, self.token_meter):
            if part is not None:
                part.reset()
        self._reset_counts()
        if self.aimd is not None:
            self.slots = self.aimd.limit

    def wait(self, now: float, tokens: float) -> float:
        """Return how many seconds a call has to wait; inf: until a call ends or a limit changes."""
        if self.running >= self.slots:
            return math.inf
        if self.plain:
            return 0.0
        wait = max(0.0, self.cool_until - now)
        if self.pace is not None:
            wait = max(wait, self.pace.wait(now))
        if self.token_pace is not None:
            wait = max(wait, self.token_pace.wait(now, tokens))
        self.plain = wait == 0 and self.pace is None and self.token_pace is None
        return wait

    def take(self, now: float, tokens: float) -> None:
        """Take what a call needs; only after `wait` has returned 0.0 for it."""
        self.running += 1
        if self.pace is not None:
            self.pace.take(now)
        if self.token_pace is not None:
            self.token_pace.take(now, tokens)

    def give_back(self, tokens: float) -> None:
        """Give back what was taken for a call that will not begin."""
        self.running -= 1
        if self.pace is not None:
            self.pace.forgo()
        if self.token_pace is not None:
            self.token_pace.forgo(tokens)

    def begin(self, limit: CallQueue, now: float, tokens: float, waited: float) -> Call:
        """Return a call that begins now, with what was taken for it."""
        call = Call(limit, tokens, now, waited)
        self.calls += 1
        self.last_begin = now
        self.call_meter.add(now)
        if tokens:
            self.token_meter.add(now, tokens)
            if call.usage is not None:
                call.usage.tokens += tokens
        if self.pace is not None:
            self.pace.begin(now)
        if self.token_pace is not None:
            call.pace = self.token_pace
            call.entry = self.token_pace.begin(now, tokens)
        return call

    def end(self) -> None:
        """End a call whose outcome says nothing about the limit."""
        self.running -= 1

    def end_well(self, call: Call) -> None:
        """End a call that succeeded."""
        self.running -= 1
        if self.aimd is not None and self.aimd.succeeded(call.began):
            self.slots = self.aimd.limit

    def end_refused(self, call: Call, now: float, retry_after: float) -> None:
        """End a call that a rate limit refused; no call begins for `retry_after` seconds."""
        self.running -= 1
        self.refused += 1
        if self.aimd is not None and self.aimd.refused(call.began, now):
            self.slots = self.aimd.limit
        if retry_after > 0:
            self.cool_until = max(self.cool_until, now + retry_after)
            self.plain = False

    def correct(self, call: Call, now: float, tokens: float) -> None:
        """Replace the tokens of a call by the number that it really used."""
        if call.pace is not None and call.entry is not None:
            call.pace.correct(call.entry, tokens, now)
        self.token_meter.add(call.began, tokens - call.tokens)
        if call.usage is not None:
            call.usage.tokens += tokens - call.tokens
        call.tokens = tokens

    def calls_in_last_minute(self, now: float) -> int:
        """Return how many calls began within the last minute."""
        return int(_last_minute(self.call_meter.total(now), self.pace, now))

    def tokens_in_last_minute(self, now: float) -> float:
        """Return how many tokens the calls use that began within the last minute."""
        return _last_minute(self.token_meter.total(now), self.token_pace, now)


def _last_minute(metered: float, pace: Pace | None, now: float) -> float:
    # Neither is too high: the meter leaves out part of a second, and the pace what began before it
    # was set.
    if pace is None or pace.window != WINDOW:
        return metered
    return max(metered, pace.in_window(now))
