"""Finds out what holds an event loop, while it is held.

A timer on the loop ticks. While a tick is late, a thread samples the stack of the loop's thread every
`TICK` seconds: the frame of the walker has the instance and the node, and the frames below it have
the line. While the loop is free, nothing is measured or slowed down. There is one monitor per loop,
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
"""Seconds between two ticks of the loop, and between two samples while a tick is late."""

_SAMPLE_AFTER = 0.05  # seconds: what holds the loop for longer may hold it for long


class Sighting(NamedTuple):
    """A sample of the loop's thread.

    Attributes:
        board: of the run whose node was running; None: no run's.
        row, node: index of the instance, and class name of the node; -1 and empty: none was running.
        place: the line of the user's code; None if there is none.
    """

    board: TraceBoard | None
    row: int
    node: str
    place: Place | None


OnLate = Callable[[float, "list[Sighting]"], None]
"""Called with the seconds by which a tick was late, and the samples that were taken meanwhile."""

_monitors: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, EventLoopMonitor] = (
    weakref.WeakKeyDictionary()
)


def watch(loop: asyncio.AbstractEventLoop, callback: OnLate) -> None:
    """Call `callback` on the loop whenever it was held. The loop must run in this thread."""
    monitor = _monitors.get(loop)
    if monitor is None:
        monitor = _monitors[loop] = EventLoopMonitor(loop)
    monitor.add(callback)


def unwatch(loop: asyncio.AbstractEventLoop, callback: OnLate) -> None:
    """Call `callback` no more."""
    monitor = _monitors.get(loop)
    if monitor is not None and monitor.remove(callback):
        del _monitors[loop]


class EventLoopMonitor:
    """The timer on one loop, and the thread that takes samples while the timer is late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Weak: the monitor must not keep a loop alive that was abandoned with runs on it.
        self._loop = weakref.ref(loop)
        self._callbacks: list[OnLate] = []
        self._sightings: list[Sighting] = []
        self._thread_id = threading.get_ident()
        self._ticked_at = time.monotonic()
        self._ended = threading.Event()
        self._timer = loop.call_later(TICK, self._tick)
        with contextlib.suppress(RuntimeError):  # no threads here (pyodide), or no more of them
            threading.Thread(target=self._take_samples, name="flowmagic-lag", daemon=True).start()

    def add(self, callback: OnLate) -> None:
        """Call `callback`, too."""
        self._callbacks.append(callback)

    def remove(self, callback: OnLate) -> bool:
        """Call `callback` no more; return whether it was the last one, which ends the monitor."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)
        if not self._callbacks:
            self._ended.set()
            self._timer.cancel()
        return not self._callbacks

    def _tick(self) -> None:
        now = time.monotonic()
        sightings, self._sightings = self._sightings, []
        late, self._ticked_at = now - self._ticked_at - TICK, now
        self._thread_id = threading.get_ident()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        if sightings:
            for callback in list(self._callbacks):
                callback(late, sightings)

    def _take_samples(self) -> None:
        while not self._ended.wait(TICK):
            loop = self._loop()
            if loop is None or loop.is_closed():
                return
            late = time.monotonic() - self._ticked_at - TICK
            # A loop that does not run (at a terminal, between two cells) is not held.
            if late > _SAMPLE_AFTER and loop.is_running():
                with contextlib.suppress(Exception):  # the frames change while they are read
                    self._sightings.append(sighting(sys._current_frames()[self._thread_id]))
            del loop


def sighting(frame: FrameType | None) -> Sighting:
    """Return what a thread is doing, from its innermost frame."""
    place = nearest = None
    # The frames that called the loop do not hold it.
    while frame is not None and frame.f_code.co_name != "_run_once":
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package == _OURS:
            trace, at = frame.f_locals.get("trace"), frame.f_locals.get("at")
            if isinstance(trace, Trace):
                board = trace.board
                began = isinstance(at, int) and 0 <= at < len(trace)
                node = trace[at] if began else board.nodes[trace.row]  # type: ignore[index]
                # If all code is installed, the node's frame is the one next to PocketFlow's.
                return Sighting(board, trace.row, board.node_names[node], place or nearest)
            if place is None and module.startswith(_NOTEBOOK):
                break  # our own drawing, not the cell that called the magic
        elif package != "pocketflow":
            nearest = Place(frame.f_code.co_filename, frame.f_lineno)
            if place is None and not _is_library(nearest.file):
                place = nearest
        frame = frame.f_back
    return Sighting(None, -1, "", place)


_OURS = __name__.partition(".")[0]
_NOTEBOOK = f"{_OURS}.notebook."


@functools.cache
def _libraries() -> tuple[str, ...]:
    import sysconfig  # noqa: PLC0415 - needed only when the loop was held

    paths = sysconfig.get_paths()
    return tuple({paths[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _is_library(file: str) -> bool:
    """Whether a file belongs to Python or an installed package."""
    return file.startswith((*_libraries(), "<frozen"))


LATE = 0.1
"""Seconds by which a tick must be late for the loop to count as held."""

MOST_HOLDS = 20
"""How many holds a run keeps: the longest."""


@dataclass(frozen=True, repr=False)
class Hold:
    """A time during which a node held the event loop.

    Attributes:
        index: of the instance; None if it was code outside any run, such as a cell.
        node: class name of the node; empty outside any run.
        seconds: how late the loop was; the hold itself was up to 0.05 s longer.
        place: the line of the user's code that was running in the first sample.
        others: how many other instances held the loop at this node during the same time.
    """

    index: int | None
    node: str
    seconds: float
    place: Place | None
    others: int = 0

    def text(self, name_of: Callable[[str], str] | None = None) -> str:
        """Return the hold as a sentence; `name_of` returns the name to show for a file."""
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
    """Keeps the holds of one run, whose instances write to `board`; its loop runs in this thread."""

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
        """Start watching the loop."""
        watch(self._loop, self._note)

    def stop(self) -> None:
        """Stop watching the loop."""
        unwatch(self._loop, self._note)

    def _note(self, late: float, sightings: list[Sighting]) -> None:
        """Add a hold for each node that was seen, with its share of the time."""
        groups: dict[tuple[int, str], list[Sighting]] = {}
        for each in sightings:
            groups.setdefault((id(each.board), each.node), []).append(each)
        for group in groups.values():
            first = group[0]
            share = late * len(group) / len(sightings)
            # Other runs keep their own holds; code outside any run delays all runs of the loop.
            outside = first.board is None and first.place is not None
            if share > LATE and (first.board is self._board or outside):
                others = len({each.row for each in group}) - 1
                index = None if outside else first.row
                self.count += 1
                self._holds.append(Hold(index, first.node, share, first.place, others))
                if len(self._holds) > MOST_HOLDS:
                    self._holds.remove(min(self._holds, key=lambda each: each.seconds))
