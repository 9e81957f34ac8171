"""Spreads starts over time, so that no window of 60 seconds ever holds more than N of them.

A start has to pass two tests:

1. The schedule. Starts are `window / most` seconds apart: at 60 per minute, one second. `Pace` keeps
   the time of the next start; each start moves it on by one interval, and a start that comes too
   early waits for it. With `burst=10`, ten starts may run ahead of the schedule. This is the generic
   cell rate algorithm (ITU-T I.371) in its form of virtual scheduling: the time of the next start is
   its "theoretical arrival time", and (burst - 1) intervals are its tolerance.
2. The window. The schedule alone lets a burst and the evenly spaced starts after it into the same
   window, N + burst - 1 in all; a token bucket lets in up to 2 N. So the starts of the last window
   are kept, and a start that does not fit in waits until enough of them have left.

A change acts at once. A window that reaches back to before the change may hold what the larger of
the two settings allows: otherwise, lowering the pace would mean a minute without any start.

A start may count for more than one, for example for the tokens that it is going to use. This is an
estimate, which `Pace.correct` replaces once the true amount is known.
"""

from __future__ import annotations

import math
from collections import deque

WINDOW = 60.0
"""Length in seconds of the window that `per_minute` limits refer to."""

_CATCH_UP = 0.02
"""How many seconds starts may lag behind the schedule and still catch up.

Timers wake about a millisecond late; without catching up, these delays add up to a missed target.
With a larger value, a burst after a pause would noticeably exceed its fair share.
"""

_RESOLUTION = 1e-6
"""Seconds by which a start may be early: the schedule is a sum of rounded times."""

_MAX_LATENESS = 1.0
"""Seconds after the end of its wait up to which a start counts as late, and may catch up."""

_AVERAGED = 20
"""Number of recent starts, roughly, over which their amount is averaged."""

_ROUNDING = 1e-9
"""Relative error that sums of fractional amounts may have."""


class Entry:
    """One start within the window: its time, its amount, and its number."""

    __slots__ = ("amount", "at", "number")

    def __init__(self, at: float, amount: float, number: int) -> None:
        self.at = at
        self.amount = amount
        self.number = number


class _Era:
    """The time since a setting came into force.

    Attributes:
        most: how much the setting allows within the window.
        first: number of the first start in this era.
        total: amount of all starts in this era and later that are still in the window.
    """

    __slots__ = ("first", "most", "total")

    def __init__(self, most: float, first: int, total: float) -> None:
        self.most = most
        self.first = first
        self.total = total


class Pace:
    """Limits starts to `most` within any `window` seconds, and spreads them evenly.

    It is not a lock and never blocks: `admit` lets a start in, or returns how long to wait. After
    it was let in, the caller reports that it begins (`begin`) or that it will not (`forgo`).
    All times are seconds of one clock.

    Args:
        most: the amount that may start within the window.
        window: length of the window in seconds.
        burst: how many starts may follow at once after an idle time, before they are spread. If
            that many fill the window, only the window limits them.
        last: time of the last start before this pace was set, which counts.
    """

    def __init__(
        self, most: float, *, window: float = WINDOW, burst: int = 1, last: float = -math.inf
    ) -> None:
        self.window = window
        self.burst = burst
        self._interval = window / most
        self._last = last
        self._next = last + self._interval
        self._busy_since = last
        self._last_due = -math.inf
        """When the last wait ends: a start soon after it is late, and the schedule was not idle."""
        self._average = 0.0
        """Average amount of the recent starts."""
        self._averaged = 0
        self._entries: deque[Entry] = deque()
        """The starts in the window, oldest first."""
        self._number = 0
        """Number of the next entry."""
        self._eras = [_Era(most, 0, 0.0)]
        """Oldest first, each with a lower `most` than the one before.

        An era that allows no more than a later one is dropped: a window that reaches back into it
        may hold what the later one allows.
        """
        self._pending = 0.0
        """Amount that was admitted and has not begun yet."""
        if last > -math.inf:
            self.begin(last)

    @property
    def most(self) -> float:
        """The amount that may start within the window."""
        return self._eras[-1].most

    def change(self, most: float, *, window: float | None = None, burst: int | None = None) -> None:
        """Change the settings; None leaves one as it is.

        The schedule is recomputed from the last start, so that neither a wait remains from a slower
        pace nor a burst follows a faster one.
        """
        if window is not None:
            self.window = window
        if burst is not None:
            self.burst = burst
        begun = self._last > -math.inf
        intervals = max(0.0, (self._next - self._last) / self._interval) if begun else 1.0
        self._interval = self.window / most
        self._next = self._last + intervals * self._interval
        first, total = self._number, 0.0
        while self._eras and (self._eras[-1].most <= most or self._eras[-1].first == self._number):
            era = self._eras.pop()
            first, total = era.first, era.total
        self._eras.append(_Era(most, first, total))

    def admit(self, now: float, amount: float = 1.0) -> float:
        """Let `amount` in and return 0.0; or return how many seconds to wait before the next try."""
        wait = self.wait(now, amount)
        if wait == 0:
            self.take(now, amount)
        return wait

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return how many seconds `amount` has to wait; 0.0 if it may be let in now.

        An amount larger than the window allows is let in alone, once the window is empty.
        """
        self._expire(now)
        # The unit of a burst is this start or an average one: some starts cost little or nothing.
        unit = max(amount, self._average) if self.burst > 1 else amount
        due = self._next - (self.burst - 1) * unit * self._interval
        if due - now < _RESOLUTION or self.burst * unit >= self.most >= amount:
            due = now
        for era in self._eras:
            if not self._fits(era, era.total + self._pending, amount):
                due = max(due, self._room_at(era, now, amount))
        # While an event loop is busy, all that is let in begins together: one burst at most.
        most_pending = max(_CATCH_UP / self._interval, self.burst * unit)
        if self._pending >= most_pending:
            due = max(due, now + amount * self._interval)
        if due > now:
            self._last_due = due
            return due - now
        return 0.0

    def take(self, now: float, amount: float = 1.0) -> None:
        """Let `amount` in; only after `wait` has returned 0.0 for it."""
        if now - self._next > _CATCH_UP:
            late = now - self._last_due <= _MAX_LATENESS
            self._next = now - _CATCH_UP if late else now
            self._busy_since = now
        self._next += amount * self._interval
        self._last = now
        self._pending += amount
        self._averaged = min(self._averaged + 1, _AVERAGED)
        self._average += (amount - self._average) / self._averaged

    def begin(self, now: float, amount: float = 1.0) -> Entry:
        """Record that an admitted start begins now, which a busy loop may have delayed."""
        entry = Entry(now, amount, self._number)
        self._number += 1
        self._entries.append(entry)
        for era in self._eras:
            era.total += amount
        self.forgo(amount)
        return entry

    def forgo(self, amount: float = 1.0) -> None:
        """Record that an admitted start will not begin after all."""
        self._pending = max(0.0, self._pending - amount)

    def correct(self, entry: Entry, amount: float, now: float) -> None:
        """Replace the amount of a start by the true one, in the window and in the schedule."""
        self._expire(now)
        difference = amount - entry.amount
        entry.amount = amount
        if not self._entries or entry.number < self._entries[0].number:
            return  # has left the window
        for era in self._eras:
            if entry.number >= era.first:
                era.total += difference
        # The schedule was reset when it last fell idle; starts before that no longer count in it.
        if entry.at >= self._busy_since:
            self._next += difference * self._interval

    def in_window(self, now: float) -> float:
        """Return the amount that has begun within the window that ends now."""
        self._expire(now)
        return self._eras[0].total

    def reset(self) -> None:
        """Forget all starts."""
        self._entries.clear()
        self._eras = [_Era(self.most, self._number, 0.0)]
        self._last = self._next = self._busy_since = -math.inf

    def _expire(self, now: float) -> None:
        entries, eras = self._entries, self._eras
        while entries and entries[0].at + self.window <= now:
            entry = entries.popleft()
            for era in eras:
                if era.first > entry.number:
                    break
                era.total -= entry.amount
        if not entries:
            for era in eras:
                era.total = 0.0  # removes rounding errors
        begun = entries[0].number if entries else self._number
        while len(eras) > 1 and eras[1].first <= begun:
            del eras[0]

    def _fits(self, era: _Era, held: float, amount: float) -> bool:
        """Whether a window that holds `held` has room for `amount`."""
        return held + min(amount, era.most) <= era.most * (1 + _ROUNDING)

    def _room_at(self, era: _Era, now: float, amount: float) -> float:
        """Return the time at which the window will have room for `amount`."""
        held = era.total + self._pending
        for entry in self._entries:
            if entry.number >= era.first:
                held -= entry.amount
                if self._fits(era, held, amount):
                    return entry.at + self.window
        # Only admitted starts that have not begun are in the way, which may change at any moment.
        return now + min(self.window, max(amount * self._interval, _CATCH_UP))
