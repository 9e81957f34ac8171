"""The header of a panel: everything that it shows besides the rows, and what of it has changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...limits.calls import CallLimit
from ...limits.calls.named import named_limits
from ...limits.limits import Limits
from ...limits.pace import WINDOW
from ...records.row_secrets import secrets_of_run
from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from ...run.status import RunStatus
from ...text.formatting import error_text, truncate
from ...text.redact import masked
from ..shell import name_of
from ..summary.notices import crossing_notice, engine_notice, isolation_notice, reuse_line
from ..summary.summary import journal_text
from .protocol import FailureGroup, Header, HeldBack, LimitState, WaitingRows

MAX_LIMITS = 20
"""How many named limits are shown: the oldest ones."""

LIMITS_INTERVAL = 0.2
"""Minimum number of seconds between two messages with the usage of the named limits."""

MAX_LIMIT_CHANGES = 200
"""How many entries of the run's limit history are sent: the first one and the latest."""

_MAX_NAME = 80  # characters of a limit's name
_MAX_NODE = 60  # characters of a node's name
_MAX_NOTICE = 500
_TOLERANCE = 0.25  # seconds by which two readings of the same end of a cool-down may differ


def header_of(
    run: BatchRun | None,
    records: RecordStore,
    *,
    flow: str,
    limits: Limits,
    notice: str,
    acknowledged: Mapping[str, int],
    findings: Sequence[str] = (),
    failures: Sequence[FailureGroup] = (),
    held_back: HeldBack | None = None,
    waits: Sequence[WaitingRows] = (),
    compact: bool = False,
    earlier: str = "",
) -> Header:
    """Return the current header.

    Args:
        run: the run that is shown; None before the first one.
        records: the records of the run, or of the batch before there is a run.
        flow: the name of the flow.
        limits: the limits in force, or those of the next run.
        notice: a line to the user; if it is empty, the most important problem of the run.
        acknowledged: for each page, the number of its last command that has arrived.
        findings: what is likely to go wrong, before there is a run.
        failures: the largest groups of failed rows.
        held_back: what keeps the run from being faster.
        waits: the rows that wait at a named limit.
        compact: whether pages fold the panel at first.
        earlier: a line about an earlier run of the same cell that is in progress.
    """
    live = run is not None and not run.ended
    left = 0 if run is None else run.left
    aimd = None if run is None else run.adaptive
    if not notice and run is not None:
        notice = _notice(run, records)
    return {
        "flow": flow,
        "status": "idle" if run is None else str(run.status),
        "counts": list(records.status_counts),
        "restored": len(records.restored),
        "left": left,
        "total": None if records.cut_off else records.total,
        "limit": limits.concurrency,
        "per_minute": limits.per_minute,
        "limit_history": _limit_history(run),
        "adaptive": None if aimd is None else [aimd.adaptive.minimum, aimd.adaptive.maximum],
        "refused": 0 if aimd is None else aimd.rate_limits,
        "cooling": round(run.cooling, 2) if run is not None and live else 0.0,
        "elapsed": 0.0 if run is None else run.elapsed + run.idle,
        "idle": 0.0 if run is None else run.idle,
        "ticking": live,
        "nodes": [truncate(name, _MAX_NODE) for name in records.node_names],
        "can": _possible_commands(run, left) + ["cancel_earlier"] * bool(earlier),
        "compact": compact,
        "earlier": earlier,
        "notice": notice,
        "reason": "" if run is None else truncate(run.reason, _MAX_NOTICE),
        "failures": list(failures),
        "held_back": held_back or {"text": "", "limit": ""},
        "waits": list(waits),
        "findings": list(findings) if run is None else [],
        "dropped": records.dropped,
        "limits": [_state(name, limit) for name, limit in shown_limits().items()],
        "limits_omitted": max(0, len(named_limits()) - MAX_LIMITS),
        "acknowledged": dict(acknowledged),
    }


def _notice(run: BatchRun, records: RecordStore) -> str:
    """Return the most important problem of a run as text, or what it reused; or ""."""
    if run.error is not None:
        return error_text(run.error, secrets_of_run(records), width=_MAX_NOTICE)
    text = "" if run.journal is None else journal_text(run.journal)
    if not text and run.holds:
        text = run.holds[0].text(name_of)
    text = text or crossing_notice(run) or engine_notice(run.options.engine)
    text = text or isolation_notice(run)
    if not text and (text := reuse_line(run)):
        text = masked(text, secrets_of_run(records))  # which looks through many rows
    return truncate(text, _MAX_NOTICE)


def _limit_history(run: BatchRun | None) -> list[list[float]]:
    if run is None:
        return []
    changes = run.limit_history
    if len(changes) > MAX_LIMIT_CHANGES:
        changes[1 : 1 - MAX_LIMIT_CHANGES] = []
    return [[round(each.seconds, 3), each.limit, int(each.by == "user")] for each in changes]


def earlier_text(number: int, run: BatchRun) -> str:
    """Return a line about an earlier run of a cell that was executed again.

    The cell's new panel and its new run have taken the place of those of the earlier run.
    """
    done, total = run.counts.ended, "" if run.total is None else f" of {run.total:,}"
    return (
        f"An earlier run of this cell is still in progress: {done:,}{total} done. "
        f"To open its panel: %batchflow {number}"
    )


def _possible_commands(run: BatchRun | None, left: int) -> list[str]:
    if run is None:
        return ["run"]
    if run.status == RunStatus.STOPPING:
        return ["cancel"]
    toggle = "resume" if run.status == RunStatus.PAUSED else "pause"
    commands = ["run"] if run.ended else [toggle, "stop", "cancel"]
    return commands + ["rest"] * (left > 0) + ["retry"] * (run.counts.failed > 0)


def shown_limits() -> dict[str, CallLimit]:
    """Return the named limits that a panel shows, by their displayed names."""
    limits = list(named_limits().items())[:MAX_LIMITS]
    return {truncate(name, _MAX_NAME): limit for name, limit in limits}


def _state(name: str, limit: CallLimit) -> LimitState:
    adaptive, window = limit.adaptive, limit.window
    per_minute = window == WINDOW
    calls: int | None = limit.in_last_minute
    if not per_minute:
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
        "tokens": round(limit.tokens_in_last_minute) if per_minute else None,
        "cooling": round(limit.cooling, 2),
    }


class SentHeader:
    """Has the header entries that were sent last, and finds those that have changed since.

    Seconds that the page counts by itself are no change; another end of a cool-down is one.
    """

    def __init__(self) -> None:
        self._sent: dict[str, Any] = {}
        self._cool_down_ends: dict[str, float] = {}
        """By name of the limit; the run's own is ""."""
        self._limits_sent_at = -math.inf

    def mark_sent(self, entries: Mapping[str, Any], now: float) -> None:
        """Note that some entries, or a whole header, are being sent."""
        self._sent.update(entries)
        if "cooling" in entries:
            self._cool_down_ends[""] = now + entries["cooling"]
        if "limits" in entries:
            self._limits_sent_at = now
            self._cool_down_ends.update(
                {each["name"]: now + each["cooling"] for each in entries["limits"] if each["name"]}
            )

    def take_changes(self, header: Header, now: float, *, limits_due: bool) -> dict[str, object]:
        """Return the entries to send, and note that they are being sent.

        Args:
            header: the current header.
            now: the time in seconds, of the clock that cool-downs go by.
            limits_due: whether changes of the named limits must be sent even if their last message
                is recent.
        """
        changes = {key: value for key, value in header.items() if self._changed(key, value, now)}
        if not limits_due and now < self._limits_sent_at + LIMITS_INTERVAL:
            changes.pop("limits", None)
        self.mark_sent(changes, now)
        return changes

    def _changed(self, key: str, value: Any, now: float) -> bool:
        if key == "elapsed":
            return False
        if key == "cooling":
            return self._end_changed("", value, now)
        if key == "limits":
            sent = self._sent.get(key, [])
            return _without_cooling(value) != _without_cooling(sent) or any(
                self._end_changed(each["name"], each["cooling"], now) for each in value
            )
        return bool(self._sent.get(key) != value)

    def _end_changed(self, name: str, cooling: float, now: float) -> bool:
        sent = max(now, self._cool_down_ends.get(name, now))
        return abs(now + cooling - sent) > _TOLERANCE


def _without_cooling(states: list[LimitState]) -> list[dict[str, object]]:
    return [{**each, "cooling": 0} for each in states]
