"""What a run was given besides its rows, as a journal keeps it: its options, and the shared store."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from .codec import encoded

_MOST_KEYS = 100
_LONGEST = 2_000  # characters of a value of the shared store


class Written(NamedTuple):
    """An option that is no plain value, as Python.

    Attributes:
        expression: that makes it, from the definitions kept with it; empty if there is none.
        left: what of it is left out, and why; empty if nothing is.
    """

    expression: str
    left: str


def shared_kept(shared: Any, secrets: AbstractSet[str] | None) -> list[list[Any]]:
    """Return the shared store as it is before a run: key, value, and the value's class; each as text.

    A value that has no form in a journal, or a long one, is None.
    """
    if not isinstance(shared, dict):
        return []
    kept: list[list[Any]] = []
    for key, value in list(shared.items())[:_MOST_KEYS]:
        # Under its key, by whose name a secret is known.
        whole = text_or_none({key: value}, secrets)
        if whole is not None and len(whole) <= _LONGEST:
            kept.append([whole, ""])
        elif (alone := text_or_none({key: None}, secrets)) is not None:
            kept.append([alone, type(value).__name__])
    return kept


def text_or_none(value: Any, secrets: AbstractSet[str] | None) -> str | None:
    """Return the journal's form of a value, or None if it has none."""
    try:
        return encoded(value, secrets)
    except Exception:  # noqa: BLE001 - a client, a lock, somebody's object
        return None
