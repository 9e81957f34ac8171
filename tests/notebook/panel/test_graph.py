"""What is sent of the flow's graph, and when."""

import asyncio
from itertools import pairwise

import pytest
from pocketflow import AsyncFlow, AsyncNode, Node

import flowmagic
from flowmagic.limits.limits import Limits
from flowmagic.notebook.panel import graph
from flowmagic.notebook.panel.graph import GraphState

from ...virtualtime import run_virtual
from .spied import made as panel_of

FLAGS = pytest.mark.filterwarnings("ignore:Flow ends")


class Ask(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return self.params.get("says")


class Answer(Node):
    def exec(self, prepared):
        if self.params.get("fail"):
            raise ValueError("asked to fail")


def made():
    ask, answer = Ask(), Answer()
    ask >> answer
    ask - "again" >> ask
    return AsyncFlow(start=ask)


class Slices:
    """Stands for the loop: keeps what was deferred, and counts the calls of `on_ready`."""

    def __init__(self):
        self.steps = []
        self.readied = 0

    def state(self):
        return GraphState(call_soon=self.steps.append, on_ready=self._ready)

    def _ready(self):
        self.readied += 1

    def go_on(self):
        """Call what was deferred, and what that defers; return the number of calls."""
        taken = 0
        while self.steps:
            self.steps.pop(0)()
            taken += 1
        return taken


def without_times(counts):
    """Return the counts without what real time decides."""
    return {**counts, "nodes": [each[:6] for each in counts["nodes"]]}


async def ran(rows, flow=None):
    flow = flow or made()
    run = flowmagic.batchflow(flow, rows)
    await run
    return run


def test_no_flow_is_an_empty_graph():
    """And nothing of it is ever sent."""
    state = Slices().state()
    empty = {"nodes": [], "edges": [], "unplaced": 0, "uncounted": 0}
    assert state.state() == {"nodes": [], "edges": [], "omitted": 0, "counts": empty}
    state.mark_changed([1, 2])
    assert (state.take_changes(0.0), state.has_changes) == (None, False)


def test_a_flow_that_does_not_run_yet_is_told_without_counts():
    """Names, kinds, levels and places; the ways between them."""
    state = Slices().state()
    state.load(made())
    told = state.state()
    assert [(node["name"], node["kind"], node["level"]) for node in told["nodes"]] == [
        ("Ask", "async node", -1),
        ("Answer", "node", -1),
    ]
    assert "test_graph.py, line" in told["nodes"][0]["where"]
    assert told["edges"] == [[0, 1, "default"], [0, 0, "again"]]
    assert told["counts"]["nodes"] == []
    assert state.take_changes(0.0) is None
    state.load(None)
    assert state.state()["nodes"] == []


@FLAGS
async def test_the_changes_are_sent_as_absolute_numbers():
    """Not more often than a few times a second, and not if nothing has."""
    run = await ran([{"says": None}, {"fail": True}, {"says": "nowhere"}])
    state = Slices().state()
    state.watch(run.flow, run.records)
    assert state.has_changes
    assert without_times(state.take_changes(100.0)) == {
        "nodes": [[0, 3, 0, 1, "nowhere 1", 0], [1, 1, 1, 0, "", 0]],
        "edges": [[0, 2, 1], [1, 0, 0]],
        "unplaced": 0,
        "uncounted": 0,
    }
    nodes = state.state()["counts"]["nodes"]
    assert [each[:5] for each in nodes] == [[0, 3, 0, 1, "nowhere 1"], [1, 1, 1, 0, ""]]
    assert not state.has_changes
    run.retry_failed()
    await run
    state.mark_changed([1])
    assert state.has_changes
    assert state.take_changes(100.25) is None, "too soon"
    assert state.has_changes
    assert without_times(state.take_changes(101.0)) == {
        "nodes": [[0, 4, 0, 1, "nowhere 1", 0], [1, 1, 2, 0, "", 0]],
        "edges": [[0, 3, 2]],
        "unplaced": 0,
        "uncounted": 0,
    }
    state.mark_changed([0, 1, 2])
    assert state.take_changes(102.0) is None
    state.mark_changed([0])
    state.mark_sent()
    assert not state.has_changes


async def test_after_the_whole_graph_only_what_has_changed_since_is_sent():
    """Also where the counts have become those of an earlier message again."""
    run = await ran([{}] * 2_500)
    slices = Slices()
    state = slices.state()
    state.watch(run.flow, run.records)
    slices.go_on()
    first = state.take_changes(0.0)
    assert first is not None
    assert first["uncounted"] == 0
    state.mark_changed(range(2_500))
    state.mark_sent()
    assert state.state()["counts"]["uncounted"] == 1_500
    slices.go_on()
    changes = state.take_changes(100.0)
    assert changes is not None, "the page still counts down"
    assert (changes["uncounted"], changes["nodes"]) == (0, [])


async def test_where_nothing_has_happened_nothing_is_news():
    """A run that begins has nothing to be caught up with."""
    run = flowmagic.batchflow(made(), [{}])
    state = Slices().state()
    state.watch(run.flow, run.records)
    assert not state.has_changes
    await run


def test_a_panel_tells_of_the_counts_a_few_times_a_second_and_in_the_end_of_all():
    """Deltas while it runs, the whole at its end and for whoever comes later."""

    async def lifecycle():
        panel, _ = panel_of([{"i": i} for i in range(40)], limits=Limits(4))
        panel.preview(made())
        await asyncio.sleep(0.1)
        assert [node["name"] for node in panel.sent[-1][1]["graph"]["nodes"]] == ["Ask", "Answer"]
        panel.ask("run", text=None)
        await asyncio.sleep(1.9)
        told = [
            (at, sent["graph"]) for at, sent, _ in panel.sent if "seq" in sent and "graph" in sent
        ]
        assert 4 <= len(told) <= 8
        assert all(later[0] - at[0] >= 0.25 for at, later in pairwise(told))
        assert told[-1][1]["nodes"] == [[0, 36, 0, 0, "", 4, 0.2, 7.2, 0]]
        await panel.run
        whole = panel.sent[-1][1]["graph"]
        assert [node["name"] for node in whole["nodes"]] == ["Work"]
        assert whole["counts"]["nodes"] == [[0, 40, 0, 0, "", 0, 0.2, 8.0, 0]]
        assert panel.get_state("graph")["graph"] == whole
        sent = len(panel.sent)
        await asyncio.sleep(3)
        assert len(panel.sent) == sent, "nothing more is sent"

    run_virtual(lifecycle())


async def test_many_rows_are_counted_in_slices_and_their_end_is_told():
    """A panel that is attached late catches up, without holding the loop."""
    run = await ran([{}] * 2_500)
    slices = Slices()
    state = slices.state()
    state.watch(run.flow, run.records)
    assert (state.uncounted, state.state()["counts"]["nodes"][0][1]) == (1_500, 1_000)
    state.mark_changed([])
    assert state.uncounted == 1_500, "one slice at a time"
    assert (slices.go_on(), state.uncounted) == (2, 0)
    assert state.state()["counts"]["nodes"][0][1] == 2_500
    assert (slices.readied, state.has_changes) == (1, True), "nothing else would send it"


async def test_more_changes_than_are_copied_at_once_are_all_found(monkeypatch):
    """So many rows are looked through as they stand, not noted one by one."""
    monkeypatch.setattr(graph, "_MAX_CHANGED", 50)
    flow = made()
    run = flowmagic.batchflow(flow, [{}] * 2_100)
    slices = Slices()
    state = slices.state()
    state.watch(flow, run.records)
    assert state.uncounted == 0
    await run
    state.mark_changed(range(60))
    assert state.uncounted == 1_100
    slices.go_on()
    assert state.state()["counts"]["nodes"][1][1] == 2_100


async def test_slices_of_a_run_that_is_no_longer_shown_do_nothing():
    """Another flow is shown while they wait."""
    run = await ran([{}] * 3_000)
    slices = Slices()
    state = slices.state()
    state.watch(run.flow, run.records)
    state.load(made())
    assert slices.go_on() == 1
    assert (state.uncounted, state.has_changes) == (0, False)


@FLAGS
async def test_actions_are_bounded_and_secrets_in_them_masked():
    """A few of those that led nowhere are named, the others counted."""
    rows = [{"api_key": "sk-very-secret-1", "says": "sk-very-secret-1"}]
    rows += [{"says": f"{n} " + "x" * 100} for n in range(9)]
    run = await ran(rows)
    state = Slices().state()
    state.watch(run.flow, run.records)
    (_, _, _, ended, ends, *_), _ = state.state()["counts"]["nodes"]
    assert ended == 10
    assert ends.endswith(", and 7 others")
    assert len(ends) < 160
    secret = await ran(rows[:1])
    state.watch(secret.flow, secret.records)
    assert "secret" not in str(state.state())


def test_a_large_graph_is_cut_with_a_word():
    """Of two hundred nodes a hundred and fifty are told of, and only edges between those."""
    first = last = Answer()
    for _ in range(199):
        last = last >> Answer()
    state = Slices().state()
    state.load(AsyncFlow(start=first))
    told = state.state()
    assert (len(told["nodes"]), len(told["edges"]), told["omitted"]) == (150, 149, 50)


async def test_a_loop_that_runs_tells_what_it_has_done_so_far():
    """Not only when an instance has ended."""
    gate = asyncio.Event()

    class Wait(AsyncNode):
        async def exec_async(self, prepared):
            await gate.wait()

    ask = Ask()
    ask >> Wait()
    flow = AsyncFlow(start=ask)
    run = flowmagic.batchflow(flow, [{}, {}])
    state = Slices().state()
    state.watch(flow, run.records)
    while len(run.records.live) < 2:
        await asyncio.sleep(0)
    state.mark_changed([0, 1])
    assert state.take_changes(0.0)["edges"] == [[0, 2, 0]]
    gate.set()
    await run
