"""Sees what holds an event loop, while it happens.

A ticker on the loop says that it goes on. While it is late, a thread looks every now and then where
the loop's own thread is: the frame of our walk knows the instance and the node, and the frames below
it the line. Nothing is measured, or slowed down, while the loop goes on. There is one watch per loop,
whatever the number of its runs, and it ends with the last of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NamedTuple

from ..flow.finding import Place
from ..records.trace import Trace, TraceBoard

TICK = 0.05
"""Seconds between two signs of life of the loop, and between two looks while there is none."""

_SOON = 0.05  # seconds after which a look is worth it: the hold may be a long one


class Sighting(NamedTuple):
    """What the loop's thread was seen at.

    Attributes:
        board: of the run whose step it was; None: of no run's.
        row, node: index of the instance, and class name of the node; -1 and empty: of none.
        place: the line of the user's code; None if there is none.
    """

    board: TraceBoard | None
    row: int
    node: str
    place: Place | None


Told = Callable[[float, "list[Sighting]"], None]
"""Is told by how many seconds the loop was late, and what it was seen at meanwhile."""

_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, EventLoopMonitor] = (
    weakref.WeakKeyDictionary()
)


def watch(loop: asyncio.AbstractEventLoop, told: Told) -> None:
    """Tell somebody of what holds the loop that runs in this thread, from now on."""
    known = _watches.get(loop)
    if known is None:
        known = _watches[loop] = EventLoopMonitor(loop)
    known.join(told)


def unwatch(loop: asyncio.AbstractEventLoop, told: Told) -> None:
    """Tell them no more."""
    known = _watches.get(loop)
    if known is not None and known.leave(told):
        del _watches[loop]


class EventLoopMonitor:
    """The ticker on one loop, and the thread that looks when it is late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Weakly: a loop that is given up with runs on it must not live on through its own watch.
        self._loop = weakref.ref(loop)
        self._told: list[Told] = []
        self._seen: list[Sighting] = []
        self._of = threading.get_ident()
        self._alive = time.monotonic()
        self._over = threading.Event()
        self._timer = loop.call_later(TICK, self._tick)
        with contextlib.suppress(RuntimeError):  # no threads here (pyodide), or no more of them
            threading.Thread(target=self._look, name="flowmagic-lag", daemon=True).start()

    def join(self, told: Told) -> None:
        """Tell one more."""
        self._told.append(told)

    def leave(self, told: Told) -> bool:
        """Tell one less; return whether nobody is left, and the watch over."""
        if told in self._told:
            self._told.remove(told)
        if not self._told:
            self._over.set()
            self._timer.cancel()
        return not self._told

    def _tick(self) -> None:
        now = time.monotonic()
        seen, self._seen = self._seen, []
        late, self._alive = now - self._alive - TICK, now
        self._of = threading.get_ident()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        if seen:
            for told in list(self._told):
                told(late, seen)

    def _look(self) -> None:
        while not self._over.wait(TICK):
            loop = self._loop()
            if loop is None or loop.is_closed():
                return
            late = time.monotonic() - self._alive - TICK
            # A loop that does not run (a terminal between two cells) is held by nobody.
            if late > _SOON and loop.is_running():
                with contextlib.suppress(Exception):  # the frames go on while they are read
                    self._seen.append(sighting(sys._current_frames()[self._of]))
            del loop


def sighting(frame: FrameType | None) -> Sighting:
    """Return what a thread is at, from its innermost frame."""
    place = nearest = None
    # What called the loop is not what the loop is at.
    while frame is not None and frame.f_code.co_name != "_run_once":
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package == _OURS:
            trace, at = frame.f_locals.get("trace"), frame.f_locals.get("at")
            if isinstance(trace, Trace):
                board = trace.board
                began = isinstance(at, int) and 0 <= at < len(trace)
                node = trace[at] if began else board.nodes[trace.row]  # type: ignore[index]
                # Where all of it is installed, the frame next to PocketFlow's is the node's.
                return Sighting(board, trace.row, board.node_names[node], place or nearest)
            if place is None and module.startswith(_SHOWING):
                break  # it is we who draw, for a cell that has done nothing but call the magic
        elif package != "pocketflow":
            nearest = Place(frame.f_code.co_filename, frame.f_lineno)
            if place is None and not _is_library(nearest.file):
                place = nearest
        frame = frame.f_back
    return Sighting(None, -1, "", place)


_OURS = __name__.partition(".")[0]
_SHOWING = f"{_OURS}.notebook."


@functools.cache
def _libraries() -> tuple[str, ...]:
    import sysconfig  # noqa: PLC0415 - wanted only once something has held the loop

    paths = sysconfig.get_paths()
    return tuple({paths[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _is_library(file: str) -> bool:
    """Whether a file is none that the user has written."""
    return file.startswith((*_libraries(), "<frozen"))


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


class HoldRecorder:
    """Keeps what held the loop of one run.

    Args:
        loop: the run's, which runs in this thread.
        board: what its instances write to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, board: TraceBoard) -> None:
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
