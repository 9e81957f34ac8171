"""How often each node of a graph was run, and each of its edges taken, by the traces of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..records.status import CANCELLED, RUNNING
from ..records.store import RecordStore
from ..records.trace import FIELDS, NO_ACTION, OPEN, actions_of, unpacked
from .topology import DEFAULT, TOP, Topology

Step = tuple[int, Any]
"""A node or, where that tells it, a node class, by number; and an action, or `OPEN`: it raised."""

Extras = dict[int, dict[str, Any]]

_UNPLACED = -2  # the node of a copy that stands nowhere in the graph
_OTHER = "(other)"  # actions that are not numbered and that no successor has
_PLAIN = (bool, int, float, bytes, list, dict, tuple, set)
_MOST_LIVE = 1_000  # copies of running instances, which are counted anew for each tally
_MOST_ATTEMPTS = 255  # of a row, that are counted


@dataclass
class EdgeCounts:
    """What was counted, by the numbers that nodes and edges have in `Topology`.

    Attributes:
        passed, raised: per node, how many of its copies returned, and how many raised.
        taken: per edge, how often it was followed.
        ended: per node and action, how often a walk ended there; at nodes without successors too.
        unplaced: copies that stand nowhere in the graph. Of a flow that orchestrates itself, all.
    """

    passed: list[int]
    raised: list[int]
    taken: list[int]
    ended: dict[int, dict[str, int]] = field(default_factory=dict)
    unplaced: int = 0


class Traffic:
    """Counts what the instances of one run do in a graph.

    Every attempt counts, the earlier ones of a row that was taken up again too, and each once, when
    it has ended. What an instance did not return from because it was cancelled counts nowhere. Edges
    are counted by the action: a flow with a `get_next_node` of its own may have gone elsewhere.
    """

    def __init__(self, topology: Topology, records: RecordStore) -> None:
        self._topology = topology
        self._records = records
        self._counted = bytearray()
        """Of each row, how many of its attempts are counted, up to 255."""
        self._by_class: Counter[Step] = Counter()
        self._by_node: Counter[Step] = Counter()
        self._known = -1
        """How many node classes had numbers when the next two were made."""
        self._nodes: dict[tuple[int, int], list[int]] = {}
        """By level and number of the class, the nodes."""
        self._anywhere: dict[int, int] = {}
        """By number of the class, the node, if a class tells it."""
        self._named = {edge.action for edge in topology.edges}
        kinds = [node.type for node in topology.nodes]
        self._alike = len(set(kinds)) < len(kinds)
        """Whether a class does not tell which node it is."""

    def add(self, rows: Iterable[int]) -> None:
        """Count those of some rows that have ended, as far as they are not counted already."""
        records, counted = self._records, self._counted
        status, history = records.status, records.history
        packs: list[bytes] = []
        self._learn()
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
        self._by_class.update(actions_of(b"".join(packs)))

    def _count(self, packed: bytes, extras: Extras, code: int, packs: list[bytes]) -> None:
        if not self._alike and code != CANCELLED and not (extras and _are_odd(extras)):
            packs.append(packed)
            return
        steps = self._steps(unpacked(packed), extras)
        if code == CANCELLED:
            steps = (step for step in steps if step[1] != OPEN)
        self._by_node.update(steps)

    def _steps(self, fields: Sequence[Any], extras: Extras) -> Iterator[Step]:
        """Find out, copy by copy, which node each is a copy of, and what its action is called.

        Where a class tells no node, the action before it does: the copy that begins next is that of
        its successor. So it is among parallel walks too: nothing else happens between the two.
        """
        places: dict[int, int] = {}
        followed: dict[int, list[tuple[float, int]]] = {}
        for at in range(0, len(fields), FIELDS):
            kind, parent, action, began, ended = fields[at : at + FIELDS]
            level = TOP if parent < 0 else places[parent]
            alike = self._nodes.get((level, kind), ())
            due = followed.setdefault(parent, [])
            led = [each for each in due if each[1] in alike and each[0] <= began]
            if led:
                came = max(led)
                due.remove(came)
                node = came[1]
            else:
                start = self._topology.start(level)
                only = alike[0] if len(alike) == 1 else _UNPLACED
                node = start if start is not None and start in alike else only
            places[at] = node
            name = action if action == OPEN else self._called(action, extras.get(at))
            yield node, name
            edge = None if name == OPEN else self._topology.edge(node, name)
            if edge is not None:
                due.append((ended, self._topology.edges[edge].end))

    def _called(self, action: int, extra: dict[str, Any] | None) -> str:
        if action != NO_ACTION:
            return self._records.action_name(action) or DEFAULT
        odd = (extra or {}).get("action")
        if type(odd) is str and odd:
            return odd if odd in self._named else _OTHER
        # Whatever else is false leads where no action leads; asking other objects is not ours to do.
        plain = odd is None or type(odd) in _PLAIN
        return DEFAULT if plain and not odd else _OTHER

    def edge_counts(self) -> EdgeCounts:
        """Return what was counted so far, and what the running instances have done.

        Where those have done very much, it is counted when they end.
        """
        self._learn()
        sums: Counter[Step] = Counter()
        # Of copies: a page that reloads asks in a thread of its own.
        for (kind, action), count in dict(self._by_class).items():
            found = self._anywhere.get(kind, _UNPLACED)
            sums[found, action if action == OPEN else self._called(action, None)] += count
        sums.update(dict(self._by_node))
        live = list(self._records.live.values())
        if sum(map(len, live)) <= FIELDS * _MOST_LIVE:
            for trace in live:
                steps = self._steps(tuple(trace), trace.extras or {})
                sums.update(step for step in steps if step[1] != OPEN)
        return self._told(sums)

    def _learn(self) -> None:
        """Find the nodes of the classes that have got numbers meanwhile."""
        numbers = self._records.node_ids
        if len(numbers) == self._known:
            return
        self._known = len(numbers)
        self._nodes = {}
        self._anywhere = {}
        for node in self._topology.nodes:
            number = numbers.get(node.type)
            if number is not None:
                self._nodes.setdefault((node.level, number), []).append(node.number)
                self._anywhere[number] = node.number

    def _told(self, sums: Counter[Step]) -> EdgeCounts:
        topology = self._topology
        n = len(topology.nodes)
        counts = EdgeCounts([0] * n, [0] * n, [0] * len(topology.edges))
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


def _are_odd(extras: Extras) -> bool:
    """Whether some copy's action is not among the numbered ones."""
    return any("action" in each for each in extras.values())
