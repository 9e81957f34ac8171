"""Safe access to objects of the user and of other libraries.

Reading an attribute or taking the repr of such an object runs its code, which may raise anything or
take long.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def or_none(function: Callable[..., T], *args: object) -> T | None:
    """Return `function(*args)`, or None if it raises anything but a KeyboardInterrupt."""
    try:
        return function(*args)
    except KeyboardInterrupt:
        raise  # it comes from the user, not from the function
    except BaseException:  # noqa: BLE001 - not all are Exceptions, for example pytest's outcomes
        return None


def get(holder: object, name: str) -> Any:
    """Return an attribute of an object, or None if there is none or it cannot be read."""
    return or_none(getattr, holder, name)


MOST = 0.5
"""How many seconds the values of one type may take in all. Quick calls do not count."""

_MOMENT = 0.05  # seconds; even a quick repr may take that long while other threads are busy

_taken: dict[int, tuple[weakref.ref[type], float]] = {}
"""The seconds that types have taken, by `id`: hashing a type may run code of its metaclass."""


def within_budget(to_text: Callable[[object], str], value: object) -> str | None:
    """Return `to_text(value)`, or None if values of this type have taken too long before.

    Each type has half a second in all. A call that has begun is not interrupted.

    Args:
        to_text: `repr` or `str`.

    Raises:
        Exception: what `to_text` raises.
    """
    kind = type(value)
    taken = _taken_by(kind)
    if taken > MOST:
        return None
    began = time.perf_counter()
    try:
        return to_text(value)
    finally:
        seconds = time.perf_counter() - began
        if seconds > _MOMENT:
            _taken[id(kind)] = weakref.ref(kind), taken + seconds


def _taken_by(kind: type) -> float:
    owner, taken = _taken.get(id(kind), (None, 0.0))
    # Another type may have had this id before.
    return taken if owner is not None and owner() is kind else 0.0
