"""Checks of a flow and its batch, made before anything is spent on a run.

`check` returns findings. The source of the nodes is read and never run; what cannot be read is not
reported on.

It may import what `flow` may import.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...limits.limits import Limits
from ...records.batch import BatchLike, as_batch
from ..finding import Finding
from ..graph import check_flow
from . import graph_rules, param_rules
from .fan_out import fan_out
from .placed_nodes import placed_nodes

__all__ = ["check"]


def check(
    flow: Any,
    params: BatchLike | None = None,
    *,
    limit: int = Limits.concurrency,
    threads: bool = True,
) -> list[Finding]:
    """Return what is likely to go wrong when a flow runs over a batch. Nothing is run.

    Args:
        flow: any PocketFlow flow or single node.
        params: the batch, as `batchflow` takes it; None, or a generator, is not looked at.
        limit: what the run will be given.
        threads: ditto.

    Raises:
        FlowError, BatchError: they cannot be run at all.
    """
    check_flow(flow)
    rows = None if params is None else as_batch(params).rows
    found = list(_findings(flow, rows, limit, threads=threads and graph_rules.has_threads()))
    return sorted(found, key=lambda each: each.note)


def _findings(flow: Any, rows: Any, limit: int, *, threads: bool) -> Iterator[Finding]:
    found = placed_nodes(flow)
    counts: dict[int, int | None] = {}
    said: set[tuple[str, str]] = set()
    for placed in found:
        for each in (
            *graph_rules.async_in_sync(placed),
            *graph_rules.no_attempts(placed),
            *graph_rules.actions(placed),
            *graph_rules.shared_attributes(placed),
            *graph_rules.blocked_loop(placed, threads=threads),
            *graph_rules.erased_params(placed),
            *fan_out(placed, limit, counts),
        ):
            # A graph may hold many nodes of one class.
            if (each.node, each.what) not in said:
                said.add((each.node, each.what))
                yield each
    if rows is not None:
        yield from param_rules.missing(found, rows, vars(flow).get("params") or {})
        yield from param_rules.unread(found, rows)
