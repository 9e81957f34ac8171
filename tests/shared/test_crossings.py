"""What is a crossing, and what is not."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import threading
from collections import deque

import pytest
from pocketflow import AsyncFlow, AsyncNode, Node

import flowmagic as fm
from flowmagic.records.store import RecordStore
from flowmagic.shared import crossings
from flowmagic.shared.crossing import Crossing
from flowmagic.shared.crossings import CrossingDetector
from flowmagic.shared.views import views
from flowmagic.text.redact import MASK

from ..virtualtime import virtual

ROWS = [{"i": i} for i in range(9)]


class Step(AsyncNode):
    """Calls what it is given as prep and post, and sleeps in between for as long as the row says."""

    def __init__(self, prep=None, post=None, seconds=lambda i: 1.0):
        super().__init__()
        self.calls = prep, post
        self.seconds = seconds

    async def prep_async(self, shared):
        return self.calls[0](shared, self.params["i"]) if self.calls[0] else None

    async def exec_async(self, prepared):
        await asyncio.sleep(self.seconds(self.params["i"]))
        return prepared

    async def post_async(self, shared, prepared, executed):
        if self.calls[1]:
            self.calls[1](shared, self.params["i"])


class Load(Step):
    """Writes."""


class Filter(Step):
    """Reads."""


def writes(key="x", value=lambda i: i):
    return lambda shared, i: shared.__setitem__(key, value(i))


def reads(key="x"):
    return lambda shared, i: shared.get(key)


def walk(*nodes):
    for one, other in itertools.pairwise(nodes):
        one >> other
    return AsyncFlow(start=nodes[0])


async def met(*nodes, rows=2, limit=9, shared=None, **options):
    """Return the crossings of a run of these nodes."""
    given = {} if shared is None else shared
    run = await fm.batchflow(walk(*nodes), ROWS[:rows], limit=limit, shared=given, **options)
    assert run.ok, run.results
    return run.crossings


@virtual
async def test_reading_what_another_wrote_in_place_of_the_own_is_a_crossing():
    """Who read what of whom, at which nodes, and how often."""
    staggered = Load(post=writes(), seconds=lambda i: 1 + i / 100)
    found = await met(staggered, Step(), Filter(reads()), rows=9)
    assert found == [Crossing("x", "crossed", (0, "Filter"), (8, "Load"), count=8)]
    assert str(found[0]) == (
        "shared['x']: instance 0 (Filter) read what instance 8 (Load) wrote (8 times)"
    )


@virtual
async def test_nothing_crosses_where_nothing_suspends_between_the_nodes():
    """As in PocketFlow's own pipelines, which are right because of that."""
    assert await met(Load(post=writes()), Filter(reads()), rows=9) == []


@virtual
async def test_each_key_of_its_own_is_no_crossing():
    """Nor are those that were there before the run, nor a key of one instance alone."""
    found = await met(
        Load(post=lambda shared, i: shared.__setitem__(i, shared["all"])),
        Filter(lambda shared, i: shared[i]),
        Filter(lambda shared, i: i == 0 and shared.__setitem__("one", i)),
        Filter(lambda shared, i: i == 0 and shared["one"]),
        rows=9,
        shared={"all": 5},
    )
    assert found == []


def counts(shared, i):
    try:
        before = shared["n"]
    except KeyError:
        before = 0
    shared["n"] = before + 1


@pytest.mark.parametrize(
    "collect",
    [
        counts,
        lambda shared, i: shared.setdefault("all", []).append(i),
        lambda shared, i: shared.setdefault("all", {}).update({i: i}),
        lambda shared, i: shared.setdefault("all", deque()).append(i),
        lambda shared, i: shared.__setitem__("n", shared.get("n", 0) + 1),
        lambda shared, i: shared.update(n=shared["n"] + 1 if "n" in shared else 1),
        lambda shared, i: shared.update({**shared, "text": shared.get("text", "") + str(i)}),
        lambda shared, i: shared.__setitem__("n", dict(shared.items()).get("n", 0) + 1),
        lambda shared, i: shared.__setitem__("n", shared.pop("n", 0) + 1),
    ],
)
@virtual
async def test_collecting_is_no_crossing(collect):
    """A key that each instance adds to, once or twice, is for all of them."""
    shared = {}
    assert await met(Step(post=collect), Step(post=collect), rows=9, shared=shared) == []
    assert len(str(shared)) >= len("{'n': 18}")


@virtual
async def test_an_update_that_another_one_undoes_is_lost():
    """Read, wait, write: in between another one has written."""
    count = Step(
        lambda shared, i: shared.get("n", 0), lambda shared, i: shared.__setitem__("n", i + 1)
    )
    found = await met(count, rows=3)
    assert found == [Crossing("n", "crossed", (1, "Step"), (0, "Step"), count=2, lost=True)]
    assert "instance 1 (Step) undid what instance 0 (Step) wrote" in str(found[0])
    assert "an update is lost" in str(found[0])


@virtual
async def test_the_same_waits_one_after_the_other_lose_nothing():
    """With a limit of one, nobody writes in between."""
    count = Step(
        lambda shared, i: shared.get("n", 0), lambda shared, i: shared.__setitem__("n", i + 1)
    )
    assert await met(count, rows=3, limit=1) == []


@virtual
async def test_what_was_looked_at_as_a_whole_can_be_lost_too():
    """`dict(shared.items())` before the wait, a write after it."""
    found = await met(
        Step(lambda shared, i: dict(shared.items()), lambda shared, i: shared.update(n=i)), rows=2
    )
    assert [(each.key, each.lost) for each in found] == [("n", True)]


@virtual
async def test_what_an_ended_instance_left_is_a_leak():
    """One after the other, a value still goes from one instance into another."""
    found = await met(Filter(reads()), Load(post=writes()), rows=2, limit=1)
    assert found == [Crossing("x", "crossed", (1, "Filter"), (0, "Load"), left=True)]
    assert str(found[0]).endswith("read what instance 0 (Load) left there, which had ended before")


@virtual
async def test_a_list_of_its_own_that_is_another_ones_is_a_crossing():
    """It wrote the key itself, without having looked: it was not to be shared."""
    found = await met(
        Load(post=writes(value=lambda i: [i])), Step(), Filter(lambda s, i: s["x"].append(1))
    )
    assert [(each.level, each.key) for each in found] == [("crossed", "x")]


@virtual
async def test_a_key_that_another_one_took_away_is_a_crossing():
    """What was written is gone."""
    found = await met(
        Load(post=writes()),
        Step(seconds=lambda i: 1.0 + i),
        Filter(lambda shared, i: shared.pop("x", None)),
    )
    assert [(each.reader, each.writer) for each in found] == [
        ((0, "Filter"), (1, "Load")),
        ((1, "Filter"), (0, "Filter")),
    ]


def found_when(change, look):
    """Of two that have written a key each, one changes it and the other one looks: what crossed?"""
    records = RecordStore({}, 0.0, 10)
    records.load(ROWS[:2])
    watch, store = CrossingDetector(records), {}
    traces = [records.start(index, 0.0) for index in range(2)]
    one, other = map(views(store, watch), traces)
    for trace in traces:
        trace.open(Load, -1, 0.0, None)
    other["x"] = 1
    one["x"] = 1
    traces[0].open(Filter, -1, 0.0, None)
    change(one)
    look(other)
    return [(c.reader, c.writer) for c in watch.crossings() if c.level == "crossed"]


@pytest.mark.parametrize(
    "look",
    [
        lambda shared: shared.get("x"),
        lambda shared: shared["x"],
        lambda shared: shared.pop("x", None),
        lambda shared: shared.popitem(),
        lambda shared: shared.setdefault("x", 1),
        lambda shared: dict(shared),
        lambda shared: {**shared},
        lambda shared: list(shared.items()),
        lambda shared: list(shared.values()),
        lambda shared: shared.copy(),
        lambda shared: shared | {},
        lambda shared: {} | shared,
        lambda shared: shared == {"x": 1},
        lambda shared: shared != {"x": 1},
        lambda shared: json.dumps(shared),
        lambda shared: copy.deepcopy(shared),
    ],
)
def test_each_way_to_read_is_seen(look):
    """One by one, and all of it at once."""
    assert found_when(lambda shared: shared.update(x=2), look) == [((1, "Load"), (0, "Filter"))]


@pytest.mark.parametrize(
    "change",
    [
        lambda shared: shared.__setitem__("x", 2),
        lambda shared: shared.__delitem__("x"),
        lambda shared: shared.pop("x"),
        lambda shared: shared.popitem(),
        lambda shared: shared.clear(),
        lambda shared: shared.update({"x": 2}),
        lambda shared: shared.update([("x", 2)]),
        lambda shared: shared.__ior__({"x": 2}),
        lambda shared: shared.pop("x") and shared.setdefault("x", 1),
    ],
)
def test_each_way_to_write_is_seen(change):
    """Taking away is one of them."""
    assert found_when(change, lambda shared: shared.get("x")) == [((1, "Load"), (0, "Filter"))]


@pytest.mark.parametrize("value", [lambda i: "".join("gpt"), lambda i: 512, lambda i: None])
@virtual
async def test_a_value_that_all_of_them_write_is_nobodys(value):
    """The name of a model, say: who reads it reads what it has written itself, and nothing is lost."""
    assert await met(Load(post=writes("x", value)), Step(), Filter(reads()), rows=9) == []
    assert await met(Load(post=writes("x", value)), Step(), rows=9) == []


@virtual
async def test_a_value_that_most_of_them_write_crosses_where_it_is_another():
    """One that differs shows that the key is not for a constant; so do numbers of another kind."""
    odd = Load(post=writes("x", lambda i: "odd" if i == 1 else "same"))
    found = await met(odd, Step(), Filter(reads()), rows=3)
    assert [(each.key, each.count) for each in found] == [("x", 2)]
    kinds = Load(post=writes("x", lambda i: (1, True, 1.0)[i]))
    assert [each.count for each in await met(kinds, Step(), Filter(reads()), rows=3)] == [2]


@virtual
async def test_an_update_is_lost_also_where_both_have_written_the_same():
    """Both counted from 0 to 1: that is one too few."""
    count = Step(lambda shared, i: shared.get("n", 0), lambda shared, i: shared.__setitem__("n", 1))
    found = await met(count, rows=2)
    assert [(each.key, each.lost) for each in found] == [("n", True)]


@virtual
async def test_what_is_replaced_before_anyone_read_it_is_noted():
    """No crossing, but a value that nobody will ever see."""
    found = await met(Load(post=writes()), rows=3)
    assert found == [Crossing("x", "overwritten", (1, "Load"), (0, "Load"), count=2)]
    assert "replaced what instance 0 (Load) wrote, before anyone read it" in str(found[0])
    assert await met(Load(post=writes()), Filter(reads()), rows=3, limit=1) == []


@virtual
async def test_crossings_come_before_what_was_only_overwritten():
    """The worse first, and of a key that crossed only that."""
    found = await met(Load(post=writes("y")), Load(post=writes()), Step(), Filter(reads("x")))
    assert [(each.level, each.key) for each in found] == [("crossed", "x"), ("overwritten", "y")]


@virtual
async def test_a_key_that_is_meant_to_be_shared_is_let_be():
    """`allow_shared` silences it, and no other."""

    async def keys(**options):
        nodes = (
            Load(post=writes()),
            Load(post=writes("y")),
            Step(),
            Filter(reads()),
            Filter(reads("y")),
        )
        return {each.key for each in await met(*nodes, **options)}

    assert await keys() == {"x", "y"}
    assert await keys(allow_shared=["x"]) == {"y"}
    assert await keys(allow_shared=("x", "y")) == set()


@virtual
async def test_an_attempt_that_runs_again_begins_afresh():
    """What its first attempt wrote is not its own any more; its own row is no other instance."""
    tries = []

    class Fails(Step):
        async def prep_async(self, shared):
            shared.setdefault("seen", []).append(shared.get("x"))
            shared["x"] = 1
            tries.append(1)
            if len(tries) == 1:
                raise ValueError

    run = await fm.batchflow(Fails(), ROWS[:1], retries=1)
    assert run.ok
    assert run.crossings == []
    assert run.shared["seen"] == [None, 1]


@virtual
async def test_a_read_is_in_doubt_until_its_node_copy_ends():
    """It may still turn out to be half of an update: the one that writes then crosses nothing."""
    late = Filter(
        lambda shared, i: shared.get("x") if i else None,
        lambda shared, i: shared.update(x=i) if i == 1 else None,
    )
    first = Step(lambda shared, i: shared.update(x=0) if i == 0 else None)
    run = fm.batchflow(walk(first, late), ROWS[:3], limit=9)
    await asyncio.sleep(1.5)
    assert run.crossings == []
    await run
    assert run.crossings == [Crossing("x", "crossed", (2, "Filter"), (0, "Step"))]


@virtual
async def test_many_keys_make_no_flood(monkeypatch):
    """Only the first kinds are reported."""
    monkeypatch.setattr(crossings, "MOST", 5)
    run = await fm.batchflow(
        walk(
            Load(post=lambda shared, i: shared.update({f"{i}-{n}": n for n in range(10)})),
            Step(),
            Filter(lambda shared, i: dict(shared)),
        ),
        ROWS[:2],
        limit=2,
    )
    assert len(run.crossings) == 5
    assert run.records.counts.succeeded == 2


@virtual
async def test_what_is_in_doubt_is_bounded(monkeypatch):
    """Beyond it, reads are let go; what was settled before stays found."""
    monkeypatch.setattr(crossings, "_MOST_UNSETTLED", 3)
    monkeypatch.setattr(crossings, "_SWEEP", 2)
    run = await fm.batchflow(
        walk(
            Load(post=lambda shared, i: shared.update({f"{i}-{n}": n for n in range(10)})),
            Step(),
            Filter(lambda shared, i: dict(shared)),
        ),
        ROWS[:2],
        limit=2,
    )
    assert len(run.crossings) == 3


@virtual
async def test_what_was_in_doubt_is_settled_as_the_run_goes_on():
    """A long run of crossings keeps no row of it."""
    read = Filter(lambda shared, i: shared["x"] if i else shared.update(x=1))
    run = await fm.batchflow(walk(read), ({"i": i} for i in range(2_000)), limit=50, keep=10)
    assert len(run._lifecycle.parts.store.detector._unsettled) <= 2 * crossings._SWEEP
    [found] = run.crossings
    assert (found.count, found.writer) == (1_999, (0, "Filter"))


@virtual
async def test_repr_and_len_read_nothing():
    """Printing a store is for looking at, and no crossing."""
    glance = Filter(lambda shared, i: (repr(shared), len(shared), list(shared), bool(shared)))
    found = await met(Load(post=writes()), Step(), glance)
    assert [each.level for each in found] == ["overwritten"]


@virtual
async def test_a_nested_flow_is_watched_too():
    """Its nodes are named, and its own prep and post as itself."""
    inner = walk(Load(post=writes()), Step(), Filter(reads()))

    class Outer(AsyncFlow):
        async def post_async(self, shared, prepared, executed):
            shared.get("x")

    nested = Outer(start=inner)
    run = await fm.batchflow(AsyncFlow(start=nested), ROWS[:2], limit=2)
    assert run.ok
    assert {(each.reader[1], each.writer[1]) for each in run.crossings} == {
        ("Filter", "Load"),
        ("Outer", "Load"),
    }


def sets(shared, i):
    shared["x"]["k"] = i


def gets(shared, i):
    return shared["x"]["k"]


def sets_deeper(shared, i):
    shared["x"]["y"]["k"] = i


def gets_deeper(shared, i):
    inner = shared["x"]["y"]
    return inner.get("k")


def sets_by_default(shared, i):
    shared.setdefault("x", {})["k"] = i


def sets_through_a_name(shared, i):
    inner = shared.get("x")
    inner.update(k=i)


def sets_within_a_list(shared, i):
    shared["x"]["y"][0] = i + 1


def gets_within_a_list(shared, i):
    return shared["x"]["y"][0]


@pytest.mark.parametrize(
    ("write", "read", "store", "below"),
    [
        (sets, gets, {"x": {}}, ("k",)),
        (sets, gets, {"x": {"k": 5}}, ("k",)),
        (sets, lambda shared, i: dict(shared["x"]), {"x": {}}, ("k",)),
        (sets, lambda shared, i: json.dumps(shared["x"]), {"x": {}}, ("k",)),
        (sets_by_default, gets, {}, ("k",)),
        (sets_through_a_name, gets, {"x": {}}, ("k",)),
        (sets_deeper, gets_deeper, {"x": {"y": {}}}, ("y", "k")),
        (sets_within_a_list, gets_within_a_list, {"x": {"y": [0]}}, ("y", 0)),
    ],
)
@virtual
async def test_reading_below_a_key_what_another_wrote_is_a_crossing(write, read, store, below):
    """In a dict in the store, at any depth, as in the store itself; the place is named."""
    staggered = Load(post=write, seconds=lambda i: 1 + i / 100)
    found = await met(staggered, Step(), Filter(read), rows=3, shared=store)
    assert found == [Crossing("x", "crossed", (0, "Filter"), (2, "Load"), count=2, below=below)]
    place = "".join(f"[{each!r}]" for each in ("x", *below))
    assert str(found[0]).startswith(f"shared{place}: instance 0 (Filter) read what instance 2")


@virtual
async def test_what_is_replaced_below_a_key_before_anyone_read_it_is_noted():
    """As in the store itself."""
    found = await met(Load(post=sets), rows=3, shared={"x": {}})
    assert found == [Crossing("x", "overwritten", (1, "Load"), (0, "Load"), count=2, below=("k",))]


@virtual
async def test_an_update_below_a_key_can_be_lost():
    """Read, wait, write: the instance holds the dict meanwhile."""

    class Count(AsyncNode):
        async def prep_async(self, shared):
            return shared["x"], shared["x"]["n"]

        async def exec_async(self, prepared):
            await asyncio.sleep(1)
            return prepared[1]

        async def post_async(self, shared, prepared, executed):
            prepared[0]["n"] = executed + 1
            shared["x"]["other"] = self.params["i"]

    found = await met(Count(), rows=2, shared={"x": {"n": 0}})
    assert [(each.below, each.lost) for each in found if each.level == "crossed"] == [
        (("n",), True)
    ]


def counts_below(shared, i):
    shared["x"]["n"] += 1


def each_its_own(shared, i):
    shared["x"][i] = i
    assert shared["x"][i] == i


def collects_below(shared, i):
    shared["x"].setdefault("all", []).append(i)


def replaces_it(shared, i):
    shared["x"] = dict(shared["x"])
    shared["x"][i] = i


@pytest.mark.parametrize("collect", [counts_below, each_its_own, collects_below, replaces_it])
@virtual
async def test_collecting_below_a_key_is_no_crossing(collect):
    """A counter, a key of the row, a list that all append to."""
    store = {"x": {"n": 0}}
    assert await met(Step(post=collect), Step(post=collect), rows=5, shared=store) == []
    assert type(store["x"]) is dict


@virtual
async def test_below_a_key_that_is_meant_to_be_shared_nothing_crosses():
    """`allow_shared` names the key of `shared`."""
    nodes = Load(post=sets), Step(), Filter(gets)
    assert await met(*nodes, shared={"x": {}}, allow_shared=["x"]) == []
    lists = Load(post=assigns), Step(), Filter(lambda shared, i: shared["x"][0])
    assert await met(*lists, shared={"x": [9]}, allow_shared=["x"]) == []


def assigns(shared, i):
    shared["x"][0] = i


@virtual
async def test_a_dict_to_which_nothing_is_assigned_is_given_as_it_is():
    """A view is no dict to code written in C; one is given only where it is needed."""
    config, got = {"a": {"b": 1}}, []
    node = Step(lambda shared, i: got.append(shared["config"]), lambda shared, i: sets(shared, i))
    await met(node, rows=1, shared={"config": config, "x": {}})
    assert got[0] is config


@virtual
async def test_what_is_in_a_dict_to_which_items_are_assigned_is_given_as_it_is():
    """Unless items are assigned to that, too."""
    part, got = {"b": 1}, []

    def uses(shared, i):
        shared["x"][i] = i
        got.append(shared["x"]["part"])

    await met(Step(post=uses), rows=1, shared={"x": {"part": part}})
    assert got[0] is part


@virtual
async def test_an_instance_gets_the_same_view_each_time_and_the_store_the_users_dict():
    """Whatever it does with the view."""
    inner = {}

    def uses(shared, i):
        view = shared["x"]
        assert shared["x"] is view is shared.get("x")
        assert view is not inner
        assert view == inner
        shared["x"]["k"] = i
        shared["again"] = view
        shared.update(more=view)
        assert shared.setdefault("x", 1) is view

    store = {"x": inner}
    await met(Step(post=uses), rows=2, shared=store)
    assert store["x"] is store["again"] is store["more"] is inner
    assert inner == {"k": 1}


@virtual
async def test_very_many_dicts_are_watched_in_part(monkeypatch):
    """The others are given as they are."""
    monkeypatch.setattr(crossings, "MOST", 3)

    def deep(shared, i):
        shared["by"].setdefault(i, {})["k"] = i

    def uses(shared, i):
        shared["by"][i]["k"] = i

    store = {"by": {}}
    run = await fm.batchflow(walk(Step(post=deep), Step(post=uses)), ROWS, limit=9, shared=store)
    assert run.ok, run.results
    assert len(run._lifecycle.parts.store.detector._below) == 3
    assert store == {"by": {i: {"k": i} for i in range(9)}}
    assert {type(each) for each in store["by"].values()} == {dict}


@virtual
async def test_a_journal_and_crossings_see_the_same_assignments(tmp_path):
    """With a journal the views report to both; also where nothing is a crossing."""
    for allowed in ((), ("x",)):
        nodes = Load(post=sets), Step(), Filter(gets)
        store = {"x": {}}
        run = await fm.batchflow(
            walk(*nodes),
            ROWS[:3],
            limit=3,
            shared=store,
            allow_shared=allowed,
            journal=tmp_path / f"runs{len(allowed)}",
        )
        assert [each.below for each in run.crossings] == ([] if allowed else [("k",)])
        assert store == {"x": {"k": 2}}
        assert run.journal.shared.findings == []


@virtual
async def test_the_drop_in_flow_is_watched():
    """It is the same engine; what was found is the flow's own, of its present or last run."""
    seen = []

    class Users(fm.ThrottledAsyncParallelBatchFlow):
        track_shared = True

        async def prep_async(self, shared):
            return ROWS[:3]

        async def post_async(self, shared, params, results):
            seen.append((type(shared), results, self.crossings))

    start = walk(Load(post=writes()), Step(), Filter(reads())).start_node
    flow = Users(start=start)
    assert flow.crossings == []
    await flow.run_async({})
    [(kind, results, found)] = seen
    assert kind is dict
    assert results == [None] * 3
    assert [each.level for each in found] == ["crossed"]
    assert flow.crossings == found


async def test_threads_may_touch_the_store():
    """No error comes of it, and each write arrives."""
    gate = threading.Barrier(4, timeout=60)

    class Busy(Node):
        def prep(self, shared):
            return shared

        def exec(self, shared):
            gate.wait()
            for n in range(60):
                shared[f"{self.params['i']}-{n}"] = n
                shared.get("n")
                shared["n"] = n
                len(dict(shared.items()))

    run = await fm.batchflow(Busy(), ROWS[:4], limit=4)
    run.raise_for_failures()
    assert len(run.shared) == 4 * 60 + 1
    assert run.crossings


@virtual
async def test_without_tracking_nothing_is_found_and_the_store_is_passed_as_it_stands():
    """Also a store that is no plain dict."""

    class Kind(Step):
        async def prep_async(self, shared):
            kinds.append(type(shared))

    class Own(dict):
        pass

    kinds = []
    assert (await fm.batchflow(Kind(), ROWS[:1], track_shared=False)).crossings == []
    assert (await fm.batchflow(Kind(), ROWS[:1], shared=Own())).crossings == []
    assert (await fm.batchflow(Kind(), ROWS[:1], shared=kinds)).crossings == []
    assert kinds == [dict, Own, list]


@virtual
async def test_a_key_that_is_a_secret_is_masked_where_a_crossing_is_shown():
    """Nodes may keep things under a token of the user; the key itself is what it is."""

    class Keep(AsyncNode):
        async def prep_async(self, shared):
            shared[self.params["token"]] = self.params["i"]
            await asyncio.sleep(1)
            return shared[self.params["token"]]

    run = await fm.batchflow(Keep(), [{"i": i, "token": "tk-12345678"} for i in range(2)])
    (crossing,) = run.crossings
    assert crossing.key == "tk-12345678"
    assert "tk-1234" not in repr(run.crossings) + str(crossing)
    assert f"shared['{MASK}']" in str(crossing)


def test_a_line_names_the_params_where_they_are_given():
    """The notebook shows them, masked; the core does not."""
    crossing = Crossing("x" * 100, "crossed", (3, "Filter"), (5, ""))
    line = crossing.line("i=3", "i=5")
    assert "instance 3 (Filter, i=3) read what instance 5 (i=5) wrote" in line
    assert len(line) < 140
