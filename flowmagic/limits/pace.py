"""How much may start within a window of time, and how it is spread.

The pace is a schedule of next starts, not a bucket: a bucket of capacity N lets up to 2 N starts fall
into one window. Here starts are spread evenly, and those of the last window are kept, so that no
window of 60 seconds ever holds more than N. A window in which the pace was changed holds no more than
the larger of the two: the new pace is taken up at once, and not after a minute of silence.

A start may count for more than one: for the tokens it is going to use, say. That is an estimate, and
is corrected once the true amount is known.
"""

from __future__ import annotations

import math
from collections import deque

WINDOW = 60.0
"""Length, in seconds, of the sliding window that `per_minute` speaks of."""

_CATCH_UP = 0.02
"""How far, in seconds, starts may lag behind the schedule and still catch up.

Timers wake late by about a millisecond; without catching up, that lag adds up to a missed target.
With more than this, a burst after a pause would exceed the fair share noticeably.
"""

_HAIR = 1e-6
"""Seconds that the schedule does not split: the times it is added up from are rounded."""

_LATEST = 1.0
"""How many seconds after the time one was told one may come back, and count as having waited."""

_RECENT = 20
"""Of how many starts, about, the usual amount is the average."""

_ROUNDING = 1e-9
"""What sums of fractional amounts may be off by, relative to the most that a window holds."""


class Entry:
    """One start: when it began, and how much it counts for."""

    __slots__ = ("amount", "at", "number")

    def __init__(self, at: float, amount: float, number: int) -> None:
        self.at = at
        self.amount = amount
        self.number = number


class _Era:
    """The time since a pace was set: the most it allows, and what began since and is in the window."""

    __slots__ = ("first", "most", "total")

    def __init__(self, most: float, first: int, total: float) -> None:
        self.most = most
        self.first = first
        self.total = total


class Pace:
    """Keeps starts to `most` within any `window` seconds, evenly spread.

    Not a lock: the one that starts things asks `admit`, and is told how long to wait. What was
    admitted either begins (`begin`) or does not (`forgo`). All times are seconds of one clock.

    Args:
        most: how much may start within the window.
        window: its length in seconds.
        burst: how many starts may follow at once after idleness, before they are spread. If that
            many fill the window, only the window counts.
        last: when something last started before there was this pace; that one counts.
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
        self._told = -math.inf
        """The time that somebody was told to come back at: a lag after it is lateness, no idleness."""
        self._usual = 0.0
        """The amount of late, on average."""
        self._taken = 0
        self._entries: deque[Entry] = deque()
        self._number = 0
        """Of the next entry."""
        self._eras = [_Era(most, 0, 0.0)]
        """Oldest first, each with a lower `most` than the one before; `total` is from it to now.

        An era that allows no more than a later one is no constraint of its own: any window that
        reaches into it may hold what the later one allows.
        """
        self._pending = 0.0
        """What was admitted and has not begun yet: each begins a little later."""
        if last > -math.inf:
            self.begin(last)

    @property
    def most(self) -> float:
        """How much may start within the window."""
        return self._eras[-1].most

    def change(self, most: float, *, window: float | None = None, burst: int | None = None) -> None:
        """Change what is allowed; it counts from the last start, and at once.

        So there is neither a wait left over from a slower pace nor a burst after a faster one.
        """
        if window is not None:
            self.window = window
        if burst is not None:
            self.burst = burst
        owed = max(0.0, (self._next - self._last) / self._interval) if self._last > -math.inf else 1
        self._interval = self.window / most
        self._next = self._last + owed * self._interval
        first, total = self._number, 0.0
        while self._eras and (self._eras[-1].most <= most or self._eras[-1].first == self._number):
            era = self._eras.pop()
            first, total = era.first, era.total
        self._eras.append(_Era(most, first, total))

    def admit(self, now: float, amount: float = 1.0) -> float:
        """Let `amount` in and return 0.0; or return the seconds until asking again is worth it."""
        wait = self.wait(now, amount)
        if wait == 0:
            self.take(now, amount)
        return wait

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return for how many seconds `amount` has to wait; 0.0 if it may be let in now.

        An amount larger than the window allows is let in alone, when the window is empty.
        """
        self._expire(now)
        # A burst is of so many like this one, or like the usual one: some cost little, or nothing.
        like = max(amount, self._usual) if self.burst > 1 else amount
        due = self._next - (self.burst - 1) * like * self._interval
        if due - now < _HAIR or self.burst * like >= self.most >= amount:
            due = now
        for era in self._eras:
            if not self._fits(era, era.total + self._pending, amount):
                due = max(due, self._room_at(era, now, amount))
        # What is let in while a loop is busy begins together, when it turns: a burst at the most.
        together = max(_CATCH_UP / self._interval, self.burst * like)
        if self._pending >= together:
            due = max(due, now + amount * self._interval)
        if due > now:
            self._told = due
            return due - now
        return 0.0

    def take(self, now: float, amount: float = 1.0) -> None:
        """Let `amount` in: `wait` has just said that it may."""
        if now - self._next > _CATCH_UP:
            self._next = now - _CATCH_UP if now - self._told <= _LATEST else now
            self._busy_since = now
        self._next += amount * self._interval
        self._last = now
        self._pending += amount
        self._taken = min(self._taken + 1, _RECENT)
        self._usual += (amount - self._usual) / self._taken

    def begin(self, now: float, amount: float = 1.0) -> Entry:
        """Note that what was admitted begins now: a busy loop may have kept it waiting."""
        entry = Entry(now, amount, self._number)
        self._number += 1
        self._entries.append(entry)
        for era in self._eras:
            era.total += amount
        self.forgo(amount)
        return entry

    def forgo(self, amount: float = 1.0) -> None:
        """Note that what was admitted will not begin after all."""
        self._pending = max(0.0, self._pending - amount)

    def correct(self, entry: Entry, amount: float, now: float) -> None:
        """Set what a start really counted for: window and schedule follow, up and down."""
        self._expire(now)
        more = amount - entry.amount
        entry.amount = amount
        if not self._entries or entry.number < self._entries[0].number:
            return  # of no window any more
        for era in self._eras:
            if entry.number >= era.first:
                era.total += more
        # What had been served before the schedule last fell idle owes it nothing, and gets nothing.
        if entry.at >= self._busy_since:
            self._next += more * self._interval

    def in_window(self, now: float) -> float:
        """Return how much has begun within the window that ends now."""
        self._expire(now)
        return self._eras[0].total

    def reset(self) -> None:
        """Forget everything that began."""
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
                era.total = 0.0  # what rounding may have left
        begun = entries[0].number if entries else self._number
        while len(eras) > 1 and eras[1].first <= begun:
            del eras[0]

    def _fits(self, era: _Era, held: float, amount: float) -> bool:
        """Return whether `amount` may start where a window already holds `held`."""
        return held + min(amount, era.most) <= era.most * (1 + _ROUNDING)

    def _room_at(self, era: _Era, now: float, amount: float) -> float:
        """Return when enough of what began in an era, and since, will have left the window."""
        held = era.total + self._pending
        for entry in self._entries:
            if entry.number >= era.first:
                held -= entry.amount
                if self._fits(era, held, amount):
                    return entry.at + self.window
        # Only what was admitted and has not begun is in the way: that may be over any moment.
        return now + min(self.window, max(amount * self._interval, _CATCH_UP))
