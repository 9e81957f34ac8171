"""The header of a panel: what it shows besides the rows, and what of that is news to the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...limits.calls import CallLimit
from ...limits.calls.named import named_limits
from ...limits.limits import Limits
from ...limits.pace import WINDOW
from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from ...run.status import RunStatus
from ...text.formatting import error_text, truncate
from ..shell import name_of
from ..summary.notices import crossing_notice, engine_notice
from ..summary.summary import journal_text, secrets_of_run
from .protocol import Header, LimitState

MOST_LIMITS = 20
"""Of the named limits, how many are shown: the oldest."""

LIMITS_EVERY = 0.2
"""Seconds between two messages that tell how far the named limits are used, at least."""

MOST_LIMIT_CHANGES = 200
"""Of the changes of the run's limits, how many are told: the start and the latest."""

_NAME = 80  # characters of a limit's name
_NOTICE = 500
_SAME = 0.25  # seconds by which two readings of one and the same end may differ


def header_of(
    run: BatchRun | None,
    records: RecordStore,
    *,
    flow: str,
    limits: Limits,
    notice: str,
    heard: Mapping[str, int],
    findings: Sequence[str] = (),
) -> Header:
    """Return the header as it is at this moment.

    Args:
        run: None before the first one.
        records: of the run, or of the batch that waits for one.
        flow: what to call the flow.
        limits: in force, or those that the next run begins with.
        notice: a line to the user; if it is empty, what broke the run has its place.
        heard: per page, the number of the last command that arrived.
        findings: what is likely to go wrong, before there is a run.
    """
    live = run is not None and not run.ended
    aimd = None if run is None else run.adaptive
    if not notice and run is not None and run.error is not None:
        notice = error_text(run.error, secrets_of_run(run), width=_NOTICE)
    if not notice and run is not None and run.journal is not None:
        notice = truncate(journal_text(run.journal), _NOTICE)
    if not notice and run is not None and run.holds:
        notice = truncate(run.holds[0].text(name_of), _NOTICE)
    if not notice and run is not None:
        notice = truncate(crossing_notice(run), _NOTICE)
    if not notice and run is not None:
        notice = truncate(engine_notice(run.options.engine), _NOTICE)
    return {
        "flow": flow,
        "status": "idle" if run is None else str(run.status),
        "counts": list(records.status_counts),
        "restored": len(records.restored),
        "total": records.total,
        "limit": limits.concurrency,
        "per_minute": limits.per_minute,
        "limit_history": _limit_history(run),
        "adaptive": None if aimd is None else [aimd.adaptive.minimum, aimd.adaptive.maximum],
        "refused": 0 if aimd is None else aimd.rate_limits,
        "cooling": round(run.cooling, 2) if run is not None and live else 0.0,
        "elapsed": 0.0 if run is None else run.elapsed,
        "ticking": live,
        "nodes": [truncate(name, 60) for name in records.node_names],
        "can": _possible(run),
        "notice": notice,
        "reason": "" if run is None else truncate(run.reason, _NOTICE),
        "findings": list(findings) if run is None else [],
        "dropped": records.dropped,
        "limits": [_state(name, limit) for name, limit in shown_limits().items()],
        "limits_left": max(0, len(named_limits()) - MOST_LIMITS),
        "heard": dict(heard),
    }


def _limit_history(run: BatchRun | None) -> list[list[float]]:
    if run is None:
        return []
    kept = run.limit_history
    if len(kept) > MOST_LIMIT_CHANGES:
        kept[1 : 1 - MOST_LIMIT_CHANGES] = []
    return [[round(each.seconds, 3), each.limit, int(each.by == "user")] for each in kept]


def _possible(run: BatchRun | None) -> list[str]:
    failed = run is not None and run.counts.failed > 0
    if run is None or run.ended:
        return ["run", "retry"] if failed else ["run"]
    if run.status == RunStatus.STOPPING:
        return ["cancel"]
    hold = "resume" if run.status == RunStatus.PAUSED else "pause"
    return [hold, "stop", "cancel", "retry"] if failed else [hold, "stop", "cancel"]


def shown_limits() -> dict[str, CallLimit]:
    """Return the named limits that a panel shows, by what it calls them."""
    limits = list(named_limits().items())[:MOST_LIMITS]
    return {truncate(name, _NAME): limit for name, limit in limits}


def _state(name: str, limit: CallLimit) -> LimitState:
    adaptive, window = limit.adaptive, limit.window
    by_the_minute = window == WINDOW
    calls: int | None = limit.in_last_minute
    if not by_the_minute:
        calls = None if limit.per_minute is None else limit.in_window
    return {
        "name": name,
        "concurrency": limit.concurrency,
        "adaptive": None if adaptive is None else [adaptive.minimum, adaptive.maximum],
        "per_minute": limit.per_minute,
        "tokens_per_minute": limit.tokens_per_minute,
        "window": window,
        "running": limit.running,
        "waiting": limit.waiting,
        "calls": calls,
        "tokens": round(limit.tokens_in_last_minute) if by_the_minute else None,
        "cooling": round(limit.cooling, 2),
    }


class News:
    """Knows what of a header the page has been sent, and so what is news to it.

    Seconds that the page counts by itself are none: of a cool-down only its end is.
    """

    def __init__(self) -> None:
        self._sent: dict[str, Any] = {}
        self._ends: dict[str, float] = {}
        self._limits_at = -math.inf

    def all_sent(self, header: Header, now: float) -> None:
        """Note that a whole header goes out."""
        self._note({**header}, now)

    def take(self, header: Header, now: float, *, soon: bool) -> dict[str, object]:
        """Return the entries to send, and note that they go out.

        Args:
            now: seconds, of the clock that cool-downs go by.
            soon: whether how far the named limits are used may wait for a moment.
        """
        news = {key: value for key, value in header.items() if self._is_news(key, value, now)}
        if soon and now < self._limits_at + LIMITS_EVERY:
            news.pop("limits", None)
        self._note(news, now)
        return news

    def _note(self, entries: dict[str, Any], now: float) -> None:
        self._sent.update(entries)
        if "cooling" in entries:
            self._ends[""] = now + entries["cooling"]
        if "limits" in entries:
            self._limits_at = now
            self._ends.update(
                {each["name"]: now + each["cooling"] for each in entries["limits"] if each["name"]}
            )

    def _is_news(self, key: str, value: Any, now: float) -> bool:
        if key == "elapsed":
            return False
        if key == "cooling":
            return self._ends_otherwise("", value, now)
        if key == "limits":
            return _steady(value) != _steady(self._sent.get(key, [])) or any(
                self._ends_otherwise(each["name"], each["cooling"], now) for each in value
            )
        return bool(self._sent.get(key) != value)

    def _ends_otherwise(self, whose: str, cooling: float, now: float) -> bool:
        known = max(now, self._ends.get(whose, now))
        return abs(now + cooling - known) > _SAME


def _steady(states: list[LimitState]) -> list[dict[str, object]]:
    """Return the states of limits without what the page counts by itself."""
    return [{**each, "cooling": 0} for each in states]
