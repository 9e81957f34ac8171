"""Exact texts of values: equal if type and content are, in every process; otherwise different."""

from __future__ import annotations

import json
from typing import Any

from ..dependencies.reader import Reader

SCALARS = frozenset({str, int, float, bool, bytes, complex, type(None)})
"""Types whose objects consist of nothing else, and never change."""

_MOST_DEPTH = 20


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value consists of Python's own scalars, lists, tuples and dicts, and no subclasses."""
    kind = type(value)
    if kind in SCALARS:
        return True
    if depth > _MOST_DEPTH:
        return False
    if kind is list or kind is tuple:
        return all(type(each) in SCALARS or is_plain(each, depth + 1) for each in value)
    return kind is dict and all(
        type(key) in SCALARS and (type(each) in SCALARS or is_plain(each, depth + 1))
        for key, each in value.items()
    )


def exact_text(
    value: Any,
    *,
    clients: bool = False,
    partly: bool = False,
    described: set[str] | None = None,
) -> str | None:
    """Return the exact text of a value, secrets included; None if it has none.

    Args:
        clients: as for `Reader`: whether objects such as clients count by class and plain attributes.
        partly: whether there is a text although some of the value has no exact form.
        described: the names of objects that count by class and plain attributes are added to it.
    """
    if is_plain(value):
        try:
            return repr(value)
        except ValueError:  # it holds a very long int
            pass
    reader = Reader(masks=False, clients=clients)
    reader.read_value(value, "self")  # as an attribute of a node is called
    if reader.left_out and not partly:
        return None
    if described is not None:
        described.update(reader.described)
    return json.dumps([reader.digests, reader.packages], sort_keys=True)
