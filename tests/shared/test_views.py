"""A view of the user's own dict: a dict like any other, whatever is done with it."""

from __future__ import annotations

import asyncio
import collections
import copy
import json
import pickle
import pprint
import threading
from collections import deque

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pocketflow import AsyncNode

import flowmagic as fm
from flowmagic.records.param_reads import track_reads
from flowmagic.records.store import RecordStore
from flowmagic.shared.crossings import CrossingDetector
from flowmagic.shared.paths import ALL_KEYS, ItemKeys
from flowmagic.shared.views import Tracked, filled, isolated, views

from ..virtualtime import virtual

KEYS = st.sampled_from(["a", "b", "c", 1, 1.5, None, ("t", 0)])
VALUES = st.one_of(
    st.integers(0, 3),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(KEYS, st.integers(0, 3) | st.dictionaries(KEYS, st.just(1)), max_size=2),
)
JSON_VALUES = st.integers() | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers())
DICTS = st.dictionaries(KEYS, VALUES, max_size=5)


def traced():
    """Return records of two rows, and the trace of each, with an open node copy."""
    records = RecordStore({}, 0.0, 10)
    records.load([{}, {}])
    traces = [records.start(index, 0.0) for index in range(2)]
    for trace in traces:
        trace.open(dict, -1, 0.0, None)
    return records, traces


def tracked_view(store):
    """Return a view as a node gets it."""
    records, [trace, _] = traced()
    return views(store, CrossingDetector(records))(trace)


def watched_view(store):
    """Return a view as a node gets it if nodes assign items to what is in the store."""
    records, [trace, _] = traced()
    detector = CrossingDetector(records, item_keys=lambda: ItemKeys(ALL_KEYS, ALL_KEYS))
    return views(store, detector)(trace)


def isolated_view(store):
    """Return an isolated view as a node gets it."""
    return isolated(store, {})


def filled_view(store):
    """Return an isolated view in which all items are of the row."""
    _, [trace, _] = traced()
    trace.params = track_reads(store)
    return filled({"other": 1}.fromkeys(store), store.keys(), trace, {})


VIEWS = pytest.mark.parametrize("view", [tracked_view, watched_view, isolated_view, filled_view])


def outcome(function, *arguments):
    """Return what a function returns, or the kind of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)


class Machine(RuleBasedStateMachine):
    """Does the same to a view and to a plain dict."""

    def __init__(self, view):
        super().__init__()
        self.plain = {"a": 0, "b": [1]}
        self.store = copy.deepcopy(self.plain)
        self.kept = self.store
        self.view = view(self.store)

    def same(self, function):
        assert outcome(function, self.view) == outcome(function, self.plain)

    @rule(key=KEYS, value=VALUES)
    def sets(self, key, value):
        self.same(lambda d: d.__setitem__(key, copy.deepcopy(value)))

    @rule(key=KEYS, below=KEYS, value=VALUES)
    def sets_below(self, key, below, value):
        self.same(lambda d: d[key].__setitem__(below, copy.deepcopy(value)))
        self.same(lambda d: d[key].update({below: copy.deepcopy(value)}))
        self.same(lambda d: d[key][below].__setitem__(below, copy.deepcopy(value)))

    @rule(key=KEYS, other=KEYS)
    def moves(self, key, other):
        self.same(lambda d: d.__setitem__(other, d[key]))
        self.same(lambda d: d.setdefault(other, d[key]))
        self.same(lambda d: d.pop(key))

    @rule(key=KEYS)
    def reads(self, key):
        self.same(lambda d: d[key])
        self.same(lambda d: (d.get(key), d.get(key, 7), key in d))

    @rule(key=KEYS)
    def deletes(self, key):
        self.same(lambda d: d.__delitem__(key))

    @rule(key=KEYS, default=st.lists(VALUES, max_size=1))
    def pops(self, key, default):
        self.same(lambda d: d.pop(key, *default))

    @rule()
    def pops_the_last(self):
        self.same(lambda d: d.popitem())

    @rule(key=KEYS, value=VALUES)
    def sets_a_default(self, key, value):
        self.same(lambda d: d.setdefault(key, value))

    @rule(key=KEYS)
    def appends_to_a_default(self, key):
        self.same(lambda d: d.setdefault(key, []).append(1))

    @rule(other=DICTS, word=st.integers())
    def updates(self, other, word):
        self.same(lambda d: d.update(other, word=word))
        self.same(lambda d: d.update(list(other.items())))

    @rule(other=DICTS)
    def joins_in_place(self, other):
        kind = type(self.view)
        self.view |= other
        self.plain |= other
        assert type(self.view) is kind

    @rule()
    def clears(self):
        self.same(lambda d: d.clear())

    @rule(other=DICTS)
    def joins(self, other):
        self.same(lambda d: list((d | other).items()))
        self.same(lambda d: list((other | d).items()))
        self.same(lambda d: (d == other, d != other, other == d, d == d.copy(), d == dict(d)))

    @invariant()
    def all_is_the_same(self):
        view, plain = self.view, self.plain
        assert list(view.items()) == list(plain.items())
        assert list(view) == list(view.keys()) == list(plain)
        assert list(reversed(view)) == list(reversed(plain))
        assert list(view.values()) == list(plain.values())
        assert {**view} == dict(view) == plain == view
        assert (len(view), bool(view), repr(view)) == (len(plain), bool(plain), repr(plain))


class TrackedMachine(Machine):
    """The user's own dict is what changes."""

    def __init__(self):
        super().__init__(tracked_view)

    @invariant()
    def it_is_the_users_own_dict(self):
        assert self.store is self.kept
        assert list(self.store.items()) == list(self.plain.items())


class WatchedMachine(TrackedMachine):
    """Dicts in it are views for the node, and the user's own in the store."""

    def __init__(self):
        Machine.__init__(self, watched_view)

    @invariant()
    def no_view_is_in_the_store(self):
        assert not any(isinstance(each, Tracked) for each in self.store.values())


class IsolatedMachine(Machine):
    """The user's own dict stays as it is, and the writes are known."""

    def __init__(self):
        super().__init__(isolated_view)
        self.base = copy.deepcopy(self.kept)
        self.first = self.kept.copy()

    @invariant()
    def the_users_own_dict_stays(self):
        assert self.store == self.base
        assert all(self.store[key] is self.first[key] for key in self.base)

    @invariant()
    def what_differs_is_what_was_written(self):
        written = self.view._written
        assert all(self.plain[key] == written[key] for key in written)
        for key, value in self.view.items():
            assert key in written or value == self.base[key] or key in self.view._originals

    def teardown(self):
        """With what was changed in place, the writes make what was there what there is now."""
        self.view.settle()
        written = self.view._written
        for key, value in self.plain.items():
            assert written.get(key, self.base.get(key)) == value
            assert key not in written or key not in self.base or written[key] is self.view[key]


TestTracked = TrackedMachine.TestCase
TestWatched = WatchedMachine.TestCase
TestWatched.settings = settings(max_examples=40, stateful_step_count=25)
TestIsolated = IsolatedMachine.TestCase
TestTracked.settings = TestIsolated.settings = settings(max_examples=40, stateful_step_count=25)


@VIEWS
@given(DICTS)
def test_a_view_is_copied_and_called_with_as_any_dict(view, store):
    """Every way to copy it gives a plain dict with the same in it."""
    made = view(dict(store))
    assert isinstance(made, dict)
    for twin in (
        copy.copy(made),
        copy.deepcopy(made),
        pickle.loads(pickle.dumps(made)),
        made.copy(),
        dict(made),
        {**made},
        made | {},
        {} | made,
        type(made)(made),
        collections.OrderedDict(made),
    ):
        assert twin == store
        assert type(twin) in {dict, collections.OrderedDict}
    words = {str(key): value for key, value in store.items()}
    assert collections.UserDict(**view(dict(words))) == words
    assert type(made).fromkeys("ab") == {"a": None, "b": None}


@VIEWS
@given(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=4))
def test_a_view_becomes_json_as_any_dict(view, store):
    """Also by the json module's part in C, which looks whether a dict's own storage is empty."""
    made = view(dict(store))
    assert json.dumps(made) == json.dumps(store)
    indented = json.dumps(made, sort_keys=True, indent=1)
    if store:
        assert indented == json.dumps(store, sort_keys=True, indent=1)
    else:  # Python 3.13 puts nothing between the braces, but on a line of its own
        assert json.loads(indented) == {}
    assert json.dumps([{"in": made}]) == json.dumps([{"in": store}])


@pytest.mark.parametrize(
    ("use", "read"),
    [
        (lambda shared: shared["a"], "a"),
        (lambda shared: shared.get("b"), "b"),
        (lambda shared: "a" in shared, "a"),
        (lambda shared: shared.pop("a"), "a"),
        (dict, "ab"),
        (lambda shared: shared.copy(), "ab"),
        (lambda shared: {**shared}, "ab"),
        (list, "ab"),
        (lambda shared: shared.update(a=1), ""),
        (lambda shared: (shared.update(a=1), shared["a"]), ""),
        (lambda shared: shared["store"], ""),
        (len, ""),
    ],
)
def test_a_filled_view_notes_what_is_read_of_the_row(use, read):
    """As params are noted; but not what the node itself has put there, nor what the store had."""
    _, [trace, _] = traced()
    trace.params = track_reads({"a": 1, "b": [], "flow's own": 3})
    use(filled({"store": 0}, ["a", "b"], trace, {}))
    assert trace.params.read == set(read)


@VIEWS
def test_a_view_is_refused_where_a_dict_would_be(view):
    """An unhashable key; being hashed."""
    made = view({})
    for refused in (
        lambda: made[[]],
        lambda: made.get([]),
        lambda: [] in made,
        lambda: made.__setitem__([], 1),
        lambda: hash(made),
        lambda: made.update(5),
        lambda: made | 5,
        lambda: made.pop(),
    ):
        with pytest.raises(TypeError):
            refused()
    assert made == {}


@VIEWS
def test_a_view_matches_patterns_and_formats(view):
    """What Python's own syntax does with a dict."""
    match view({"a": 1, "b": 2}):
        case {"a": found, **rest}:
            assert (found, rest) == (1, {"b": 2})
        case _:
            pytest.fail("no match")
    assert "%(a)s" % view({"a": 1}) == "{a}".format(**view({"a": 1})) == "1"  # noqa: UP031
    assert "{a}".format_map(view({"a": 1})) == "1"


def test_an_isolated_view_is_laid_out_as_any_dict():
    """By pprint, which knows a dict by its own `__repr__`."""
    store = {f"key {n}": ["x" * 20] * 2 for n in range(3)}
    assert pprint.pformat(isolated_view(dict(store))) == pprint.pformat(store)


def test_two_views_of_one_store_are_equal_and_see_each_other():
    """They are the same dict."""
    store = {"a": 1}
    one, other = tracked_view(store), tracked_view(store)
    one["b"] = 2
    assert one == other == store == {"a": 1, "b": 2}
    assert one | other == store
    one.update(other)
    assert store == {"a": 1, "b": 2}


def test_what_looks_past_the_methods_is_told_what_to_do():
    """Not an empty dict, which would be believed."""
    assert "pass dict(shared) on" in repr(list(dict.keys(tracked_view({"a": 1}))))


def test_a_view_kept_beyond_its_instance_goes_on_working():
    """And what is done with it then is nobody's."""
    records, [trace, other] = traced()
    detector, store = CrossingDetector(records), {}
    view = views(store, detector)(trace)
    trace.close(0, None, 1.0)
    records.finish(0, None, 1.0)
    views(store, detector)(other)["x"] = 1
    other.close(0, None, 1.0)
    assert view["x"] == view.get("x") == 1
    assert detector.crossings() == []
    view["a"] = 1
    view.clear()
    view["b"] = 2
    assert store == {"b": 2} == dict(view)
    assert "b" in view
    assert list(detector._last_writes) == ["x"]


ROWS_I = [{"i": i} for i in range(4)]


@virtual
async def test_reads_fall_through_and_writes_do_not():
    """What was there before is read by all; what one wrote, by none of the others."""

    class Node(AsyncNode):
        async def prep_async(self, shared):
            assert isinstance(shared, dict)
            seen.append(dict(shared))
            del shared["gone"]
            shared["mine"] = shared["given"] + self.params["i"]
            await asyncio.sleep(1)
            seen.append(dict(shared))

    seen = []
    shared = {"given": 10, "gone": 1}
    run = await fm.batchflow(
        Node(),
        [{"i": 1}, {"i": 2}],
        isolate=True,
        shared=shared,
        merge=lambda shared, instance: None,
    )
    assert run.ok
    assert seen == [shared, shared, {"given": 10, "mine": 11}, {"given": 10, "mine": 12}]
    assert shared == {"given": 10, "gone": 1}
    assert [each.writes for each in run.instances] == [{"mine": 11}, {"mine": 12}]


class Chat(AsyncNode):
    """Adds to what was there before, at several depths, and waits in between."""

    async def prep_async(self, shared):
        for messages in (shared["messages"], shared["deep"]["of"][0], shared.get("queue")):
            messages.append(self.params["i"])
        shared["seen"].add(self.params["i"])

    async def exec_async(self, _):
        await asyncio.sleep(1)

    async def post_async(self, shared, prepared, executed):
        return [shared["messages"], shared["deep"]["of"][0], list(shared["queue"]), shared["seen"]]


def started():
    """Return a store with lists and the like in it."""
    return {
        "messages": ["hello"],
        "deep": {"of": [[]], "more": {"a": []}},
        "queue": deque(),
        "seen": set(),
        "only read": [[1], {2: {3}}],
        "client": object(),
    }


@virtual
async def test_what_is_added_to_a_list_that_was_there_is_its_own_too():
    """Else the messages of one would stand among those of all others; what changed is in the writes."""
    shared = started()
    run = await fm.batchflow(
        Chat(), ROWS_I, limit=4, isolate=True, shared=shared, merge=lambda shared, instance: None
    )
    before = started()
    assert {key: shared[key] for key in shared if key != "client"} == {
        key: before[key] for key in before if key != "client"
    }
    for i, each in enumerate(run.instances):
        assert each.result == [["hello", i], [i], [i], {i}]
        assert each.writes == {
            "messages": ["hello", i],
            "deep": {"of": [[i]], "more": {"a": []}},
            "queue": deque([i]),
            "seen": {i},
        }


@virtual
async def test_what_was_only_read_is_not_written():
    """However it was read; and other objects are no copies."""

    class Reads(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            got = [
                shared["only read"],
                dict(shared),
                {**shared},
                shared.copy(),
                list(shared.values()),
            ]
            got += [shared | {}, {} | shared, dict(shared.items()), copy.copy(shared)]
            assert all(each["only read"] is got[0] for each in got[1:] if isinstance(each, dict))
            assert got[0] == store["only read"]
            assert got[0] is not store["only read"]
            assert shared["client"] is store["client"]
            views.append(shared)

    views, store = [], started()
    run = await fm.batchflow(Reads(), ROWS_I[:1], isolate=True, shared=store)
    assert run.ok, run.results
    assert run[0].writes == {}
    assert dict.__getitem__(views[0], "only read") is store["only read"], "no copy is kept"


@pytest.mark.parametrize(
    "read",
    [
        lambda shared: {**shared}["messages"],
        lambda shared: dict(shared)["messages"],
        lambda shared: shared.copy()["messages"],
        lambda shared: copy.copy(shared)["messages"],
        lambda shared: next(value for key, value in shared.items() if key == "messages"),
        lambda shared: next(iter(shared.values())),
        lambda shared: (shared | {})["messages"],
        lambda shared: ({} | shared)["messages"],
        lambda shared: shared.setdefault("messages"),
        lambda shared: shared.pop("messages"),
        lambda shared: shared.get("messages"),
    ],
)
@virtual
async def test_no_way_to_read_leads_past_the_copy(read):
    """Whatever gives the list away gives the instance's own."""

    class Node(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            read(shared).append("mine")

    store = {"messages": ["hello"]}
    run = await fm.batchflow(
        Node(), ROWS_I[:1], isolate=True, shared=store, merge=lambda shared, instance: None
    )
    assert run.ok, run.results
    assert store == {"messages": ["hello"]}


@virtual
async def test_a_list_that_is_meant_to_be_shared_stays_one():
    """`allow_shared` names it; a list in itself, and one that stands in two places, are no trouble."""
    store = started()
    store["messages"].append(store["messages"])
    store["again"] = [store["only read"], store["only read"]]

    class Node(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            assert shared["again"][0] is shared["again"][1]
            assert shared["messages"][1] is shared["messages"]
            shared["queue"].append(self.params["i"])

    run = await fm.batchflow(Node(), ROWS_I, isolate=True, shared=store, allow_shared=["queue"])
    assert run.ok, run.results
    assert list(store["queue"]) == [0, 1, 2, 3]
    assert [each.writes for each in run.instances] == [{}] * 4


class State:
    """Data of the user's."""

    def __init__(self):
        self.n, self.log = 0, []


class Client:
    """Nobody knows how to copy a lock."""

    def __init__(self):
        self.lock = threading.Lock()


@virtual
async def test_arrays_frames_and_objects_of_data_are_its_own_too():
    """Each instance finds what it has written itself, also at depth; what changed is in the writes."""

    class Node(AsyncNode):
        async def prep_async(self, shared):
            i = self.params["i"] + 1
            shared["array"][0] = i
            shared["frame"].loc[0, "a"] = i
            shared["state"].n = i
            shared["state"].log.append(i)
            shared["deep"]["arrays"][0][0] = i
            shared["pair"][0].append(i)
            assert shared["client"] is store["client"]
            assert shared["read"].sum() == 0
            await asyncio.sleep(1)
            assert shared["array"][0] == shared["frame"].loc[0, "a"] == shared["state"].n == i
            assert shared["deep"]["arrays"][0][0] == i
            assert shared["state"].log == shared["pair"][0] == [i]

    store = {
        "array": np.zeros(2),
        "frame": pd.DataFrame({"a": [0]}),
        "state": State(),
        "deep": {"arrays": [np.zeros(1)]},
        "pair": ([], 1),
        "client": Client(),
        "read": np.zeros(2),
    }
    run = await fm.batchflow(
        Node(), ROWS_I, limit=4, isolate=True, shared=store, merge=lambda shared, instance: None
    )
    run.raise_for_failures()
    assert not store["array"].any()
    assert (store["frame"].loc[0, "a"], store["state"].n, store["state"].log) == (0, 0, [])
    assert (store["deep"]["arrays"][0][0], store["pair"]) == (0, ([], 1))
    for i, each in enumerate(run.instances):
        assert set(each.writes) == {"array", "frame", "state", "deep", "pair"}
        assert each.writes["state"].log == [i + 1]
