"""The outputs of node copies: what their exec returned, kept in memory up to a number of bytes.

The output of an instance is that of the last node copy whose output is not None. When the outputs of
a run exceed the budget, those of the other node copies and of earlier attempts are dropped first,
then those of the instances, in each case the oldest first. An `OutputLostError` takes the place of a
dropped output, so that it cannot be mistaken for data.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any

from ..errors import OutputLostError
from ..text.user_objects import get, or_none

KEEP_BYTES = 1_000_000_000
"""The default budget: 500,000 answers of 1,000 characters, or 25,000 embeddings of 1,000 floats."""

_SPARE = (
    0.9  # of the budget remains in use once outputs are dropped, so that this is not done often
)
_LARGE = 65_536  # bytes; larger objects are counted once, however many instances return them
_SAMPLE = 20  # items of a container that are measured; the others are taken to be like them
_MOST_MEASURED = 200  # objects within one output
_PAIR = 2  # an offset and an output

RESTORED_OFFSET = -1
"""The offset of an output whose node copy is not known, since its row was restored from a journal."""

AttemptKey = tuple[int, int]
"""An earlier attempt of a row: the index of the row, and how many attempts came before."""

_Kept = tuple[Any, ...]
"""Outputs: their size in bytes without large objects, then an offset and an output in turn."""


class OutputStore:
    """The outputs of the ended instances of one run.

    Args:
        budget: how many bytes the outputs may take; a Python object counts as `size_of` says.
        spares_latest: whether to keep those of the instance that has ended last, whatever their
            size, until another one ends: a journal has to write them.
    """

    def __init__(self, budget: int = KEEP_BYTES, *, spares_latest: bool = False) -> None:
        self.budget = budget
        self._spares_latest = spares_latest
        self.size = 0
        """The size of the outputs that are held, in bytes."""
        self.dropped = 0
        """How many outputs have been dropped because of the budget."""
        self._lost = OutputLostError(
            "This output is no longer in memory: the outputs of the run exceed "
            f"keep_bytes={budget:,}. Raise keep_bytes, or write a journal."
        )
        self._kept: dict[int | AttemptKey, _Kept] = {}
        """By instance, or earlier attempt, in the order they ended."""
        self._gone: dict[int | AttemptKey, _Kept] = {}
        """The same of which all outputs were dropped: apart, since dropping looks through the others."""
        self._large: dict[int, tuple[int, int]] = {}
        """How often each large object is held, and its size, by its id."""

    def put(self, key: int | AttemptKey, outputs: Sequence[Any]) -> None:
        """Keep the outputs of an instance that has ended.

        Args:
            outputs: offset and output in turn, at least one of them.
        """
        if self._spares_latest and self.size > self.budget:
            self._shrink()
        self._kept[key] = (self._count(outputs), *outputs)
        if self.size > self.budget and not self._spares_latest:
            self._shrink()

    def own(self, index: int) -> Any:
        """Return the output of an instance that has ended; None if it has none."""
        kept = self._kept.get(index) or self._gone.get(index)
        return None if kept is None else kept[-1]

    def of(self, key: int | AttemptKey) -> dict[int, Any]:
        """Return the outputs of an ended instance, or of an earlier attempt, by offset."""
        return by_offset((self._kept.get(key) or self._gone.get(key, ()))[1:])

    def large_size(self, output: Any) -> int:
        """Return the size in bytes of an output that is kept, if it is large; otherwise 0."""
        return self._large.get(id(output), (0, 0))[1]

    def retire(self, index: int, number: int) -> None:
        """Make the outputs of an instance those of an earlier attempt."""
        self._move(index, (index, number))

    def reinstate(self, index: int, number: int) -> None:
        """Make the outputs of an earlier attempt those of the instance again."""
        self._move((index, number), index)

    def _move(self, key: int | AttemptKey, to: int | AttemptKey) -> None:
        for outputs in (self._kept, self._gone):
            if key in outputs:
                outputs[to] = outputs.pop(key)

    def forget(self, key: int | AttemptKey) -> None:
        """Drop everything that is kept of an instance, or of an earlier attempt."""
        self._gone.pop(key, None)
        self._release(self._kept.pop(key, ()))

    def _count(self, outputs: Sequence[Any]) -> int:
        """Add the size of outputs to that of all, and return it without large objects."""
        size = 0
        for output in outputs[1::2]:
            # Most nodes return text, and a call more is 1 % of an instance (benchmarks overhead).
            one = output.__sizeof__() if type(output) is str else size_of(output)
            if one < _LARGE:
                size += one
                continue
            holders, one = self._large.get(id(output), (0, one))
            self._large[id(output)] = holders + 1, one
            self.size += 0 if holders else one
        self.size += size
        return size

    def _release(self, kept: _Kept) -> None:
        """Stop counting outputs that `put` has counted."""
        if not kept:
            return
        self.size -= kept[0]
        for output in kept[2::2]:
            holders, size = self._large.pop(id(output), (0, 0))
            if holders > 1:
                self._large[id(output)] = holders - 1, size
            else:
                self.size -= size

    def _shrink(self) -> None:
        """Drop the oldest outputs, more than have to be, so that this is not done often."""
        for own_too in (False, True):
            if self.size <= self.budget:
                return
            gone = []
            for key, kept in self._kept.items():
                if self.size <= self.budget * _SPARE:
                    break
                end = len(kept) if own_too or not isinstance(key, int) else len(kept) - _PAIR
                if end > 1 and kept[end - 1] is not self._lost:
                    self._drop(key, kept, end)
                if end == len(kept):
                    gone.append(key)
            for key in gone:
                self._gone[key] = self._kept.pop(key)

    def _drop(self, key: int | AttemptKey, kept: _Kept, end: int) -> None:
        """Drop the outputs before the index `end`."""
        self._release(kept)
        self.dropped += sum(output is not self._lost for output in kept[2:end:2])
        lost = (part for at in kept[1:end:2] for part in (at, self._lost))
        self._kept[key] = (self._count(kept[end:]), *lost, *kept[end:])


def by_offset(outputs: Sequence[Any]) -> dict[int, Any]:
    """Return outputs by offset, from a sequence that has offset and output in turn."""
    return dict(zip(outputs[::2], outputs[1::2], strict=True))


def size_of(value: Any) -> int:
    """Estimate how many bytes a value takes in memory, with what it refers to.

    Of a large container a sample is measured, and no more than 200 objects in all.
    """
    size = 0.0
    # Each with how many objects it stands for.
    waiting: list[tuple[Any, float]] = [(value, 1.0)]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_MEASURED:
        each, times = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        own, parts, share = or_none(_measured, each) or (0, (), 1.0)
        size += own * times
        waiting += [(part, times * share) for part in parts]
    return round(size)


def _measured(value: Any) -> tuple[int, Any, float]:
    """Return an object's own size, a sample of what it refers to, and how much each stands for."""
    kind = type(value)
    own = sys.getsizeof(value)
    if isinstance(value, dict):
        sample = list(islice(value.items(), _SAMPLE))
        parts = [*(key for key, _ in sample), *(part for _, part in sample)]
        return own, parts, len(value) / len(sample) if sample else 1.0
    if isinstance(value, (list, tuple)):
        step = len(value) // _SAMPLE + 1
        parts = list(value[::step])
        return own, parts, len(value) / len(parts) if parts else 1.0
    if isinstance(value, (set, frozenset)):
        parts = list(islice(value, _SAMPLE))
        return own, parts, len(value) / len(parts) if parts else 1.0
    if isinstance(nbytes := get(value, "nbytes"), int):  # arrays, series, tensors
        return max(own, nbytes), (), 1.0
    if kind.__module__.startswith("PIL."):
        width, height = value.size
        return own + width * height * max(1, len(value.getbands())), (), 1.0
    attributes = get(value, "__dict__")
    return own, (attributes,) if isinstance(attributes, dict) else (), 1.0
