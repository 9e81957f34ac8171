"""The flow's graph for the page, and the counts in it while the flow runs.

The graph is a part of the whole state; deltas have the counts that have changed, a few times a second.
Rows are counted in slices, on the kernel's loop.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from typing import Any

from ...flow.topology import Topology
from ...flow.traffic import Traffic
from ...records.row_secrets import secrets_of_run
from ...records.store import RecordStore
from ...text.formatting import truncate
from ...text.redact import masked
from ..shell import name_of
from .protocol import Graph, GraphCounts

MAX_NODES = 150
"""How many nodes of a graph are sent."""

_MAX_EDGES = 500
_MAX_NAME = 60  # characters of a node's name, as in the header
_MAX_ACTION = 40
_MAX_ENDS = 3  # actions listed for a node at which walks have ended
_SLICE = 1_000  # rows counted at once, which takes a millisecond or two
_MAX_CHANGED = 20_000  # changed rows that are kept one by one
_INTERVAL = 0.25  # minimum number of seconds between two messages with counts,
_INTERVAL_PER_COUNT = 0.002  # and in addition for each node and each edge


class GraphState:
    """Has a flow's graph, and counts what the instances of a run do in it.

    Args:
        call_soon: calls a function after other callbacks of the loop have had their turn.
        on_ready: called when rows have been counted that took several turns of the loop.
    """

    def __init__(
        self, *, call_soon: Callable[[Callable[[], None]], None], on_ready: Callable[[], None]
    ) -> None:
        self._call_soon = call_soon
        self._on_ready = on_ready
        self._counting = False
        self._show(None, None)

    def load(self, flow: Any) -> None:
        """Show the graph of a flow that does not run yet; an empty one for None."""
        self._show(flow, None)

    def watch(self, flow: Any, records: RecordStore) -> None:
        """Show the graph of a flow that runs, and count its rows, including those that have ended."""
        self._show(flow, records)
        self.mark_changed(())

    def _show(self, flow: Any, records: RecordStore | None) -> None:
        self._records = records
        self._topology = None if flow is None else Topology(flow)
        self._traffic = (
            None if records is None or self._topology is None else Traffic(self._topology, records)
        )
        self._changed: set[int] = set()
        self._remaining = range(0 if records is None or not records.counts.ended else len(records))
        """The rows to count while all rows are counted again."""
        self._sent: GraphCounts = _NO_COUNTS
        self._has_changes = False
        self._next_at = 0.0
        self._secrets: frozenset[str] | None = None
        self._edges: list[int] = []
        """The numbers of the edges that are sent."""
        if self._topology is not None:
            edges = [
                number
                for number, edge in enumerate(self._topology.edges)
                if edge.start < MAX_NODES and edge.end < MAX_NODES
            ]
            self._edges = edges[:_MAX_EDGES]

    # Counting

    def mark_changed(self, rows: Collection[int]) -> None:
        """Count rows that have changed: a slice now, the rest later."""
        if self._traffic is None or self._records is None:
            return
        if len(rows) > _MAX_CHANGED:
            self._remaining = range(len(self._records))
        else:
            self._changed.update(rows)
        if not self._counting:
            self._count()

    def _count(self) -> None:
        continued, self._counting = self._counting, False
        if self._traffic is None:
            return
        changed = self._changed
        rows = [changed.pop() for _ in range(min(len(changed), _SLICE))]
        room = _SLICE - len(rows)
        rows += self._remaining[:room]
        self._remaining = self._remaining[room:]
        self._traffic.add(rows)
        self._has_changes = self._has_changes or bool(rows)
        if self.uncounted:
            self._counting = True
            self._call_soon(self._count)
        elif continued:
            self._on_ready()

    @property
    def uncounted(self) -> int:
        """The number of rows that have not been counted yet."""
        return len(self._changed) + len(self._remaining)

    # Sending

    @property
    def has_changes(self) -> bool:
        """Whether rows have been counted since the last message."""
        return self._has_changes

    def state(self) -> Graph:
        """Return the graph with its current counts."""
        topology = self._topology
        if topology is None:
            return {"nodes": [], "edges": [], "omitted": 0, "counts": _NO_COUNTS}
        return {
            "nodes": [
                {
                    "name": truncate(node.name, _MAX_NAME),
                    "kind": node.kind,
                    "level": node.level,
                    "where": "" if node.place is None else truncate(node.place.text(name_of), 120),
                }
                for node in topology.nodes[:MAX_NODES]
            ],
            "edges": [
                [edge.start, edge.end, truncate(edge.action, _MAX_ACTION)]
                for edge in (topology.edges[number] for number in self._edges)
            ],
            "omitted": max(0, len(topology.nodes) - MAX_NODES),
            "counts": self._counts(),
        }

    def mark_sent(self) -> None:
        """Note that the whole graph is being sent."""
        self._sent = self._counts()
        self._has_changes = False

    def take_changes(self, now: float) -> GraphCounts | None:
        """Return the counts to send, and note that they are being sent.

        Args:
            now: the time in seconds, of any clock.

        Returns:
            None if no count has changed, or if it is too early for another message.
        """
        if now < self._next_at or self._traffic is None:
            return None
        counts, sent = self._counts(), self._sent
        entries = len(counts["nodes"]) + len(counts["edges"])
        self._next_at = now + _INTERVAL + _INTERVAL_PER_COUNT * entries
        self._has_changes = False
        if counts == sent:
            return None
        self._sent = counts
        sent_nodes = {tuple(entry) for entry in sent["nodes"]}
        sent_edges = {tuple(entry) for entry in sent["edges"]}
        return {
            **counts,
            "nodes": [entry for entry in counts["nodes"] if tuple(entry) not in sent_nodes],
            "edges": [entry for entry in counts["edges"] if tuple(entry) not in sent_edges],
        }

    def _counts(self) -> GraphCounts:
        if self._traffic is None or self._topology is None:
            return _NO_COUNTS
        counts = self._traffic.edge_counts()
        with_successors = {edge.start for edge in self._topology.edges}
        nodes: list[list[Any]] = []
        for number in range(min(MAX_NODES, len(self._topology.nodes))):
            ended = counts.ended.get(number, {}) if number in with_successors else {}
            times = counts.times.get(number)
            nodes.append(
                [
                    number,
                    counts.passed[number],
                    counts.raised[number],
                    sum(ended.values()),
                    self._ends(ended),
                    None if counts.running is None else counts.running[number],
                    None if times is None else _rounded(times.median),
                    0.0 if times is None else _rounded(times.total),
                    counts.reused[number],
                ]
            )
        return {
            "nodes": nodes,
            "edges": [
                [i, counts.taken[number], counts.failed[number]]
                for i, number in enumerate(self._edges)
            ],
            "unplaced": counts.unplaced,
            "uncounted": self.uncounted,
        }

    def _ends(self, ended: dict[str, int]) -> str:
        """Return the actions with which walks have ended at a node, as text."""
        ends = heapq.nsmallest(_MAX_ENDS, ended.items(), key=lambda each: (-each[1], each[0]))
        words = [f"{self._action_text(action)} {count:,}" for action, count in ends]
        more = len(ended) - len(words)
        return ", ".join([*words, *([f"and {more:,} others"] if more else [])])

    def _action_text(self, action: str) -> str:
        # Some flows return a model's answer as their action, which may contain secrets.
        if self._secrets is None:
            self._secrets = frozenset() if self._records is None else secrets_of_run(self._records)
        return truncate(masked(action, self._secrets), _MAX_ACTION)


def _rounded(seconds: float) -> float:
    """Return seconds as precisely as the page shows them, so that fewer counts change."""
    return float(f"{seconds:.3g}")


_NO_COUNTS: GraphCounts = {"nodes": [], "edges": [], "unplaced": 0, "uncounted": 0}
