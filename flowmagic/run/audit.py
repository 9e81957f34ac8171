"""What a run may have lost in silence, told from what is on record when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pocketflow import BaseNode, Flow

from ..flow.checks.graph_rules import ENDINGS
from ..flow.finding import SHOWN, Finding, indices_text
from ..flow.graph import successors_of
from ..records.status import FAILED, SUCCEEDED
from ..records.store import RecordStore
from ..records.trace import ACTION, ENDED, FIELDS

_PARENT = 1  # where that stands among the fields of a copy
_MOST_NODES = 1_000
_MOST_PARAMS = 5  # that are named because nobody has read them
_WIDTH = 60  # characters of an action or a key in a sentence


Nodes = dict[type, "list[dict[Any, Any]]"]
"""By the class of a node, the successors of each node of that class."""


class _End(NamedTuple):
    """Where an instance ended: the class of the node, and its action."""

    kind: type
    action: str | None


def audit(flow: Any, records: RecordStore) -> list[Finding]:
    """Return what is worth a look: each with how many instances, and the first of them.

    Instances that ended where their action leads nowhere though others lead on; results that are
    None where others of the same node have one; fallbacks that stepped in and retries that were
    spent; errors that ended no instance; node copies that were left running; params that nothing
    has read. It takes less than a microsecond a row.
    """
    succeeded = [each for each in records.with_status(SUCCEEDED) if each not in records.restored]
    nodes = _nodes(flow)
    ends = _ends(nodes, records, succeeded)
    return [
        *_lost_ends(nodes, ends),
        *_no_results(nodes, ends),
        *_retry_counter(records),
        *_swallowed(records),
        *_left_running(records),
        *_unread(records, succeeded),
    ]


# Where instances ended


def _ends(nodes: Nodes, records: RecordStore, succeeded: list[int]) -> dict[_End, list[int]]:
    """Return the instances by where they ended, as far as that is a node of the flow itself."""
    kinds = {number: kind for kind, number in records.node_ids.items()}
    nested = any(issubclass(kind, Flow) for kind in nodes)
    began, results = records.nodes, records.results
    found: dict[tuple[int, str | None], list[int]] = {}
    for index in succeeded:
        result = results[index]
        if nested:
            pair = _last_copy(records, index)
        else:  # what began last has ended last, and its action is the result
            pair = (began[index], result) if result is None or type(result) is str else None
        if pair is not None:
            known = found.get(pair)
            if known is None:  # of so many rows, an empty list each would be felt
                found[pair] = [index]
            else:
                known.append(index)
    return {
        _End(kinds[number], action): indices
        for (number, action), indices in found.items()
        if kinds.get(number) in nodes
    }


def _last_copy(records: RecordStore, index: int) -> tuple[int, str | None] | None:
    """Return node and action of the last node copy at the top of an instance."""
    flat, extras = records.trace_of(index)
    for at in range(len(flat) - FIELDS, -1, -FIELDS):
        if flat[at + _PARENT] < 0:
            if "action" in extras.get(at, {}):
                return None  # of no known name: a text, perhaps
            return flat[at], records.action_name(flat[at + ACTION])
    return None


def _nodes(flow: Any) -> Nodes:
    """Return what is at the top of a flow, not nested in it; of a single node, itself."""
    if not isinstance(flow, Flow):
        return {type(flow): [{}]}
    found: Nodes = {}
    todo, seen = [flow.start_node], set[int]()
    while todo and len(seen) < _MOST_NODES:
        node = todo.pop()
        if isinstance(node, BaseNode) and id(node) not in seen:
            seen.add(id(node))
            successors = successors_of(node)
            found.setdefault(type(node), []).append(successors)
            todo.extend(successors.values())
    return found


def _lost_ends(nodes: Nodes, ends: dict[_End, list[int]]) -> Iterator[Finding]:
    """Find actions without a successor, of nodes that have others."""
    lost = [end for end in ends if _is_lost(nodes, end)]
    # That is how a chat ends. If every instance does, it is meant.
    meant = all(end.action is None or end.action.lower() in ENDINGS for end in lost)
    if meant and len(lost) == len(ends):
        return
    for end in lost:
        indices, name = ends[end], end.kind.__name__
        said = "nothing" if end.action is None else _quoted(end.action)
        ways = sorted({str(way) for successors in nodes[end.kind] for way in successors})
        others = ", ".join(map(_quoted, ways))
        yield Finding(
            f"{_capital(indices)} ended at {name}, which returned {said}: that leads nowhere.",
            f"It has ways for {others}; what comes after them did not run.",
            f"If an end is meant there, all is well. Else add the way, or return {others}.",
            instances=tuple(indices[:SHOWN]),
            count=len(indices),
        )


def _is_lost(nodes: Nodes, end: _End) -> bool:
    action = end.action or "default"
    return all(successors and action not in successors for successors in nodes[end.kind])


def _no_results(nodes: Nodes, ends: dict[_End, list[int]]) -> Iterator[Finding]:
    """Find instances without a result that ended at a node where others have one."""
    with_one = {end.kind for end in ends if end.action is not None and not _is_lost(nodes, end)}
    for end, indices in ends.items():
        if end.action is None and end.kind in with_one and not _is_lost(nodes, end):
            yield Finding(
                f"{_capital(indices)} ended at {end.kind.__name__} with the result None, where "
                "others have one.",
                "A result is the last action; None is what a post without a return gives.",
                note=True,
                instances=tuple(indices[:SHOWN]),
                count=len(indices),
            )


# What went on within them


def _retry_counter(records: RecordStore) -> Iterator[Finding]:
    """Find nodes whose fallback stepped in, and what was spent on retries."""
    rescued: dict[str, list[int]] = {}
    tried: dict[str, list[int]] = {}
    spent: dict[str, int] = {}
    for index in sorted(records._extras):
        extras = records._extras[index]
        if not any("tries" in extra for extra in extras.values()):
            continue
        flat, _ = records.trace_of(index)
        for at in sorted(extras):
            retries, fallbacks = extras[at].get("tries", (0, 0))
            name = records.node_names[flat[at]]
            if fallbacks:
                _add(rescued, name, index)
            if retries:
                _add(tried, name, index)
                spent[name] = spent.get(name, 0) + retries
    for name, indices in rescued.items():
        yield Finding(
            f"{_capital(indices)} went on with the fallback of {name}.",
            "Its exec failed there; what came after worked with what exec_fallback gave.",
            instances=tuple(indices[:SHOWN]),
            count=len(indices),
        )
    for name, indices in tried.items():
        times = "once" if spent[name] == 1 else f"{spent[name]:,} times"
        yield Finding(
            f"{name} tried again {times}, in {indices_text(tuple(indices[:SHOWN]), len(indices))}.",
            "Each is a call more than the flow has nodes.",
            note=True,
            instances=tuple(indices[:SHOWN]),
            count=len(indices),
        )


def _add(found: dict[str, list[int]], name: str, index: int) -> None:
    indices = found.setdefault(name, [])
    if not indices or indices[-1] != index:
        indices.append(index)


def _swallowed(records: RecordStore) -> Iterator[Finding]:
    """Find errors of node copies in instances that succeeded."""
    found: dict[str, list[int]] = {}
    for index in sorted(records._extras):
        extras = records._extras[index]
        if records.status[index] != SUCCEEDED or not any("error" in x for x in extras.values()):
            continue
        flat, _ = records.trace_of(index)
        raised = (at for at, extra in extras.items() if "error" in extra)
        found.setdefault(records.node_names[flat[next(raised)]], []).append(index)
    for name, indices in found.items():
        yield Finding(
            f"{_capital(indices)} succeeded although {name} raised an error there.",
            "Something around it has caught the error (a gather that returns exceptions, an except).",
            "The error is with the node copy: run[i].copies.",
            instances=tuple(indices[:SHOWN]),
            count=len(indices),
        )


def _left_running(records: RecordStore) -> Iterator[Finding]:
    """Find failed instances of which other node copies went on."""
    indices = [index for index in records.with_status(FAILED) if _has_open(records, index)]
    if indices:
        yield Finding(
            f"{_capital(indices)} failed while other nodes of theirs were still running."
            if len(indices) > 1
            else f"{_capital(indices)} failed while other nodes of it were still running.",
            "On the first failure, PocketFlow's parallel batches leave the others running, and "
            "spending; what they gave is lost.",
            instances=tuple(indices[:SHOWN]),
            count=len(indices),
        )


def _has_open(records: RecordStore, index: int) -> bool:
    flat, _ = records.trace_of(index)
    return any(ended != ended for ended in flat[ENDED::FIELDS])  # noqa: PLR0124 - NaN


def _unread(records: RecordStore, succeeded: list[int]) -> Iterator[Finding]:
    """Find keys of the rows that no instance has read."""
    read: set[Any] = set()
    for number in {records.read[index] for index in succeeded}:
        keys = records.read_sets.keys(number)
        if keys is None:
            return  # in so many ways that they are not told apart
        read |= keys
    given: dict[Any, Any] = {}
    rows = records.rows
    for index in succeeded:
        if records.keeps(index):
            given.update(rows[index])
    unread = [key for key in given if isinstance(key, str) and key not in read]
    if unread:
        names = ", ".join(map(_quoted, unread[:_MOST_PARAMS]))
        left = len(unread) - _MOST_PARAMS
        yield Finding(
            f"No instance has read the param{'s' * (len(unread) > 1)} {names}"
            + (f" and {left:,} more." if left > 0 else "."),
            "They have changed nothing." if len(unread) > 1 else "It has changed nothing.",
            "If that is a surprise, look for the name that the nodes read.",
            note=True,
        )


def _quoted(text: str) -> str:
    return f'"{text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"}"'


def _capital(indices: list[int]) -> str:
    text = indices_text(tuple(indices[:SHOWN]), len(indices))
    return text[0].upper() + text[1:]
