"""The flow's graph as the page is told of it, and what is counted in it while it runs.

The graph itself travels with the whole state; of the counts, those that have changed travel with
the deltas, a few times a second. Counting goes on in slices, on the kernel's loop.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from typing import Any

from ...flow.topology import Topology
from ...flow.traffic import Traffic
from ...records.store import RecordStore
from ...text.formatting import truncate
from ...text.redact import masked, secrets_of
from ..shell import name_of
from .protocol import Graph, GraphCounts

MOST_NODES = 150
"""Of a graph, how many nodes the page is told of."""

_MOST_EDGES = 500
_NAME = 60  # characters of a node's name; the header's names of nodes are cut there too
_ACTION = 40
_MOST_ENDS = 3  # actions that are named of those that led nowhere from a node
_SLICE = 1_000  # rows, which take a millisecond or two
_MOST_ROWS = 20_000  # of them; copying more at once would be felt
_EVERY = 0.25  # seconds between two messages that tell of counts, at least,
_EACH = 0.002  # and for each node and each edge


class GraphState:
    """Knows a flow's graph, and counts in it what the instances of a run have done.

    Args:
        soon: called with what is to be done in a moment, when the loop has done other things.
        ready: called when there is news that took its time.
    """

    def __init__(
        self, *, soon: Callable[[Callable[[], None]], None], ready: Callable[[], None]
    ) -> None:
        self._soon = soon
        self._ready = ready
        self._stepping = False
        self._show(None, None)

    def load(self, flow: Any) -> None:
        """Show the graph of a flow that does not run yet; None: of none."""
        self._show(flow, None)

    def watch(self, flow: Any, records: RecordStore) -> None:
        """Show a flow that runs, and count from now on; what has ended already is caught up with."""
        self._show(flow, records)
        self.note(())

    def _show(self, flow: Any, records: RecordStore | None) -> None:
        self._records = records
        self._topology = None if flow is None else Topology(flow)
        self._traffic = (
            None if records is None or self._topology is None else Traffic(self._topology, records)
        )
        self._changed: set[int] = set()
        self._all = range(0 if records is None or not records.counts.ended else len(records))
        """Of all rows, those that are still to be looked at because so many have changed."""
        self._sent: GraphCounts = _NO_COUNTS
        self._news = False
        self._next = 0.0
        self._secrets: set[str] | None = None
        self._edges: list[int] = []
        """The numbers of the edges that the page is told of."""
        if self._topology is not None:
            told = [
                number
                for number, edge in enumerate(self._topology.edges)
                if edge.start < MOST_NODES and edge.end < MOST_NODES
            ]
            self._edges = told[:_MOST_EDGES]

    # Counting

    def note(self, rows: Collection[int]) -> None:
        """Note which rows have changed, and count them: a slice now, the others soon."""
        if self._traffic is None or self._records is None:
            return
        if len(rows) > _MOST_ROWS:
            self._all = range(len(self._records))
        else:
            self._changed.update(rows)
        if not self._stepping:
            self._step()

    def _step(self) -> None:
        put_off, self._stepping = self._stepping, False
        if self._traffic is None:
            return
        changed = self._changed
        rows = [changed.pop() for _ in range(min(len(changed), _SLICE))]
        room = _SLICE - len(rows)
        rows += self._all[:room]
        self._all = self._all[room:]
        self._traffic.add(rows)
        self._news = self._news or bool(rows)
        if self.behind:
            self._stepping = True
            self._soon(self._step)
        elif put_off:
            self._ready()

    @property
    def behind(self) -> int:
        """How many rows are still to be looked at."""
        return len(self._changed) + len(self._all)

    # What goes out

    @property
    def waiting(self) -> bool:
        """Whether something was counted that no message has told of."""
        return self._news

    def trait(self) -> Graph:
        """Return all there is to know at this moment."""
        topology = self._topology
        if topology is None:
            return {"nodes": [], "edges": [], "left": 0, "counts": _NO_COUNTS}
        left = max(0, len(topology.nodes) - MOST_NODES)
        return {
            "nodes": [
                {
                    "name": truncate(node.name, _NAME),
                    "kind": node.kind,
                    "level": node.level,
                    "where": "" if node.place is None else truncate(node.place.text(name_of), 120),
                }
                for node in topology.nodes[:MOST_NODES]
            ],
            "edges": [
                [edge.start, edge.end, truncate(edge.action, _ACTION)]
                for edge in (topology.edges[number] for number in self._edges)
            ],
            "left": left,
            "counts": self._counts(),
        }

    def all_sent(self) -> None:
        """Note that all of it goes out."""
        self._news = False

    def news(self, now: float) -> GraphCounts | None:
        """Return the counts to send, and note that they go out; None: nothing is new, or not yet.

        Args:
            now: seconds, of any clock.
        """
        if now < self._next or self._traffic is None:
            return None
        counts, sent = self._counts(), self._sent
        entries = len(counts["nodes"]) + len(counts["edges"])
        self._next = now + _EVERY + _EACH * entries
        self._news = False
        if counts == sent:
            return None
        self._sent = counts
        known_nodes = {tuple(entry) for entry in sent["nodes"]}
        known_edges = {tuple(entry) for entry in sent["edges"]}
        return {
            **counts,
            "nodes": [entry for entry in counts["nodes"] if tuple(entry) not in known_nodes],
            "edges": [entry for entry in counts["edges"] if tuple(entry) not in known_edges],
        }

    def _counts(self) -> GraphCounts:
        if self._traffic is None or self._topology is None:
            return _NO_COUNTS
        edge_counts = self._traffic.edge_counts()
        nodes = range(min(MOST_NODES, len(self._topology.nodes)))
        going_on = {edge.start for edge in self._topology.edges}
        return {
            "nodes": [
                [
                    number,
                    edge_counts.passed[number],
                    edge_counts.raised[number],
                    sum(edge_counts.ended.get(number, {}).values()) if number in going_on else 0,
                    self._ends(edge_counts.ended.get(number, {})) if number in going_on else "",
                ]
                for number in nodes
            ],
            "edges": [[i, edge_counts.taken[number]] for i, number in enumerate(self._edges)],
            "unplaced": edge_counts.unplaced,
            "behind": self.behind,
        }

    def _ends(self, ended: dict[str, int]) -> str:
        """Say with which actions walks have ended at a node that has successors."""
        ends = heapq.nsmallest(_MOST_ENDS, ended.items(), key=lambda each: (-each[1], each[0]))
        words = [f"{self._said(action)} {count:,}" for action, count in ends]
        more = len(ended) - len(words)
        return ", ".join([*words, *([f"and {more:,} others"] if more else [])])

    def _said(self, action: str) -> str:
        # Some flows return a model's answer as their action.
        if self._secrets is None:
            self._secrets = set() if self._records is None else set(self._records.secrets)
            for index in range(min(_SLICE // 10, len(self._records or ()))):
                self._secrets |= secrets_of(self._records.merged(index))  # type: ignore[union-attr]
        return truncate(masked(action, self._secrets), _ACTION)


_NO_COUNTS: GraphCounts = {"nodes": [], "edges": [], "unplaced": 0, "behind": 0}
