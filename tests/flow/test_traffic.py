"""How often each node was run and each edge taken."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchFlow, Flow, Node

import flowmagic
from flowmagic.flow.topology import Topology
from flowmagic.flow.traffic import NodeTimes, Traffic

from ..virtualtime import virtual

pytestmark = pytest.mark.filterwarnings("ignore:Flow ends")


class Step(AsyncNode):
    """Returns the next of the actions that its params tell; raises where that is an error."""

    async def exec_async(self, prepared):
        await asyncio.sleep(0.1)

    async def post_async(self, shared, prepared, executed):
        ways = self.params["ways"]
        way = ways.pop(0) if ways else None
        if isinstance(way, Exception):
            raise way
        return way


class Kept(list):
    """Is the same object in each attempt; a plain list is as the row was given."""


class Decide(Step): ...


class Search(Step): ...


class Answer(Step): ...


def agent():
    decide, search, answer = Decide(), Search(), Answer()
    decide - "search" >> search
    decide - "answer" >> answer
    search - "back" >> decide
    return AsyncFlow(start=decide)


def twins():
    """The same graph, but all of one class."""
    decide, search, answer = Step(), Step(), Step()
    decide - "search" >> search
    decide - "answer" >> answer
    search - "back" >> decide
    return AsyncFlow(start=decide)


async def counted(flow, rows, **options):
    """Run a flow, and return what was counted of it in the end."""
    run = flowmagic.batchflow(flow, rows, **options)
    await run
    traffic = Traffic(Topology(flow), run.records)
    traffic.add(range(len(rows)))
    return traffic.edge_counts()


def edges(flow, edge_counts):
    topology = Topology(flow)
    return {
        (topology.nodes[edge.start].name, edge.action): edge_counts.taken[number]
        for number, edge in enumerate(topology.edges)
    }


@virtual
async def test_edges_and_ends_are_counted_by_the_actions():
    """A loop, a branch, a raise, and an action that leads nowhere."""
    flow = agent()
    ways = [
        ["search", "back", "answer", "done"],
        ["answer"],
        ["search", ValueError("no")],
        ["mistyped"],
        ["search", ["no", "text"]],
        [""],
    ]
    edge_counts = await counted(flow, [{"ways": each} for each in ways])
    assert edges(flow, edge_counts) == {
        ("Decide", "search"): 3,
        ("Decide", "answer"): 2,
        ("Search", "back"): 1,
    }
    assert (edge_counts.passed, edge_counts.raised) == ([7, 2, 2], [0, 1, 0])
    assert edge_counts.ended == {
        0: {"mistyped": 1, "default": 1},
        1: {"(other)": 1},
        2: {"done": 1, "default": 1},
    }
    assert edge_counts.unplaced == 0


@virtual
async def test_times_and_the_edges_to_what_raised_are_those_of_the_records():
    """Whether the class has one node or several; a cancelled copy has no time."""
    for flow in (agent(), twins()):
        rows = [["search", "back", "answer"], ["search", ValueError("no")], ["answer"], ["search"]]
        run = flowmagic.batchflow(flow, [{"ways": each} for each in rows])
        topology = Topology(flow)
        await asyncio.sleep(0.15)
        traffic = Traffic(topology, run.records)
        assert sum(traffic.edge_counts().running) == 4
        run.cancel(3)
        await run
        traffic.add(range(4))
        counts = traffic.edge_counts()
        copies = [copy for row in run for copy in row.copies if row.status != "cancelled"]
        copies += run[3].copies[:1]
        total = sum(copy.ended - copy.started for copy in copies)
        assert sum(each.total for each in counts.times.values()) == pytest.approx(total)
        assert [each.median for each in counts.times.values()] == pytest.approx([0.1] * 3)
        failed = {topology.edges[number].action: count for number, count in counts.failed.items()}
        assert failed == {"search": 1}
        assert counts.running == [0, 0, 0]


def test_the_median_of_many_times_is_that_of_an_even_sample():
    """Early ones count no more than late ones, and the sum is exact."""
    times = NodeTimes()
    for start in range(0, 10_000, 7):
        times.add(range(start, min(10_000, start + 7)))
    assert times.total == sum(range(10_000))
    assert times.median == pytest.approx(5_000, rel=0.01)


@pytest.mark.parametrize("make", [agent, twins])
async def test_reused_outputs_are_counted_at_their_nodes(make, tmp_path):
    """Twins are told apart as ever; a further row runs."""
    flow, journal = make(), tmp_path / "runs.journal"

    async def reused(rows):
        rows = [{"n": n, "ways": ["answer"]} for n in range(rows)]
        counts = await counted(flow, rows, journal=journal, reuse=True)
        return counts.passed, [counts.reused[node] for node in range(3)]

    assert await reused(2) == ([2, 0, 2], [0, 0, 0])
    assert await reused(3) == ([3, 0, 3], [2, 0, 2])


@virtual
async def test_each_attempt_is_counted_once_however_often_its_row_is_added():
    """While it runs, when it has ended, when it was taken up again."""
    flow = agent()
    run = flowmagic.batchflow(flow, [{"ways": Kept(["search", ValueError("no"), "answer"])}])
    topology = Topology(flow)
    traffic = Traffic(topology, run.records)
    await asyncio.sleep(0.15)
    traffic.add([0])
    assert traffic.edge_counts().passed == [1, 0, 0], "of a running one, what it has done so far"
    await run
    for _ in range(3):
        traffic.add([0, 0])
        assert (traffic.edge_counts().passed, traffic.edge_counts().raised) == (
            [1, 0, 0],
            [0, 1, 0],
        )
    run.retry_failed()
    await run
    for each in (traffic, Traffic(topology, run.records)):
        each.add([0])
        each.add([0])
        edge_counts = each.edge_counts()
        assert (edge_counts.passed, edge_counts.raised) == ([2, 0, 1], [0, 1, 0])
        assert edge_counts.taken == [1, 1, 0]


@virtual
async def test_an_attempt_taken_back_before_it_began_counts_nothing():
    """A retry that is cancelled while it waits gives the row back as it was."""
    flow = agent()
    rows = [{"ways": [ValueError("no"), ValueError("no")]} for _ in range(2)]
    run = flowmagic.batchflow(flow, rows, limit=1)
    traffic = Traffic(Topology(flow), run.records)
    await run
    traffic.add([0, 1])
    run.retry_failed()
    await asyncio.sleep(0.05)
    run.cancel(1)
    await run
    traffic.add([0, 1])
    assert traffic.edge_counts().raised[0] == 3


@virtual
async def test_what_was_cancelled_counts_nowhere_and_what_came_before_it_does():
    """It neither returned nor raised."""
    flow = agent()
    run = flowmagic.batchflow(flow, [{"ways": ["search"]}])
    await asyncio.sleep(0.15)
    run.cancel()
    await run
    traffic = Traffic(Topology(flow), run.records)
    traffic.add([0])
    edge_counts = traffic.edge_counts()
    assert (edge_counts.passed, edge_counts.raised, edge_counts.taken) == (
        [1, 0, 0],
        [0, 0, 0],
        [1, 0, 0],
    )


@virtual
async def test_several_nodes_of_one_class_are_distinguished_by_the_actions():
    """Each copy is that of the successor of the copy before it."""
    first, left, right, last = Step(), Step(), Step(), Step()
    first - "left" >> left >> last
    first - "right" >> right >> last
    last - "again" >> first
    edge_counts = await counted(
        AsyncFlow(start=first),
        [
            {"ways": ["left", None, "again", "right", None, "end"]},
            {"ways": ["right", ValueError("no")]},
        ],
    )
    assert edge_counts.passed == [3, 1, 1, 2]
    assert edge_counts.raised == [0, 0, 1, 0]
    assert edge_counts.taken == [1, 2, 1, 1, 1]
    assert edge_counts.ended == {3: {"end": 1}}


@virtual
async def test_nested_flows_are_counted_with_the_nodes_in_them():
    """Each place where one stands apart from the others; parallel walks too."""

    class Fan(AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"ways": list(each)} for each in self.params["fan"]]

        async def post_async(self, shared, prepared, executed):
            return "fanned"

    def fan():
        head, tail, other = Step(), Step(), Step()
        head - "on" >> tail
        head - "off" >> other
        return Fan(start=head)

    begin, one, two = Decide(), fan(), fan()
    begin >> one
    one - "fanned" >> two
    flow = AsyncFlow(start=begin)
    edge_counts = await counted(flow, [{"ways": [], "fan": [["on"], ["off"], ["on", "x"]]}] * 2)
    names = [node.name for node in Topology(flow).nodes]
    assert names == ["Decide", "Fan", "Fan", *["Step"] * 6]
    assert edge_counts.passed == [2, 2, 2, 6, 4, 2, 6, 4, 2]
    assert edge_counts.taken == [2, 2, 4, 2, 4, 2]
    assert edge_counts.unplaced == 0


@virtual
async def test_copies_that_belong_to_no_node_are_counted_as_such():
    """A flow that orchestrates itself leaves one record, of itself."""

    class Own(AsyncFlow):
        async def _orch_async(self, shared, params=None):
            return "done"

    edge_counts = await counted(Own(start=Decide()), [{}, {}])
    assert (edge_counts.unplaced, edge_counts.passed) == (2, [0])


@virtual
async def test_a_flow_that_overrides_get_next_node_is_counted_as_far_as_possible():
    """The latest action leads; what stands nowhere in the graph is no node of it, whatever is in it."""
    stranger = AsyncFlow(start=Search())

    class Own(AsyncFlow):
        def get_next_node(self, curr, action):
            if type(curr) is Decide:
                return search
            return stranger if type(curr) is Step else super().get_next_node(curr, action)

    begin, search, one, two = Decide(), Search(), Step(), Step()
    begin >> one
    begin - "never" >> search >> two
    edge_counts = await counted(Own(start=begin), [{"ways": []}])
    assert [node.name for node in Topology(Own(start=begin)).nodes] == [
        "Decide",
        "Step",
        "Search",
        "Step",
    ]
    assert (edge_counts.passed, edge_counts.unplaced) == ([1, 0, 1, 1], 2)


@virtual
async def test_a_sync_flow_and_a_single_node_are_counted_too():
    """Whatever can be run."""

    class Count(Node):
        def post(self, shared, prepared, executed):
            return "again" if self.params["i"] and not shared.setdefault(self.params["i"], 0) else 1

    node = Count()
    assert (await counted(node, [{"i": 0}, {"i": 0}])).passed == [2]
    assert (await counted(Flow(start=node), [{"i": 0}])).ended == {0: {"(other)": 1}}


@virtual
async def test_a_great_many_running_copies_are_counted_when_they_have_ended():
    """A tally costs the same however many instances run."""
    flow = agent()
    run = flowmagic.batchflow(flow, [{"ways": ["search"]} for _ in range(501)], limit=501)
    traffic = Traffic(Topology(flow), run.records)
    await asyncio.sleep(0.15)
    traffic.add(range(501))
    assert traffic.edge_counts().passed == [0, 0, 0]
    await run
    traffic.add(range(501))
    assert traffic.edge_counts().passed == [501, 501, 0]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=5),
    st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=8), min_size=1, max_size=4),
    st.integers(1, 3),
)
@virtual
async def test_whatever_the_graph_the_counts_are_those_of_a_walk_by_hand(ways, walks, classes):
    """Random graphs of a few classes, random walks."""
    kinds = [Decide, Search, Answer][:classes]
    nodes = [kinds[i % classes]() for i in range(len(ways))]
    for node, leads in zip(nodes, ways, strict=True):
        for action, to in zip("abc", leads, strict=True):
            if to < len(nodes):
                node.next(nodes[to], action)
    flow = AsyncFlow(start=nodes[0])
    passed, taken = Counter(), Counter()
    for walk in walks:
        node, left = nodes[0], list(walk)
        while node is not None:
            passed[id(node)] += 1
            action = left.pop(0) if left else "default"
            taken[id(node), action] += 1
            node = node.successors.get(action)
    order = [nodes[0]]
    for node in order:
        order += [each for each in dict.fromkeys(node.successors.values()) if each not in order]
    edge_counts = await counted(flow, [{"ways": list(walk)} for walk in walks])
    assert edge_counts.passed == [passed[id(node)] for node in order]
    assert edge_counts.taken == [taken[id(node), way] for node in order for way in node.successors]
    assert edge_counts.unplaced == 0


@virtual
async def test_thousands_of_actions_are_not_all_kept_and_a_late_successor_is_found():
    """Some flows return a model's answer as their action."""

    class Talk(Node):
        def post(self, shared, prepared, executed):
            return self.params["says"]

    talk, last = Talk(), Answer()
    talk - "the end" >> last
    rows = [{"says": f"answer {i}", "ways": []} for i in range(5_000)]
    edge_counts = await counted(Flow(start=talk), [*rows, {"says": "the end", "ways": []}])
    assert edge_counts.passed[0] == 5_001
    assert edge_counts.taken == [1]
    assert len(edge_counts.ended[0]) < 4_200
    assert sum(edge_counts.ended[0].values()) == 5_000
