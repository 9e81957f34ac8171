"""The calls of sync nodes in this process that nobody awaits any more, and that have not returned.

Each keeps a thread, which cannot be interrupted. `MAX_ABANDONED` of them stop the runs of the process.
If there are any when the program ends, it says so on stderr.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from .base import AbandonedCall

MAX_ABANDONED = 500
"""Most of the calls have a connection open, and a process can often have no more than 1,024."""

_EXIT_WAIT = 0.5
"""Seconds for which a program that ends waits for these calls."""


class Call(Protocol):
    """What has to be known of a call."""

    kind: type
    """The class of its node."""
    index: int
    """The index of its instance."""
    returned: bool
    abandoned_at: float
    """In seconds since the epoch; 0 if it is not abandoned."""


_calls: dict[Call, None] = {}
"""Those that were added and not removed; some may have returned."""


def add(call: Call) -> None:
    """Add a call that is abandoned now."""
    call.abandoned_at = time.time()
    _calls[call] = None


def remove(call: Call) -> None:
    """Remove a call that has returned."""
    _calls.pop(call, None)


def unreturned() -> list[Call]:
    """Return the calls that have not returned."""
    for call in list(_calls):
        if call.returned:  # and nobody has removed it: its loop is closed
            remove(call)
    return list(_calls)


def described(calls: Iterable[Call]) -> list[AbandonedCall]:
    """Return what is shown of calls."""
    return [AbandonedCall(call.kind.__name__, call.index, call.abandoned_at) for call in calls]


def why_full() -> str:
    """Return why no more instances should start in this process; empty if they may."""
    if len(_calls) < MAX_ABANDONED or len(calls := unreturned()) < MAX_ABANDONED:
        return ""
    return f"{len(calls):,} abandoned calls of sync nodes have not returned ({_by_node(calls)})"


def _by_node(calls: list[Call]) -> str:
    counts = Counter(call.kind.__name__ for call in calls)
    return ", ".join(f"{count:,} of {name}" for name, count in counts.most_common())


@atexit.register
def _report() -> None:
    deadline = time.monotonic() + _EXIT_WAIT
    while (calls := unreturned()) and time.monotonic() < deadline:
        time.sleep(0.01)
    if calls and sys.__stderr__ is not None:
        sys.__stderr__.write(
            f"flowmagic: this program ends before {len(calls):,} abandoned calls of sync nodes have "
            f"returned ({_by_node(calls)}). Give such calls a timeout of their own.\n"
        )


if hasattr(os, "register_at_fork"):
    # The threads of the calls exist in the parent only.
    os.register_at_fork(after_in_child=_calls.clear)
