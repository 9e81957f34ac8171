"""How long one waits for what somebody's objects say of themselves.

A repr may take its time: it asks a database, or renders a table. What is shown of a run is made on
its event loop, where everything else waits meanwhile. So the values of a type may take half a second
in all, counting only those that take longer than a moment; from then on they are called by their
type. A repr that never returns cannot be helped: nothing can interrupt it but the user.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable

MOST = 0.5
"""Seconds that all values of a type may take, of those that take longer than a moment."""

_MOMENT = 0.05  # seconds; a thread that is busy may cost a quick repr some of them

_taken: dict[int, tuple[weakref.ref[type], float]] = {}
"""Seconds that types have taken, by their `id`: to hash a type may call somebody's metaclass."""


def patiently(say: Callable[[object], str], value: object) -> str | None:
    """Return what `say`, a repr or str, says of a value; None where its type has taken too long.

    Raises:
        Exception: what `say` raises.
    """
    kind = type(value)
    taken = _taken_by(kind)
    if taken > MOST:
        return None
    began = time.perf_counter()
    try:
        return say(value)
    finally:
        seconds = time.perf_counter() - began
        if seconds > _MOMENT:
            _taken[id(kind)] = weakref.ref(kind), taken + seconds


def _taken_by(kind: type) -> float:
    whose, taken = _taken.get(id(kind), _NOBODY)
    return taken if whose() is kind else 0.0


class _Nobody:
    """Whose time is never asked for."""


_NOBODY: tuple[weakref.ref[type], float] = weakref.ref(_Nobody), 0.0
