"""What can be told of a batch's params and the nodes that are to read them."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..finding import SHOWN, Finding, indices_text
from .placed_nodes import PlacedNode

_WIDTH = 60  # characters of a key in a sentence
_MOST = 100  # unread keys that are each compared with those that are read


def unread(found: Sequence[PlacedNode], rows: Sequence[Mapping[Any, Any]]) -> Iterator[Finding]:
    """Find keys of the rows that no node's source mentions."""
    uses = [each.use for each in found]
    if any(each.any_read for each in uses) or not all(each.source.complete for each in found):
        return
    texts = set().union(*(each.texts for each in uses))
    read = sorted(set().union(*({*each.needs, *each.asks} for each in uses)))
    given = _keys(_shapes(rows))
    idle = [key for key in given if key not in texts]
    alone = []
    for key in idle:
        near = difflib.get_close_matches(key, read, n=2) if len(idle) <= _MOST else []
        meant = next((each for each in near if each not in given), None)
        if meant is None:
            alone.append(key)
            continue
        yield Finding(
            f"No node reads the param {_quoted(key)}.",
            f"{_quoted(meant)} is read, and not given.",
            f"Did you mean {_quoted(meant)}?",
        )
    if alone:
        yield Finding(
            f"No node reads the param{'s' * (len(alone) > 1)} {_listed(alone)}.",
            "They change nothing." if len(alone) > 1 else "It changes nothing.",
            "That is right for what only tells rows apart.",
            note=True,
        )


def missing(
    found: Sequence[PlacedNode], rows: Sequence[Mapping[Any, Any]], base: Mapping[Any, Any]
) -> Iterator[Finding]:
    """Find keys that a node reads without a default, and that rows do not have."""
    uses = [each.use for each in found]
    if not rows or any(each.any_set for each in uses):
        return
    if not all(each.source.complete for each in found):
        return
    set_on_the_way = set().union(*(each.gives for each in uses), base)
    shapes = _shapes(rows)
    given = _keys(shapes)
    said: set[str] = set()
    for placed in found:
        if placed.in_inner_batch or (not placed.outer and placed.is_flow):
            continue
        for key, place in placed.use.needs.items():
            if key in set_on_the_way or key in said:
                continue
            without = [indices for keys, indices in shapes.items() if key not in keys]
            lacking = sorted(itertools.chain.from_iterable(without))
            # Where the ways part, rows may be meant for different ones.
            if not lacking or (not placed.certain and len(lacking) < len(rows)):
                continue
            said.add(key)
            whose = (
                "No row has"
                if len(lacking) == len(rows)
                else f"{_rows(lacking)} {'lack' if len(lacking) > 1 else 'lacks'}"
            )
            near = difflib.get_close_matches(key, given[:_MOST], n=1)
            yield Finding(
                f"{whose} the param {_quoted(key)}, which this node reads without a default.",
                "It fails there with a KeyError.",
                f"Did you mean {_quoted(near[0])}?"
                if near
                else f"Give it in each row, or read self.params.get({key!r}).",
                placed.name,
                place,
                instances=tuple(lacking[:SHOWN]),
                count=len(lacking),
            )


Shapes = dict[frozenset[Any], list[int]]
"""Indices of the rows that have just these keys."""


def _shapes(rows: Sequence[Mapping[Any, Any]]) -> Shapes:
    # Most rows of a batch have the same keys, so that what is asked of rows need be asked of few.
    shapes: Shapes = {}
    for index, row in enumerate(rows):
        shapes.setdefault(frozenset(row), []).append(index)
    return shapes


def _keys(shapes: Shapes) -> list[str]:
    return sorted(key for key in set().union(*shapes) if isinstance(key, str))


def _listed(keys: list[str]) -> str:
    shown = [_quoted(key) for key in keys[:SHOWN]]
    left = len(keys) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def _rows(lacking: list[int]) -> str:
    text = indices_text(tuple(lacking[:SHOWN]), len(lacking))
    return text[0].upper() + text[1:]


def _quoted(key: str) -> str:
    return f'"{key if len(key) <= _WIDTH else key[: _WIDTH - 1] + "…"}"'
