"""What keeps a run from being faster, in one sentence, and which of its rows wait at a named limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from ...limits.calls import CallLimit
from ...limits.pace import WINDOW
from ...run.batchrun import BatchRun
from ...run.status import RunStatus
from ...text.formatting import truncate
from .protocol import HeldBack, WaitingRows

_STAYS = 2.0  # seconds: calls wait now and then, and the sentence should be readable
_LOOK = 0.2  # seconds between two looks at who waits
_MOST_RANGES = 500  # of the rows that wait at one limit
_NO_USE = "A higher limit won't help."
_NOTHING: HeldBack = {"text": "", "limit": ""}


class HoldBack:
    """Has the current sentence, and keeps it for a moment after its cause.

    Args:
        now: returns the time, in seconds.
        limits: returns the named limits of the process, by the names that the panel shows.
    """

    def __init__(
        self, now: Callable[[], float], limits: Callable[[], Mapping[str, CallLimit]]
    ) -> None:
        self._now = now
        self._limits = limits
        self._last = _NOTHING
        self._until = 0.0
        self._waits: list[WaitingRows] = []
        self._looked_at = -math.inf

    def current(self, run: BatchRun | None) -> HeldBack:
        """Return the sentence, and the name of the named limit that it is about; both may be empty."""
        if run is None or run.status != RunStatus.RUNNING:
            self._last = _NOTHING
            return _NOTHING
        found = held_back(run, self._limits())
        if found["text"]:
            self._last, self._until = found, self._now() + _STAYS
        return self._last if self._now() < self._until else _NOTHING

    def rows(self, run: BatchRun | None) -> list[WaitingRows]:
        """Return the rows of a run that wait at a named limit."""
        if run is None or run.ended:
            return []
        if self._now() >= self._looked_at + _LOOK:
            self._looked_at = self._now()
            self._waits = waiting_rows(run, self._limits())
        return self._waits


def held_back(run: BatchRun, limits: Mapping[str, CallLimit]) -> HeldBack:
    """Return what holds a run in progress back: hanging threads, named limits, refusals, its own pace."""
    if hanging := run.hanging:
        threads = "1 thread hangs" if hanging == 1 else f"{hanging:,} threads hang"
        return {"text": f"{threads}: the calls were given up and have not returned.", "limit": ""}
    waiting = {name: limit for name, limit in limits.items() if limit.waiting}
    if waiting:
        name = max(waiting, key=lambda each: waiting[each].waiting)
        limit = waiting[name]
        text = f"Paced by {truncate(name, 80)}: {_setting(limit)}. {_NO_USE}"
        return {"text": text, "limit": name}
    if (refused_at := _refused_at(run)) is not None:
        text = f"429s since limit {refused_at:,}: the provider takes no more at once."
        return {"text": text, "limit": ""}
    counts, own = run.counts, run.limits
    if own.per_minute is not None and counts.running < own.concurrency and not run.cooling:
        text = f"Paced by per_minute: {own.per_minute:,g} starts a minute. {_NO_USE}"
        return {"text": text, "limit": ""}
    return _NOTHING


def waiting_rows(run: BatchRun, limits: Mapping[str, CallLimit]) -> list[WaitingRows]:
    """Return the rows of a run that wait at a named limit; none if it does not capture what they print."""
    printed, found = run.records.printed, list[WaitingRows]()
    if printed is None:
        return found
    for name, limit in limits.items():
        contexts = limit._waiting_contexts() if limit.waiting else []
        rows = {row for context in contexts if (row := printed.row_in(context)) is not None}
        if rows:
            text = f"waits at {truncate(name, 80)}: {_setting(limit)}"
            found.append({"text": text, "ranges": _ranges(sorted(rows))})
    return found


def _ranges(rows: Iterable[int]) -> list[int]:
    """Return the first and the last row of each range, one after the other."""
    ranges: list[int] = []
    for row in rows:
        if ranges and row == ranges[-1] + 1:
            ranges[-1] = row
        else:
            ranges += (row, row)
    return ranges[: 2 * _MOST_RANGES]


def _setting(limit: CallLimit) -> str:
    """Return which setting of a limit its calls wait for."""
    if limit.cooling:
        return "the provider asked to wait"
    if limit.concurrency is not None and limit.running >= limit.concurrency:
        return (
            "1 call at once" if limit.concurrency == 1 else f"{limit.concurrency:,} calls at once"
        )
    window = "a minute" if limit.window == WINDOW else f"in {limit.window:g} s"
    calls, tokens = limit.per_minute, limit.tokens_per_minute
    # What is used up to a larger share is what calls wait for.
    used_calls = limit.in_window / calls if calls else 0.0
    if tokens and limit.tokens_in_last_minute / tokens >= used_calls:
        return f"{tokens:,g} tokens {window}"
    if calls:
        return f"{calls:,g} calls {window}"
    return f"{limit.waiting:,} waiting"


def _refused_at(run: BatchRun) -> int | None:
    """Return the limit at which a provider refused calls, if an adaptive limit is below it since."""
    if run.adaptive is None or not run.adaptive.rate_limits:
        return None
    changes = run.limit_history
    for before, change in zip(reversed(changes[:-1]), reversed(changes[1:]), strict=True):
        if change.by == "adaptive" and change.limit < before.limit:
            return before.limit if run.limits.concurrency < before.limit else None
    return None
