"""Checks a flow and its batch before a run: what is likely to go wrong, found by reading the code.

Nothing is run, and nothing is said about source that cannot be read. `reachable_nodes` lists the
nodes of the graph with their source (`node_source`), which `self_usage`, `shared_usage` and
`executed_code` read. The rules are functions that yield findings, in the modules `..._rules`. To add one,
call it in `check`, or in `_findings` if it is about one node.

It may import what `flow` may import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...limits.limits import Limits
from ...records.batch import BatchLike, as_batch
from ..finding import Finding
from ..graph import check_flow
from . import (
    action_rules,
    flow_rules,
    graph_rules,
    param_rules,
    process_rules,
    shared_rules,
    thread_rules,
)
from .node_source import NodeSource
from .reachable_nodes import ReachableNode, reachable_nodes

__all__ = ["check"]


def check(
    flow: Any,
    params: BatchLike | None = None,
    *,
    limit: int = Limits.concurrency,
    threads: bool = True,
    isolate: bool = False,
    fill_shared: bool | str = False,
    merge: Any = None,
    allow_shared: Iterable[Any] = (),
) -> list[Finding]:
    """Return what is likely to go wrong when a flow runs over a batch; notes come last. Nothing is run.

    Args:
        flow: any PocketFlow flow or single node.
        params: the batch, as `batchflow` takes it. A generator is not read; None checks no params.
        limit: the limit that the run will have.
        threads: whether the run will use threads for the `exec` of sync nodes.
        isolate: whether each instance will have its own view of the shared store.
        fill_shared: whether that view will begin with its row; a name as for `batchflow`.
        merge: what will bring back what isolated instances write; None: nothing does.
        allow_shared: keys that instances will use together on purpose.

    Raises:
        FlowError: `flow` cannot be run.
        BatchError: `params` is no batch.
    """
    check_flow(flow)
    text_param = fill_shared if isinstance(fill_shared, str) else ""
    rows = None if params is None else as_batch(params, text_param).rows
    nodes = reachable_nodes(flow)
    findings = [
        *_findings(nodes, limit, threads=threads and graph_rules.has_threads()),
        *flow_rules.uncalled(flow, has_params=params is not None),
    ]
    if not (isolate or fill_shared):
        findings += shared_rules.mixed(nodes, limit, frozenset(allow_shared))
    else:
        findings += shared_rules.uncopied(nodes)
        findings += shared_rules.unmerged(nodes) if merge is None else ()
    if rows is not None:
        findings += [] if fill_shared else shared_rules.unfilled(nodes, rows)
        findings += param_rules.missing(nodes, rows, vars(flow).get("params") or {})
        findings += param_rules.unread(nodes, rows)
        findings += param_rules.shared_containers(rows)
    return sorted(findings, key=lambda each: each.note)


def _findings(nodes: Sequence[ReachableNode], limit: int, *, threads: bool) -> Iterator[Finding]:
    reported: set[tuple[str, str]] = set()
    read: set[NodeSource] = set()
    for reached in nodes:
        code = [] if reached.source in read else _findings_in_code(reached, limit, threads=threads)
        read.add(reached.source)  # nodes of one class share it
        for each in (
            *graph_rules.async_in_sync(reached),
            *graph_rules.wrong_hooks(reached),
            *graph_rules.no_attempts(reached),
            *action_rules.unmatched_actions(reached),
            *action_rules.no_actions(reached),
            *graph_rules.shared_attributes(reached),
            *graph_rules.blocked_loop(reached, threads=threads),
            *graph_rules.erased_params(reached),
            *graph_rules.fan_out(reached, limit),
            *code,
        ):
            # Nodes of one class have the same findings.
            if (each.node, each.what) not in reported:
                reported.add((each.node, each.what))
                yield each
    yield from graph_rules.sync_execs(nodes, threads=threads)


def _findings_in_code(reached: ReachableNode, limit: int, *, threads: bool) -> Iterator[Finding]:
    yield from process_rules.shared_process(reached, limit, threads=threads)
    yield from thread_rules.counted_globals(reached, limit, threads=threads)
    yield from thread_rules.foreign_connections(reached, threads=threads)
    yield from thread_rules.foreign_locals(reached, threads=threads)
