"""Counts from the traces of a run how often and how long each node ran, and which edges were taken."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..records.status import CANCELLED, RUNNING, SUCCEEDED
from ..records.store import RecordStore
from ..records.trace import FIELDS, NO_ACTION, OPEN, actions_of, times_of, unpacked
from .topology import DEFAULT, TOP, Topology

Step = tuple[int, Any]
"""The number of a node, or of a node class that has one node; and its action, or `OPEN` if it raised."""

Extras = dict[int, dict[str, Any]]


class _Copy(NamedTuple):
    """A node copy of a trace, placed in the graph.

    Attributes:
        step: its node and its action.
        via: the number of the edge that led to it; None if it is not known.
        seconds: how long it ran; NaN if it has not ended.
        is_reused: whether its output was that of an earlier exec.
    """

    step: Step
    via: int | None
    seconds: float
    is_reused: bool


_UNPLACED = -2  # in place of the node of a copy that belongs to no node of the graph
_OTHER = "(other)"  # actions without a number that no successor has
_PLAIN = (bool, int, float, bytes, list, dict, tuple, set)
_MOST_LIVE = 1_000  # copies of running instances, which every tally counts anew
_MOST_ATTEMPTS = 255  # of a row that are counted, since a byte holds their number
_KEPT_TIMES = 256  # least number of times of a node, if it has more, whose median is taken


class NodeTimes:
    """How long the copies of one node ran.

    Attributes:
        total: the sum, in seconds.
    """

    __slots__ = ("_count", "_kept", "_step", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._kept: list[float] = []
        self._count, self._step = 0, 1

    def add(self, seconds: Sequence[float]) -> None:
        """Add the times of some copies."""
        self.total += sum(seconds)
        self._kept += seconds[-self._count % self._step :: self._step]
        self._count += len(seconds)
        while len(self._kept) > 2 * _KEPT_TIMES:
            del self._kept[1::2]
            self._step *= 2

    @property
    def median(self) -> float:
        """The median in seconds, of an even sample if there are many copies."""
        return sorted(self._kept)[len(self._kept) // 2]


@dataclass
class EdgeCounts:
    """Counts per node and edge, by their numbers in `Topology`.

    Attributes:
        passed: per node, how many of its copies returned.
        raised: per node, how many of its copies raised.
        taken: per edge, how often it was followed.
        ended: per node and action, how often a walk ended there, at nodes without successors too.
        running: per node, how many of its copies run; None if too many instances run to tell.
        failed: per edge, how many of the copies that it led to raised.
        times: how long the copies of each node ran that returned or raised.
        reused: per node, how many of its copies took the output of an earlier exec.
        unplaced: how many copies belong to no node of the graph, as those of a flow that overrides
            its orchestration.
    """

    passed: list[int]
    raised: list[int]
    taken: list[int]
    ended: dict[int, dict[str, int]] = field(default_factory=dict)
    running: list[int] | None = None
    failed: Counter[int] = field(default_factory=Counter)
    times: dict[int, NodeTimes] = field(default_factory=dict)
    reused: Counter[int] = field(default_factory=Counter)
    unplaced: int = 0


class Traffic:
    """Counts what the instances of one run do in a graph.

    Every attempt of a row is counted once, when it has ended. Node copies that were cancelled are not
    counted. Edges are counted by the action: a flow that overrides `get_next_node` may have followed
    another one.
    """

    def __init__(self, topology: Topology, records: RecordStore) -> None:
        self._topology = topology
        self._records = records
        self._counted = bytearray()
        """Per row, how many of its attempts are counted."""
        self._by_class: Counter[Step] = Counter()
        self._by_node: Counter[Step] = Counter()
        self._failed_edges: Counter[int] = Counter()
        self._reused: Counter[int] = Counter()
        self._times: defaultdict[int, NodeTimes] = defaultdict(NodeTimes)
        self._classes = -1
        """How many node classes had numbers when the next two were filled."""
        self._nodes: dict[tuple[int, int], list[int]] = {}
        """The nodes by their level and the number of their class."""
        self._node_of_class: dict[int, int] = {}
        """A node by the number of its class, which has no other unless `_ambiguous`."""
        self._edge_actions = {edge.action for edge in topology.edges}
        kinds = [node.type for node in topology.nodes]
        self._ambiguous = len(set(kinds)) < len(kinds)
        """Whether several nodes have the same class."""

    def add(self, rows: Iterable[int]) -> None:
        """Count the attempts of some rows that have ended and are not counted yet."""
        records, counted = self._records, self._counted
        status, history = records.status, records.history
        packs: list[bytes] = []
        self._update_nodes()
        counted.extend(bytes(max(0, len(status) - len(counted))))
        for index in rows:
            code = status[index]
            if code <= RUNNING:
                continue
            earlier = history.get(index, ()) if history else ()
            attempts = min(_MOST_ATTEMPTS, earlier[-1].number + 2 if earlier else 1)
            before = counted[index]
            if before >= attempts:
                continue
            counted[index] = attempts
            for each in earlier:
                if each.number >= before:
                    self._count(each.packed, each.extras or {}, each.code, packs)
            self._count(*records.packed_trace_of(index), code, packs)
        joined = b"".join(packs)
        self._by_class.update(actions_of(joined))
        seconds: defaultdict[int, list[float]] = defaultdict(list)
        for kind, began, ended in times_of(joined):
            seconds[kind].append(ended - began)
        for kind, times in seconds.items():
            if kind in self._node_of_class:
                self._times[self._node_of_class[kind]].add(times)

    def _count(self, packed: bytes, extras: Extras, code: int, packs: list[bytes]) -> None:
        if not self._ambiguous and code == SUCCEEDED and not (extras and _needs_placing(extras)):
            packs.append(packed)
            return
        for step, via, seconds, is_reused in self._placed(unpacked(packed), extras):
            node, action = step
            self._reused[node] += is_reused
            if action == OPEN:
                if code == CANCELLED:
                    continue
                if via is not None:
                    self._failed_edges[via] += 1
            self._by_node[step] += 1
            if node != _UNPLACED and seconds >= 0:  # not NaN
                self._times[node].add((seconds,))

    def _placed(self, fields: Sequence[Any], extras: Extras) -> Iterator[_Copy]:
        """Yield the node copies of a trace.

        If several nodes have the same class, the copy before it tells which one it is: the successor
        for that copy's action is the next to begin. This holds for parallel walks too, since nothing
        is awaited between the two.
        """
        node_at: dict[int, int] = {}
        expected: dict[int, list[tuple[float, int, int]]] = {}
        """By parent, the nodes that are next to begin: the end of the copy before, node, edge."""
        for at in range(0, len(fields), FIELDS):
            kind, parent, action, began, ended = fields[at : at + FIELDS]
            level = TOP if parent < 0 else node_at[parent]
            candidates = self._nodes.get((level, kind), ())
            due = expected.setdefault(parent, [])
            matching = [each for each in due if each[1] in candidates and each[0] <= began]
            if matching:
                latest = max(matching)
                due.remove(latest)
                _, node, via = latest
            else:
                via = None
                start = self._topology.start(level)
                only = candidates[0] if len(candidates) == 1 else _UNPLACED
                node = start if start is not None and start in candidates else only
            node_at[at] = node
            name = action if action == OPEN else self._action_name(action, extras.get(at))
            yield _Copy((node, name), via, ended - began, "reused" in extras.get(at, ()))
            edge = None if name == OPEN else self._topology.edge(node, name)
            if edge is not None:
                due.append((ended, self._topology.edges[edge].end, edge))

    def _action_name(self, action: int, extra: dict[str, Any] | None) -> str:
        if action != NO_ACTION:
            return self._records.action_name(action) or DEFAULT
        value = (extra or {}).get("action")
        if type(value) is str and value:
            return value if value in self._edge_actions else _OTHER
        # PocketFlow takes any false value for no action. Only plain ones are tested: the truth value
        # of other objects is the user's code.
        plain = value is None or type(value) in _PLAIN
        return DEFAULT if plain and not value else _OTHER

    def edge_counts(self) -> EdgeCounts:
        """Return the counts so far, with what the running instances have done.

        If those have run very many node copies, they are counted when they have ended.
        """
        self._update_nodes()
        sums: Counter[Step] = Counter()
        # Copied first, since a page that reloads calls this in another thread.
        for (kind, action), count in dict(self._by_class).items():
            node = self._node_of_class.get(kind, _UNPLACED)
            sums[node, action if action == OPEN else self._action_name(action, None)] += count
        sums.update(dict(self._by_node))
        running: Counter[int] | None = None
        reused = self._reused.copy()
        live = list(self._records.live.values())
        if sum(map(len, live)) <= FIELDS * _MOST_LIVE:
            running = Counter()
            for trace in live:
                for step, _, seconds, is_reused in self._placed(tuple(trace), trace.extras or {}):
                    node, action = step
                    reused[node] += is_reused
                    if action != OPEN:
                        sums[step] += 1
                    elif seconds != seconds:  # noqa: PLR0124 - NaN: it has not raised
                        running[node] += 1
        return self._edge_counts(sums, running, reused)

    def _update_nodes(self) -> None:
        """Look up the nodes of classes that have received numbers since the last time."""
        numbers = self._records.node_ids
        if len(numbers) == self._classes:
            return
        self._classes = len(numbers)
        self._nodes = {}
        self._node_of_class = {}
        for node in self._topology.nodes:
            number = numbers.get(node.type)
            if number is not None:
                self._nodes.setdefault((node.level, number), []).append(node.number)
                self._node_of_class[number] = node.number

    def _edge_counts(
        self, sums: Counter[Step], running: Counter[int] | None, reused: Counter[int]
    ) -> EdgeCounts:
        topology = self._topology
        n = len(topology.nodes)
        counts = EdgeCounts(
            [0] * n,
            [0] * n,
            [0] * len(topology.edges),
            running=None if running is None else [running[node] for node in range(n)],
            failed=self._failed_edges.copy(),
            times=dict(self._times),
            reused=reused,
        )
        for (node, name), count in sums.items():
            if node == _UNPLACED:
                counts.unplaced += count
            elif name == OPEN:
                counts.raised[node] += count
            else:
                counts.passed[node] += count
                edge = topology.edge(node, name)
                if edge is None:
                    ends = counts.ended.setdefault(node, {})
                    ends[name] = ends.get(name, 0) + count
                else:
                    counts.taken[edge] += count
        return counts


def _needs_placing(extras: Extras) -> bool:
    """Whether some copy's action has no number, or its output was reused."""
    return any("action" in each or "reused" in each for each in extras.values())
