"""What to write instead of a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import MissingAttributeError


def did_you_mean(name: str, known: Iterable[str], form: str = "{}") -> str:
    """Return `Did you mean …?` with the most similar of the known names; empty if none is similar.

    Args:
        form: how the name is written, with `{}` in its place.
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {form.format(near[0])}?" if near else ""


def by_wrong_name(wrong_names: Mapping[str, str]) -> dict[str, str]:
    """Return what to write for each wrong name, from the wrong names for each thing to write.

    >>> by_wrong_name({"run.counts": "progress stats"})
    {'progress': 'run.counts', 'stats': 'run.counts'}
    """
    return {name: right for right, names in wrong_names.items() for name in names.split()}


def missing_attribute(value: object, name: str, variable: str, right: Mapping[str, str]) -> Any:
    """Raise the error of an attribute that an object does not have, for its `__getattr__`.

    Args:
        variable: what the object is usually called.
        right: what to write for each wrong name.

    Returns:
        Nothing, with one exception. Python also calls `__getattr__` for a property that has raised an
        AttributeError; the property is then read once more, and its value returned if it has one now.

    Raises:
        MissingAttributeError: there is no such attribute.
        AttributeError: the property raises it, or the name begins with an underscore.
    """
    if name.startswith("_") or hasattr(type(value), name):
        return object.__getattribute__(value, name)
    public = (each for each in dir(value) if not each.startswith("_"))
    hint = (
        f"Write {right[name]}." if name in right else did_you_mean(name, public, f"{variable}.{{}}")
    )
    raise MissingAttributeError(
        f"{type(value).__name__!r} object has no attribute {name!r}. {hint}".rstrip()
    )
