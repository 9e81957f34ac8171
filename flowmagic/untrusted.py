"""Objects that somebody else made: what is read of them may do anything when touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def quietly(read: Callable[..., T], *args: object) -> T | None:
    """Return None instead of raising: what is read may do anything when touched."""
    try:
        return read(*args)
    except KeyboardInterrupt:
        raise  # the user's own, and not of the error
    except BaseException:  # noqa: BLE001 - ditto: pytest's outcomes, for one, are no Exceptions
        return None


def get(holder: object, name: str) -> Any:
    """Return an attribute; None where there is none, or it cannot be read."""
    return quietly(getattr, holder, name)
