"""The text that each instance of a run prints, stored by instance, and limited in size.

A ContextVar tells which attempt of which instance the running code belongs to. It is set in the
Context of each instance, so it is also seen by tasks that the instance creates, by
`asyncio.to_thread`, and by the threads of sync nodes. It is not seen by `loop.run_in_executor` and
plain threads. Nor is text recorded that bypasses `sys.stdout`: that of subprocesses and C code.

This module stores text. `notebook.streams` replaces the standard streams and passes the text on.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar

from .status import RUNNING, SUCCEEDED

HEAD, TAIL = 16 * 1024, 48 * 1024
"""How many bytes of UTF-8 are kept of what one attempt printed: the first and the last ones."""

MOST = 64 * 1024 * 1024
"""How many bytes are kept of what all instances of a run printed."""

_OVERHEAD = 300  # bytes that the text of one attempt takes in addition
_LINE = 1024  # bytes; up to so many more are dropped where text is cut, so that whole lines remain

_DROPPED = "[What this instance printed is no longer kept.]\n"

# Two variables, since only the second is set for every instance; one would need a tuple for each.
# A weak reference, since a connection that an instance opened may keep its Context after the run.
_run: ContextVar[weakref.ref[PrintedTexts] | None] = ContextVar("flowmagic_run", default=None)
_attempt: ContextVar[int] = ContextVar("flowmagic_attempt", default=-1)

enter: Callable[[int], object] = _attempt.set
"""To be called in the Context of an instance, with the `key` of its attempt, before it runs."""

_NUMBER = 40  # the bit from which on a key holds the number of the attempt


def key(index: int, number: int) -> int:
    """Return one integer that identifies an attempt; for the first attempt of a row, the row's index."""
    return index | number << _NUMBER


def row_here() -> int | None:
    """Return the index of the row that the running code belongs to; None if it is not known."""
    attempt = _attempt.get()
    return None if attempt < 0 else attempt & ((1 << _NUMBER) - 1)


def keep(text: str) -> bool:
    """Store a text for the instance that the running code belongs to. Return False if there is none."""
    reference = _run.get()
    if reference is None:
        return False
    texts = reference()
    return texts is not None and texts.write(_attempt.get(), text)


def is_kept() -> bool:
    """Return whether `keep` would store a text that is printed here."""
    return keep("")


class PrintedTexts:
    """The text that the instances of one run printed. Its methods may be called in any thread.

    If all text takes more than `most` bytes, that of the oldest succeeded instances is dropped, then
    that of the oldest failed and cancelled ones. Text of running instances is not dropped.

    Args:
        status: the status column of the run's records.
        most: the maximum number of bytes.
    """

    def __init__(self, status: bytearray, most: int = MOST) -> None:
        self._status = status
        self._texts: dict[int, bytearray] = {}
        # By `key`. There are no objects per attempt, which would slow down the garbage collector.
        self._cut: dict[int, int] = {}
        """How many bytes are missing after the head."""
        self._dropped = bytearray()
        """For each row, how many of its attempts, from the first, may have lost their text; at most 255."""
        self._most = self._full_at = most
        self._size = 0
        # Reentrant, since a finaliser or a signal handler may print anywhere in these methods.
        self._lock = threading.RLock()
        self._process = os.getpid()

    def context(self, base: Context) -> Context:
        """Return the Context that those of all instances of this run are to be copied from."""
        context = base.copy()
        context.run(_run.set, weakref.ref(self))
        return context

    def row_in(self, context: Context) -> int | None:
        """Return the row of this run that code in a Context belongs to; None if it belongs to none."""
        reference, attempt = context.get(_run), context.get(_attempt, -1)
        if reference is None or reference() is not self or attempt < 0:
            return None
        return _row(attempt)

    def write(self, attempt: int, text: str) -> bool:
        """Add to what an attempt printed. Return False in a forked process, where nobody would read it."""
        if os.getpid() != self._process:
            return False
        if not text:
            return True
        printed = text.encode("utf-8", "backslashreplace")
        with self._lock:
            kept = self._texts.get(attempt)
            if kept is None:
                kept = self._texts[attempt] = bytearray()
                self._size += _OVERHEAD
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
        """Return what an attempt printed. A line in it tells what is missing."""
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
        self._size -= len(kept) + _OVERHEAD
        index, number = _row(attempt), attempt >> _NUMBER
        if index >= len(self._dropped):
            self._dropped.extend(bytes(index + 1 - len(self._dropped)))
        self._dropped[index] = max(self._dropped[index], min(255, number + 1))

    def _make_room(self) -> None:
        # Several at once, since it takes long to find the oldest, but not so many that the event loop
        # is blocked for long.
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
    # errors="ignore" leaves out a character that was cut in two.
    first, last = head.decode(errors="ignore"), tail.decode(errors="ignore")
    gap = "" if first.endswith("\n") else "\n"
    return f"{first}{gap}[{cut:,} bytes of what it printed are not kept.]\n{last}"
