"""Crossings in lists and dicts that instances get as they are, found by comparing these."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

import flowmagic as fm
from flowmagic.records.store import RecordStore
from flowmagic.shared import item_watch
from flowmagic.shared.crossing import Crossing
from flowmagic.shared.item_watch import ItemWatch
from flowmagic.shared.retried_changes import RetriedChanges

from ..virtualtime import virtual
from .test_crossings import ROWS, Filter, Load, Step, met, walk


def assigns(shared, i):
    shared["x"][0] = f"of {i}"


def looks(shared, i):
    return shared["x"][0]


def counts(shared, i):
    shared["x"][0] += 1


def its_own(shared, i):
    shared["x"][i] = i


def appends(shared, i):
    shared["x"].append(i)


@pytest.mark.parametrize("kind", [list, deque])
@virtual
async def test_an_item_that_is_another_ones_by_now_is_a_crossing(kind):
    """It assigned the item, and reads the list again after another one has assigned it."""
    staggered = Load(post=assigns, seconds=lambda i: 1 + i / 100)
    found = await met(staggered, Step(), Filter(looks), rows=3, shared={"x": kind([None])})
    assert found == [Crossing("x", "crossed", (0, "Filter"), (2, "Load"), count=2, below=(0,))]
    assert str(found[0]).startswith("shared['x'][0]: instance 0 (Filter) read what instance 2")


@virtual
async def test_it_is_one_within_the_same_node_too():
    """Assigned in prep, read in post."""
    [found] = await met(Step(assigns, looks), rows=2, shared={"x": [None]})
    assert (found.below, found.reader, found.writer) == ((0,), (0, "Step"), (1, "Step"))


@pytest.mark.parametrize("collect", [counts, its_own, appends])
@virtual
async def test_collecting_in_a_list_is_no_crossing(collect):
    """A counter, an index of the row, appending."""
    store = {"x": [0] * 5}
    nodes = Step(post=collect), Step(post=collect), Step(post=collect)
    assert await met(*nodes, rows=5, shared=store) == []


@virtual
async def test_a_value_that_all_of_them_assign_is_nobodys():
    """The name of a model, say."""

    def same(shared, i):
        shared["x"][0] = "".join("gpt")

    assert await met(Load(post=same), Step(), Filter(looks), rows=3, shared={"x": [None]}) == []


@virtual
async def test_a_dict_is_compared_where_the_code_that_changes_it_cannot_be_read():
    """Then it is not known that items are assigned to it, and it is given as it is."""
    write = eval("lambda shared, i: shared['x'].__setitem__('k', i)")
    deeper = eval("lambda shared, i: shared['x']['y'].update(k=[i])")
    seen = []
    look = Filter(lambda shared, i: seen.append(type(shared["x"])))
    for change, store, below in (
        (write, {"x": {}}, ("k",)),
        (deeper, {"x": {"y": {"k": [None]}}}, ("y", "k", 0)),
    ):
        found = await met(Load(post=change), Step(), look, rows=3, shared=store)
        assert [(each.below, each.count) for each in found] == [(below, 2)]
    assert set(seen) == {dict}
    count = eval("lambda shared, i: shared['x'].update(n=shared['x']['n'] + 1)")
    assert await met(Step(post=count), Step(post=count), rows=3, shared={"x": {"n": 0}}) == []


@virtual
async def test_a_list_whose_length_has_changed_is_compared_anew():
    """Its items are at other indices, so nothing can be said of those."""

    def takes(shared, i):
        shared["x"].pop(0)

    nodes = Step(post=takes), Step(), Filter(looks)
    assert await met(*nodes, rows=3, shared={"x": list(range(9))}) == []


@virtual
async def test_a_read_is_in_doubt_until_its_node_copy_ends():
    """The instance may still assign the item anew."""
    late = Filter(looks, assigns, seconds=lambda i: 9)
    flow, store = walk(Load(post=assigns), Step(), late), {"x": [None]}
    run = fm.batchflow(flow, ROWS[:2], limit=2, shared=store)
    await asyncio.sleep(5)
    assert run.crossings == []
    await run
    assert run.crossings == []
    run = fm.batchflow(walk(Load(post=assigns), Step(), Filter(looks)), ROWS[:2], shared=store)
    await asyncio.sleep(2.5)
    assert run.crossings == []
    await run
    assert [each.below for each in run.crossings] == [(0,)]


@virtual
async def test_a_long_list_is_not_compared():
    """It would take too long each time."""
    store = {"x": [None] * (item_watch._MOST_ITEMS + 1)}
    assert await met(Load(post=assigns), Step(), Filter(looks), rows=3, shared=store) == []


@virtual
async def test_the_indices_of_rows_that_have_ended_are_forgotten(monkeypatch):
    """A long run keeps those of running rows."""
    monkeypatch.setattr(item_watch, "_SWEEP", 8)
    run = await fm.batchflow(walk(Step(post=its_own_of_three)), [{"i": i} for i in range(200)],
                             limit=2, shared={"x": [None] * 3})  # fmt: skip
    [known] = run._lifecycle.parts.store.detector._items._containers.values()
    assert len(known.own) <= 20


def its_own_of_three(shared, i):
    shared["x"][i % 3] = f"of {i}"


@virtual
async def test_containers_in_themselves_and_deep_ones_are_let_be():
    """They are given as they are."""
    loop, deep, both = {}, [], [[]]
    loop["loop"] = loop
    both[0].append(both)
    for _ in range(2_000):
        deep = [deep]
    store = {"loop": loop, "deep": deep, "both": both}
    look = Step(lambda shared, i: [shared[key] for key in ("loop", "deep", "both")])
    assert await met(look, look.__class__(post=look.calls[0]), rows=3, shared=store) == []


def test_the_lists_are_bounded(monkeypatch):
    """A hundred; one that replaces another at its place takes its place here, too."""
    monkeypatch.setattr(item_watch, "_MOST", 2)
    records = RecordStore({}, 0.0, 10)
    records.load(ROWS)
    trace = records.start(0, 0.0)
    at = trace.open(Step, -1, 0.0, None)
    watch = ItemWatch(records, RetriedChanges(records), lambda *_: None)
    for key in range(5):
        watch.note_read((key,), [], trace, at)
    second = [1, 2]
    watch.note_read((1,), second, trace, at)
    assert list(watch._containers) == [(0,), (1,)]
    assert watch._containers[1,].value is second
