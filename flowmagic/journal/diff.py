"""What changed between two runs of journals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..errors import JournalError
from ..text.formatting import short_repr
from .codec import as_sorted_json, plain_of
from .fingerprint import ordered
from .instance import JournalInstance

_SHOWN = 50


class Change(NamedTuple):
    """What differs for one params dict between two runs; an index is None where it was not run."""

    params: Any
    before: int | None
    after: int | None
    what: str


class Comparison(list[Change]):
    """What changed from one run to another: of params, outcomes and durations.

    Attributes:
        alike: how many rows came out the same.
        faster: how many times shorter the rows that both ran took, by their medians; None: unknown.
    """

    alike: int = 0
    faster: float | None = None

    def __str__(self) -> str:
        lines = [f"{len(self)} rows differ, {self.alike} came out the same."]
        if self.faster is not None:
            lines.append(f"The median instance took {1 / self.faster:.2f} times as long.")
        lines += [f"  {short_repr(each.params, 100)}: {each.what}" for each in self[:_SHOWN]]
        if len(self) > _SHOWN:
            lines.append(f"  … and {len(self) - _SHOWN} more")
        return "\n".join(lines)


def compare(before: Iterable[JournalInstance], after: Iterable[JournalInstance]) -> Comparison:
    """Return what changed between two runs, also of two journals; rows are matched by their params."""
    changes = Comparison()
    left: dict[str, list[JournalInstance]] = {}
    for each in before:
        left.setdefault(_same(each.params), []).append(each)
    ratios: list[tuple[float, float]] = []
    for each in after:
        waiting = left.get(_same(each.params))
        if not waiting:
            changes.append(Change(each.params, None, each.index, f"new: {_outcome(each)}"))
            continue
        old = waiting.pop(0)
        if old.seconds and each.seconds:
            ratios.append((old.seconds, each.seconds))
        if _whole(old) == _whole(each):
            changes.alike += 1
        else:
            was, now = _outcome(old), _outcome(each)
            # Of two long ones, what differs may stand where they are cut.
            what = f"{was}, now {now}" if was != now else f"{now}, which goes on otherwise"
            changes.append(Change(each.params, old.index, each.index, what))
    changes += [
        Change(each.params, each.index, None, f"no longer run; it was {_outcome(each)}")
        for waiting in left.values()
        for each in waiting
    ]
    if ratios:
        middle = len(ratios) // 2
        old_times, new_times = (sorted(times)[middle] for times in zip(*ratios, strict=True))
        changes.faster = old_times / new_times
    return changes


def _same(value: Any) -> str:
    """Return what is equal for values that are: of the same types, whatever the order of a dict."""
    try:
        return as_sorted_json(ordered(plain_of(value)))
    except JournalError:  # nested deeper, or of a class that was registered otherwise
        return repr(value)


def _whole(each: JournalInstance) -> tuple[object, ...]:
    error = None if each.error is None else (each.error["type"], each.error["text"])
    return each.status, error, _same(each.result), each.unwritten


def _outcome(each: JournalInstance) -> str:
    if each.error is not None:
        return f"{each.status}: {each.error['type']}: {each.error['text']:.80}"
    return each.status if each.result is None else f"{each.status}: {short_repr(each.result, 80)}"
