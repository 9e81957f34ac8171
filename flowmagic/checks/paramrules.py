"""What can be told of a batch's params and the nodes that are to read them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..finding import SHOWN, Finding, indices_text
from .places import Standing

_WIDTH = 60  # characters of a key in a sentence


def unread(found: Sequence[Standing], rows: Sequence[Mapping[Any, Any]]) -> Iterator[Finding]:
    """Find keys of the rows that no node's source mentions."""
    uses = [each.use for each in found]
    if any(each.any_read for each in uses) or not all(each.source.complete for each in found):
        return
    texts = set().union(*(each.texts for each in uses))
    read = sorted(set().union(*({*each.needs, *each.asks} for each in uses)))
    given = _keys(rows)
    for key in given:
        if not isinstance(key, str) or key in texts:
            continue
        near = [each for each in difflib.get_close_matches(key, read, n=2) if each not in given]
        yield Finding(
            f"No node reads the param {_quoted(key)}.",
            f"{_quoted(near[0])} is read, and not given." if near else "It changes nothing.",
            f"Did you mean {_quoted(near[0])}?"
            if near
            else "Leave it if it is there to tell rows apart.",
            note=not near,
        )


def missing(
    found: Sequence[Standing], rows: Sequence[Mapping[Any, Any]], base: Mapping[Any, Any]
) -> Iterator[Finding]:
    """Find keys that a node reads without a default, and that rows do not have."""
    uses = [each.use for each in found]
    if not rows or any(each.any_set for each in uses):
        return
    if not all(each.source.complete for each in found):
        return
    set_on_the_way = set().union(*(each.gives for each in uses), base)
    given = _keys(rows)
    said: set[str] = set()
    for standing in found:
        if standing.in_inner_batch or (not standing.outer and standing.is_flow):
            continue
        for key, place in standing.use.needs.items():
            if key in set_on_the_way or key in said:
                continue
            lacking = [index for index, row in enumerate(rows) if key not in row]
            # Where the ways part, rows may be meant for different ones.
            if not lacking or (not standing.certain and len(lacking) < len(rows)):
                continue
            said.add(key)
            whose = (
                "No row has"
                if len(lacking) == len(rows)
                else f"{_rows(lacking)} {'lack' if len(lacking) > 1 else 'lacks'}"
            )
            near = difflib.get_close_matches(key, [k for k in given if isinstance(k, str)], n=1)
            yield Finding(
                f"{whose} the param {_quoted(key)}, which this node reads without a default.",
                "It fails there with a KeyError.",
                f"Did you mean {_quoted(near[0])}?"
                if near
                else f"Give it in each row, or read self.params.get({key!r}).",
                standing.name,
                place,
                instances=tuple(lacking[:SHOWN]),
                count=len(lacking),
            )


def _keys(rows: Sequence[Mapping[Any, Any]]) -> dict[Any, None]:
    keys: dict[Any, None] = {}
    for row in rows:
        keys.update(dict.fromkeys(row))
    return keys


def _rows(lacking: list[int]) -> str:
    text = indices_text(tuple(lacking[:SHOWN]), len(lacking))
    return text[0].upper() + text[1:]


def _quoted(key: str) -> str:
    return f'"{key if len(key) <= _WIDTH else key[: _WIDTH - 1] + "…"}"'
