"""Who held the event loop of a run: which node of which instance, for how long, at which line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from .finding import Place
from .loopwatch import Sighting, unwatch, watch
from .trace import Board

LATE = 0.1
"""Seconds by which the loop must be late to count as held."""

MOST_HOLDS = 20
"""Of the holds of a run, how many are kept: the longest."""


@dataclass(frozen=True, repr=False)
class Hold:
    """A time during which a node held the event loop.

    Attributes:
        index: of the instance; None if it was no run's (a cell, perhaps).
        node: class name of the node.
        seconds: by how much the loop was late; the hold was up to 0.05 s longer.
        place: the line of the user's code that it was in when it was looked at.
        others: how many other instances held it at this node in the same go.
    """

    index: int | None
    node: str
    seconds: float
    place: Place | None
    others: int = 0

    def text(self, name_of: Callable[[str], str] | None = None) -> str:
        """Return it as a sentence; `name_of` gives what to call a file."""
        who = "Something" if self.index is None else f"Instance {self.index}"
        if self.others:
            who += f" and {self.others} more"
        if self.node:
            who += f", node {self.node},"
        place = self.place
        where = "" if place is None else f" ({place.text(name_of) if name_of else place})"
        return f"{who} held the event loop for {1_000 * self.seconds:.0f} ms{where}."

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Hold: {self}>"  # a list of them is what a cell shows


class LagWatch:
    """Keeps what held the loop of one run.

    Args:
        loop: the run's, which runs in this thread.
        board: what its instances write to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, board: Board) -> None:
        self.count = 0
        """How often the loop was held."""
        self._loop = loop
        self._board = board
        self._holds: list[Hold] = []

    @property
    def holds(self) -> list[Hold]:
        """The longest holds, the longest first."""
        return sorted(self._holds, key=lambda hold: -hold.seconds)

    def start(self) -> None:
        """Begin to watch."""
        watch(self._loop, self._note)

    def stop(self) -> None:
        """Watch no more."""
        unwatch(self._loop, self._note)

    def _note(self, late: float, seen: list[Sighting]) -> None:
        """Note who held the loop, each with its share of the time."""
        alike: dict[tuple[int, str], list[Sighting]] = {}
        for each in seen:
            alike.setdefault((id(each.board), each.node), []).append(each)
        for sightings in alike.values():
            first = sightings[0]
            share = late * len(sightings) / len(seen)
            # What another run did is told there; what is no run's, to all that stood still.
            if share > LATE and (first.board is self._board or self._is_nobodys(first)):
                self._add(_hold(sightings, share))

    @staticmethod
    def _is_nobodys(sighting: Sighting) -> bool:
        return sighting.board is None and sighting.place is not None

    def _add(self, hold: Hold) -> None:
        self.count += 1
        self._holds.append(hold)
        if len(self._holds) > MOST_HOLDS:
            self._holds.remove(min(self._holds, key=lambda each: each.seconds))


def _hold(sightings: list[Sighting], seconds: float) -> Hold:
    first = sightings[0]
    rows = {each.row for each in sightings}
    index = None if first.board is None else first.row
    return Hold(index, first.node, seconds, first.place, len(rows) - 1)
