"""Where each param that a node copy received came from: the flow, the batch, or a node on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..instances import NodeCopy
from .columns import equal


class Provenance:
    """Knows where the params of one attempt's node copies came from.

    Args:
        copies: in the order they began.
        row: the instance's own params.
        base: the flow's.
    """

    def __init__(
        self, copies: Sequence[NodeCopy], row: Mapping[Any, Any], base: Mapping[Any, Any]
    ) -> None:
        self._copies = copies
        self._row = row
        self._base = base
        self._known: dict[tuple[int, Any], str] = {}

    def before(self, position: int) -> int | None:
        """Return which copy handed its params on to this one; None: it got the instance's own.

        The one before it in its walk, or the nested flow whose walk it begins.
        """
        copy = self._copies[position]
        return copy.parent if copy.after is None else copy.after

    def received(self, position: int) -> Mapping[Any, Any]:
        """Return what a copy received."""
        return self._copies[position].params

    def source(self, position: int, key: Any) -> str:
        """Return "flow", "batch", "batch over flow", or "node X": the last that can have set it."""
        known = self._known.get((position, key))
        if known is None:
            known = self._known[position, key] = self._find(position, key)
        return known

    def _find(self, position: int, key: Any) -> str:
        before = self.before(position)
        if before is None:
            places = ("batch", key in self._row), ("flow", key in self._base)
            return " over ".join(name for name, here in places if here)
        mine, theirs = self._copies[position].params, self._copies[before].params
        if mine is theirs or (key in theirs and equal(theirs[key], mine[key])):
            return self.source(before, key)
        return self.changer(position)

    def changer(self, position: int) -> str:
        """Return "node X", for the copy that is the last to have changed this one's params."""
        before = self.before(position)
        return "" if before is None else f"node {self._copies[before].node}"
