"""What a run may have lost without an error, as found in its records after the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pocketflow import BaseNode, Flow

from ..engines.base import AbandonedCall
from ..flow.checks.action_rules import NO_ACTION_INSTEAD, NO_ACTION_WHY, is_ending, meant_by
from ..flow.checks.flow_rules import uncalled
from ..flow.finding import SHOWN, Finding, concerned, indices_text, subject_text
from ..flow.graph import ways_of
from ..records.frame_rows import index_names
from ..records.row_secrets import secrets_of_run
from ..records.status import FAILED, SUCCEEDED
from ..records.store import RecordStore
from ..records.trace import ACTION, ENDED, FIELDS
from ..text.redact import masked

_PARENT = 1  # offset of the parent among the fields of a node copy
_MOST_NODES = 1_000
_MOST_PARAMS = 5  # named params that no instance has read
_WIDTH = 60  # characters of an action or a key in a sentence


Nodes = dict[type, "list[Mapping[Any, Any]]"]
"""What each node leads to, by node class; see `ways_of`."""


class _End(NamedTuple):
    """Where an instance ended: the class of its last node, and that node's action."""

    kind: type
    action: str | None


def audit(
    flow: Any,
    records: RecordStore,
    abandoned: Sequence[AbandonedCall] = (),
    *,
    has_params: bool = True,
) -> list[Finding]:
    """Return what may be wrong with an ended run, each with the number of instances concerned.

    Found are: instances that ended because their last action has no successor, while other actions
    of the node have one; results that are None while others of the same node are not; results that are
    no actions; fallbacks and retries within nodes; errors that ended no instance; node copies that were
    left running; abandoned calls of sync nodes; params that no instance has read; methods of the flow that
    were not called. Takes less than a microsecond per row.
    """
    succeeded = [each for each in records.with_status(SUCCEEDED) if each not in records.restored]
    nodes = _nodes(flow)
    ends = _ends(nodes, records, succeeded)
    return [
        *uncalled(flow, has_params=has_params),
        *_unmatched_ends(nodes, ends, records),
        *_no_results(nodes, ends),
        *_no_actions(records, succeeded),
        *_retries_and_fallbacks(records),
        *_swallowed(records),
        *_left_running(records),
        *_abandoned(abandoned),
        *_unread(records, succeeded),
    ]


# Where instances ended


def _ends(nodes: Nodes, records: RecordStore, succeeded: list[int]) -> dict[_End, list[int]]:
    """Return the instances by where they ended; only those that ended at a top-level node."""
    kinds = {number: kind for kind, number in records.node_ids.items()}
    nested = any(issubclass(kind, Flow) for kind in nodes)
    last_nodes, results = records.nodes, records.results
    found: dict[tuple[int, str | None], list[int]] = {}
    for index in succeeded:
        result = results[index]
        if nested:
            pair = _last_copy(records, index)
        else:  # the copy that began last ended last, and its action is the result
            pair = (last_nodes[index], result) if result is None or type(result) is str else None
        if pair is not None:
            indices = found.get(pair)
            if indices is None:  # `setdefault` would make a list per row
                found[pair] = [index]
            else:
                indices.append(index)
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
                return None  # an action without a number, such as a long text
            return flat[at], records.action_name(flat[at + ACTION])
    return None


def _nodes(flow: Any) -> Nodes:
    """Return the top-level nodes of a flow; a single node is its own only one."""
    if not isinstance(flow, Flow):
        return {type(flow): [{}]}
    found: Nodes = {}
    todo, seen = [flow.start_node], set[int]()
    while todo and len(seen) < _MOST_NODES:
        node = todo.pop()
        if isinstance(node, BaseNode) and id(node) not in seen:
            seen.add(id(node))
            ways = ways_of(node)
            found.setdefault(type(node), []).append(ways)
            todo.extend(ways.values())
    return found


def _unmatched_ends(
    nodes: Nodes, ends: dict[_End, list[int]], records: RecordStore
) -> Iterator[Finding]:
    """Find actions without a successor, at nodes that have successors for other actions."""
    unmatched = [end for end in ends if _is_unmatched(nodes, end)]
    # A chat ends like this. If every instance does, it is intended.
    intended = all(end.action is None or is_ending(end.action) for end in unmatched)
    if intended and len(unmatched) == len(ends):
        return
    # A node may return any text as its action.
    secrets = secrets_of_run(records) if unmatched else frozenset()
    for end in unmatched:
        indices, name = ends[end], end.kind.__name__
        returned = "nothing" if end.action is None else _quoted(masked(end.action, secrets))
        known = (way for ways in nodes[end.kind] for way, to in ways.items() if to is not None)
        names = sorted(set(map(str, known)))
        others = ", ".join(map(_quoted, names))
        yield Finding(
            f"{subject_text(indices)} ended at {name}, which returned {returned}: that leads nowhere.",
            f"It has successors for {others}; these did not run.",
            f"If the flow should end there, ignore this. Otherwise add a successor, or return {others}.",
            # A missing successor may be meant to end the flow; a misspelt action is not.
            note=end.action is not None and not meant_by(end.action, names),
            **concerned(indices),
        )


def _is_unmatched(nodes: Nodes, end: _End) -> bool:
    action = end.action or "default"
    return all(successors and action not in successors for successors in nodes[end.kind])


def _no_results(nodes: Nodes, ends: dict[_End, list[int]]) -> Iterator[Finding]:
    """Find instances with the result None that ended at a node where others have a result."""
    with_one = {
        end.kind for end in ends if end.action is not None and not _is_unmatched(nodes, end)
    }
    for end, indices in ends.items():
        if end.action is None and end.kind in with_one and not _is_unmatched(nodes, end):
            yield Finding(
                f"{subject_text(indices)} ended at {end.kind.__name__} with the result None, where "
                "others have one.",
                "The result is the last action; a post without a return returns None.",
                note=True,
                **concerned(indices),
            )


def _no_actions(records: RecordStore, succeeded: list[int]) -> Iterator[Finding]:
    """Find instances whose last node returned what PocketFlow cannot look up."""
    found: dict[tuple[int, type], list[int]] = {}
    for index in succeeded:
        kind = type(records.results[index])
        if kind.__hash__ is None:
            found.setdefault((records.nodes[index], kind), []).append(index)
    for (node, kind), indices in found.items():
        yield Finding(
            f"{subject_text(indices)} ended at {records.node_names[node]}, whose post returned a "
            f"{kind.__name__}, which is no action.",
            NO_ACTION_WHY,
            NO_ACTION_INSTEAD,
            note=True,
            **concerned(indices),
        )


# What happened within instances


def _retries_and_fallbacks(records: RecordStore) -> Iterator[Finding]:
    """Find nodes that used their fallback, and nodes that retried."""
    fell_back: dict[str, list[int]] = {}
    retried: dict[str, list[int]] = {}
    count: dict[str, int] = {}
    for index in sorted(records._extras):
        extras = records._extras[index]
        if not any("tries" in extra for extra in extras.values()):
            continue
        flat, _ = records.trace_of(index)
        for at in sorted(extras):
            retries, fallbacks = extras[at].get("tries", (0, 0))
            name = records.node_names[flat[at]]
            if fallbacks:
                _add(fell_back, name, index)
            if retries:
                _add(retried, name, index)
                count[name] = count.get(name, 0) + retries
    for name, indices in fell_back.items():
        yield Finding(
            f"{subject_text(indices)} went on with the fallback of {name}.",
            "Its exec failed there; the nodes after it got what exec_fallback returned.",
            **concerned(indices),
        )
    for name, indices in retried.items():
        times = "once" if count[name] == 1 else f"{count[name]:,} times"
        yield Finding(
            f"{name} tried again {times}, in {indices_text(tuple(indices[:SHOWN]), len(indices))}.",
            "Each retry is one more call of its exec.",
            note=True,
            **concerned(indices),
        )


def _add(by_name: dict[str, list[int]], name: str, index: int) -> None:
    indices = by_name.setdefault(name, [])
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
            f"{subject_text(indices)} succeeded although {name} raised an error there.",
            "The error was caught, by an except or by a gather that returns exceptions.",
            "The node copy has the error: run[i].copies.",
            **concerned(indices),
        )


def _left_running(records: RecordStore) -> Iterator[Finding]:
    """Find failed instances of which other node copies were still running."""
    indices = [
        index for index in records.with_status(FAILED) if _has_running_copies(records, index)
    ]
    if indices:
        yield Finding(
            f"{subject_text(indices)} failed while other nodes of theirs were still running."
            if len(indices) > 1
            else f"{subject_text(indices)} failed while other nodes of it were still running.",
            "On the first failure, PocketFlow's parallel batches leave the others running; their "
            "calls are paid for, and their results are lost.",
            **concerned(indices),
        )


def _has_running_copies(records: RecordStore, index: int) -> bool:
    flat, _ = records.trace_of(index)
    return any(ended != ended for ended in flat[ENDED::FIELDS])  # noqa: PLR0124 - NaN


def _abandoned(calls: Sequence[AbandonedCall]) -> Iterator[Finding]:
    """Find the nodes with abandoned calls that have not returned."""
    by_node: dict[str, list[AbandonedCall]] = {}
    for call in calls:
        by_node.setdefault(call.node, []).append(call)
    for name, found in by_node.items():
        indices = sorted({call.index for call in found})
        since = time.strftime("%H:%M:%S", time.localtime(min(call.since for call in found)))
        text = indices_text(tuple(indices[:SHOWN]), len(indices))
        yield Finding(
            f"A call of {name} in {text} was abandoned at {since} and has not returned."
            if len(found) == 1
            else f"{len(found):,} calls of {name} in {text} were abandoned, the first at {since}, and "
            "have not returned.",
            "Each keeps a thread, and what it has open, until it returns; then its output is dropped.",
            "Give such calls a timeout of their own.",
            **concerned(indices),
        )


def _unread(records: RecordStore, succeeded: list[int]) -> Iterator[Finding]:
    """Find params that no instance has read."""
    read: set[Any] = set()
    for number in {records.read[index] for index in succeeded}:
        keys = records.read_sets.keys(number)
        if keys is None:
            return  # too many different sets of keys were read to keep them apart
        read |= keys
    params: dict[Any, Any] = {}
    rows = records.rows
    for index in succeeded:
        if records.keeps(index):
            params.update(rows[index])
    if records.index is not None:
        read |= set(index_names(records.index))  # they are there to identify the rows
    unread = [key for key in params if isinstance(key, str) and key not in read]
    if unread:
        names = ", ".join(map(_quoted, unread[:_MOST_PARAMS]))
        left = len(unread) - _MOST_PARAMS
        yield Finding(
            f"No instance has read the param{'s' * (len(unread) > 1)} {names}"
            + (f" and {left:,} more." if left > 0 else "."),
            "They have changed nothing." if len(unread) > 1 else "It has changed nothing.",
            "If you expected otherwise, compare it with the names that the nodes read.",
            note=True,
        )


def _quoted(text: str) -> str:
    return f'"{text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"}"'
