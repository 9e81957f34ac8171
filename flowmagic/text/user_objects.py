"""Objects that somebody else made: what is read of them may do anything when touched."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def or_none(read: Callable[..., T], *args: object) -> T | None:
    """Return None instead of raising: what is read may do anything when touched."""
    try:
        return read(*args)
    except KeyboardInterrupt:
        raise  # the user's own, and not of the error
    except BaseException:  # noqa: BLE001 - ditto: pytest's outcomes, for one, are no Exceptions
        return None


def get(holder: object, name: str) -> Any:
    """Return an attribute; None where there is none, or it cannot be read."""
    return or_none(getattr, holder, name)


MOST = 0.5
"""Seconds that all values of a type may take, of those that take longer than a moment."""

_MOMENT = 0.05  # seconds; a thread that is busy may cost a quick repr some of them

_taken: dict[int, tuple[weakref.ref[type], float]] = {}
"""Seconds that types have taken, by their `id`: to hash a type may call somebody's metaclass."""


def within_budget(say: Callable[[object], str], value: object) -> str | None:
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
