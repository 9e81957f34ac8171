"""Isolated instances: what each reads is a copy, and what it writes is its own."""

from __future__ import annotations

import asyncio
import copy
from collections import deque

import pytest
from pocketflow import AsyncNode

import flowmagic as fm

from ..virtualtime import virtual

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
