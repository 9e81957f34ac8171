"""Compares the params of a batch with the params that the nodes read."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...records.containers import CONTAINERS
from ..finding import SHOWN, Finding, indices_text
from .reachable_nodes import ReachableNode

_WIDTH = 60  # characters of a key in a message
_MOST_KEYS = 100  # that are compared with each other to find a similar one


def unread(nodes: Sequence[ReachableNode], rows: Sequence[Mapping[Any, Any]]) -> Iterator[Finding]:
    """Find keys of the rows that the source of no node mentions."""
    usages = [each.usage for each in nodes]
    if any(each.may_read_any for each in usages) or not all(each.source.complete for each in nodes):
        return
    strings = set().union(*(each.strings for each in usages))
    read = sorted(set().union(*({*each.required, *each.optional} for each in usages)))
    keys = _keys(_indices_by_keys(rows))
    idle = [key for key in keys if key not in strings]
    unlike_any = []
    for key in idle:
        similar = difflib.get_close_matches(key, read, n=2) if len(idle) <= _MOST_KEYS else []
        meant = next((each for each in similar if each not in keys), None)
        if meant is None:
            unlike_any.append(key)
            continue
        yield Finding(
            f"No node reads the param {_quoted(key)}.",
            f"A node reads {_quoted(meant)}, which no row has.",
            f"Did you mean {_quoted(meant)}?",
        )
    if unlike_any:
        several = len(unlike_any) > 1
        yield Finding(
            f"No node reads the param{'s' * several} {_listed(unlike_any)}.",
            "They have no effect." if several else "It has no effect.",
            "That is fine for params that only identify a row.",
            note=True,
        )


def missing(
    nodes: Sequence[ReachableNode], rows: Sequence[Mapping[Any, Any]], base: Mapping[Any, Any]
) -> Iterator[Finding]:
    """Find keys that a node reads without a default and that rows do not have.

    Args:
        base: the params of the flow itself, which every row inherits.
    """
    usages = [each.usage for each in nodes]
    if not rows or any(each.may_set_any for each in usages):
        return
    if not all(each.source.complete for each in nodes):
        return
    reported = set().union(*(each.assigned for each in usages), base)
    indices_by_keys = _indices_by_keys(rows)
    keys = _keys(indices_by_keys)
    for each in nodes:
        if each.in_inner_batch or (not each.outer and each.is_flow):
            continue
        for key, place in each.usage.required.items():
            if key in reported:
                continue
            without = [found for having, found in indices_by_keys.items() if key not in having]
            lacking = sorted(itertools.chain.from_iterable(without))
            # After a branch, some rows may never reach the node.
            if not lacking or (not each.certain and len(lacking) < len(rows)):
                continue
            reported.add(key)
            similar = difflib.get_close_matches(key, keys[:_MOST_KEYS], n=1)
            yield Finding(
                f"{_who_lacks(lacking, len(rows))} the param {_quoted(key)}, which this node reads "
                "without a default.",
                "The node raises a KeyError.",
                f"Did you mean {_quoted(similar[0])}?"
                if similar
                else f"Add it to each row, or read it with self.params.get({key!r}).",
                each.name,
                place,
                instances=tuple(lacking[:SHOWN]),
                count=len(lacking),
            )


def shared_containers(rows: Sequence[Mapping[Any, Any]]) -> Iterator[Finding]:
    """Find lists, dicts and the like that are one object in several rows."""
    holders: dict[tuple[Any, int], list[int]] = {}
    for index, row in enumerate(rows):
        for key, value in row.items():
            if type(value) in CONTAINERS:
                holders.setdefault((key, id(value)), []).append(index)
    by_key: dict[Any, tuple[list[int], str]] = {}
    for (key, _), indices in holders.items():
        if len(indices) > len(by_key.get(key, ([0], ""))[0]):
            by_key[key] = indices, type(rows[indices[0]][key]).__name__
    for key, (indices, kind) in by_key.items():
        yield Finding(
            f"{len(indices):,} rows hold the same {kind} in the param {_quoted(str(key))}.",
            "If a node changes it in place, all of them change.",
            f"Write a {kind} of its own into each row, unless the nodes only read it.",
            note=True,
            instances=tuple(indices[:SHOWN]),
            count=len(indices),
        )


def _indices_by_keys(rows: Sequence[Mapping[Any, Any]]) -> dict[frozenset[Any], list[int]]:
    """Return the indices of the rows that have exactly these keys: few entries, for most batches."""
    indices: dict[frozenset[Any], list[int]] = {}
    for index, row in enumerate(rows):
        indices.setdefault(frozenset(row), []).append(index)
    return indices


def _keys(indices_by_keys: Mapping[frozenset[Any], list[int]]) -> list[str]:
    return sorted(key for key in set().union(*indices_by_keys) if isinstance(key, str))


def _listed(keys: list[str]) -> str:
    shown = [_quoted(key) for key in keys[:SHOWN]]
    more = len(keys) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _who_lacks(lacking: list[int], rows: int) -> str:
    if len(lacking) == rows:
        return "No row has"
    text = indices_text(tuple(lacking[:SHOWN]), len(lacking))
    return f"{text[0].upper()}{text[1:]} {'lack' if len(lacking) > 1 else 'lacks'}"


def _quoted(key: str) -> str:
    return f'"{key if len(key) <= _WIDTH else key[: _WIDTH - 1] + "…"}"'
