"""What changed between two runs of journals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..errors import JournalError
from ..text.formatting import short_repr
from .codec import plain_of
from .instance import JournalInstance
from .row_key import canonical_text

_MOST_SHOWN = 50


class Change(NamedTuple):
    """A row that differs between two runs.

    Attributes:
        params: of the row.
        before, after: its index in each run; None where the run did not have it.
        what: the difference in words.
    """

    params: Any
    before: int | None
    after: int | None
    what: str


class Comparison(list[Change]):
    """What changed from one run to another: rows, outcomes and durations.

    Attributes:
        alike: how many rows came out the same.
        faster: the median duration before, divided by that after, of rows that both ran; None: unknown.
    """

    alike: int = 0
    faster: float | None = None

    def __str__(self) -> str:
        lines = [f"{len(self)} rows differ, {self.alike} came out the same."]
        if self.faster is not None:
            lines.append(f"The median instance took {1 / self.faster:.2f} times as long.")
        lines += [f"  {short_repr(each.params, 100)}: {each.what}" for each in self[:_MOST_SHOWN]]
        if len(self) > _MOST_SHOWN:
            lines.append(f"  … and {len(self) - _MOST_SHOWN} more")
        return "\n".join(lines)


def compare(before: Iterable[JournalInstance], after: Iterable[JournalInstance]) -> Comparison:
    """Return what changed between two runs, also of two journals; rows are matched by their params."""
    changes = Comparison()
    unmatched: dict[str, list[JournalInstance]] = {}
    for old in before:
        unmatched.setdefault(_comparable(old.params), []).append(old)
    durations: list[tuple[float, float]] = []
    for new in after:
        candidates = unmatched.get(_comparable(new.params))
        if not candidates:
            changes.append(Change(new.params, None, new.index, f"new: {_shown(new)}"))
            continue
        old = candidates.pop(0)
        if old.seconds and new.seconds:
            durations.append((old.seconds, new.seconds))
        if _outcome(old) == _outcome(new):
            changes.alike += 1
        else:
            was, now = _shown(old), _shown(new)
            # Two long results may differ after the point where they are cut.
            what = f"{was}, now {now}" if was != now else f"{now}, which differs further on"
            changes.append(Change(new.params, old.index, new.index, what))
    changes += [
        Change(old.params, old.index, None, f"no longer run; it was {_shown(old)}")
        for candidates in unmatched.values()
        for old in candidates
    ]
    if durations:
        middle = len(durations) // 2
        old_times, new_times = (sorted(times)[middle] for times in zip(*durations, strict=True))
        changes.faster = old_times / new_times
    return changes


def _comparable(value: Any) -> str:
    """Return a text that is equal for equal values of the same types, also for NaN."""
    try:
        return canonical_text(plain_of(value))
    except JournalError:  # nested too deep, or of a class that is no longer registered
        return repr(value)


def _outcome(instance: JournalInstance) -> tuple[object, ...]:
    error = instance.error
    error_text = None if error is None else (error["type"], error["text"])
    return instance.status, error_text, _comparable(instance.result), instance.unwritten


def _shown(instance: JournalInstance) -> str:
    if instance.error is not None:
        return f"{instance.status}: {instance.error['type']}: {instance.error['text']:.80}"
    if instance.result is None:
        return instance.status
    return f"{instance.status}: {short_repr(instance.result, 80)}"
