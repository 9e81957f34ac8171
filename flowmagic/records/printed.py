"""What each instance of a run prints, kept apart from what the others print, and bounded.

A ContextVar says which attempt of which instance the code at hand belongs to. It is set in each
instance's own Context, so that it reaches the tasks an instance spawns, `asyncio.to_thread` and the
threads of sync nodes. It does not reach `loop.run_in_executor` and plain threads, nor what writes past
`sys.stdout`: subprocesses, C code, whoever holds the bare stream.

This module keeps; what catches stands in for the standard streams, where somebody can look at what
was kept (`notebook.output`).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar

from .status import RUNNING, SUCCEEDED

HEAD, TAIL = 16 * 1024, 48 * 1024
"""Bytes (of UTF-8) that are kept of what one attempt printed: the first, and the last."""

MOST = 64 * 1024 * 1024
"""Bytes that are kept of what all instances of a run printed."""

_WEIGHT = 300  # bytes that an output takes besides its text
_LINE = 1024  # bytes; where text was cut, up to so many more go, so that whole lines remain

_DROPPED = "[What this instance printed is no longer kept.]\n"

# Two variables and plain integers: the second is set for every instance, and a tuple more is felt.
# Weak: a connection that an instance opened may hold its Context long after the run is gone.
_run: ContextVar[weakref.ref[PrintedTexts] | None] = ContextVar("flowmagic_run", default=None)
_attempt: ContextVar[int] = ContextVar("flowmagic_attempt", default=-1)

enter: Callable[[int], object] = _attempt.set
"""Called in the Context of an instance, with the `key` of its attempt: it may print from now on."""

_NUMBER = 40  # bits; above them is the number of the attempt


def key(index: int, number: int) -> int:
    """Return an attempt of a row as one integer; for the first one, it is the row's index."""
    return index | number << _NUMBER


def keep(text: str) -> bool:
    """Add a text to the output of the instance that the code at hand belongs to; False: to none."""
    reference = _run.get()
    if reference is None:
        return False
    outputs = reference()
    return outputs is not None and outputs.write(_attempt.get(), text)


def is_kept() -> bool:
    """Whether `keep` would keep a text here."""
    return keep("")


class PrintedTexts:
    """What the instances of one run printed. It may be written to and read in any thread.

    Over the bound of the run, what the oldest successful instances printed is dropped, then that of
    the oldest others; of running ones, never.

    Args:
        status: the run's column of that name.
        most: bytes to be kept of all of them.
    """

    def __init__(self, status: bytearray, most: int = MOST) -> None:
        self._status = status
        self._texts: dict[int, bytearray] = {}
        # By `key`, in no objects of a class: the garbage collector passes over them.
        self._cut: dict[int, int] = {}
        """Bytes that are missing after the head."""
        self._dropped = bytearray()
        """By index, up to which attempt anything was dropped: its number and one more, at most 255."""
        self._most = self._full_at = most
        self._size = 0
        # Reentrant: a finaliser that prints may run, and a signal arrive, anywhere in here.
        self._lock = threading.RLock()
        self._process = os.getpid()

    def context(self, base: Context) -> Context:
        """Return what the Context of each instance of this run is to be a copy of."""
        context = base.copy()
        context.run(_run.set, weakref.ref(self))
        return context

    def write(self, attempt: int, text: str) -> bool:
        """Add to what an attempt printed; False in a forked process, where nobody would read it."""
        if os.getpid() != self._process:
            return False
        if not text:
            return True
        printed = text.encode("utf-8", "backslashreplace")
        with self._lock:
            kept = self._texts.get(attempt)
            if kept is None:
                kept = self._texts[attempt] = bytearray()
                self._size += _WEIGHT
            kept += printed
            excess = max(0, len(kept) - (HEAD + TAIL))
            if excess:
                del kept[HEAD : HEAD + excess]
                self._cut[attempt] = self._cut.get(attempt, 0) + excess
            self._size += len(printed) - excess
            if self._size > self._full_at:
                self._make_room()
        return True

    def text(self, index: int, number: int) -> str:
        """Return what an attempt printed; what is missing of it is said there."""
        attempt = key(index, number)
        with self._lock:
            kept, cut = bytes(self._texts.get(attempt, b"")), self._cut.get(attempt, 0)
            dropped = number < sum(self._dropped[index : index + 1])
        if not kept:
            return _DROPPED if dropped else ""
        return _around_cut(kept, cut) if cut else kept.decode()

    def forget(self, index: int, number: int) -> None:
        """Drop what an attempt printed."""
        with self._lock:
            self._drop(key(index, number))

    def _drop(self, attempt: int) -> None:
        kept = self._texts.pop(attempt, None)
        if kept is None:
            return
        self._cut.pop(attempt, None)
        self._size -= len(kept) + _WEIGHT
        index, number = _row(attempt), attempt >> _NUMBER
        if index >= len(self._dropped):
            self._dropped.extend(bytes(index + 1 - len(self._dropped)))
        self._dropped[index] = max(self._dropped[index], min(255, number + 1))

    def _make_room(self) -> None:
        # Some at once, since looking for the oldest at every print would cost too much; and not so
        # many that the loop would feel it.
        step = self._most // 64
        for attempt in self._droppable():
            self._drop(attempt)
            if self._size <= self._most - step:
                break
        self._full_at = max(self._most, self._size + step)

    def _droppable(self) -> Iterator[int]:
        status = self._status
        oldest_first = list(self._texts)
        yield from (at for at in oldest_first if status[_row(at)] == SUCCEEDED)
        yield from (at for at in oldest_first if status[_row(at)] not in (SUCCEEDED, RUNNING))


def _row(attempt: int) -> int:
    return attempt & ((1 << _NUMBER) - 1)


def _around_cut(kept: bytes, cut: int) -> str:
    head, tail = kept[:HEAD], kept[HEAD:]
    if (end := head.rfind(b"\n", HEAD - _LINE)) >= 0:
        head = head[: end + 1]
    if (start := tail.find(b"\n", 0, _LINE)) >= 0:
        tail = tail[start + 1 :]
    cut += len(kept) - len(head) - len(tail)
    # A character that was cut through is left out.
    first, last = head.decode(errors="ignore"), tail.decode(errors="ignore")
    gap = "" if first.endswith("\n") else "\n"
    return f"{first}{gap}[{cut:,} bytes of what it printed are not kept.]\n{last}"
