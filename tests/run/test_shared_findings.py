"""What is said of objects in the shared store, and of what retried instances have left there."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pandas as pd
import pytest
from pocketflow import AsyncNode

import flowmagic as fm
from flowmagic.run.shared_findings import findings_before
from flowmagic.shared.shared_store import Sharing
from flowmagic.text.redact import MASK

from ..virtualtime import virtual

ROWS = [{"i": i} for i in range(3)]


class Client:
    """Holds a lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = 0

    def call(self):
        self.calls += 1


class State:
    """Data of the user's."""

    n = 0


class Slotted:
    """What is in it cannot be compared."""

    __slots__ = ("n",)


class Changes(AsyncNode):
    """Changes what is at a key, and waits."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    async def prep_async(self, shared):
        self.change(shared, self.params["i"])
        await asyncio.sleep(1)


async def said(change, shared, **options):
    """Return the findings of a run over three rows that are about `shared`."""
    run = await fm.batchflow(Changes(change), ROWS, limit=3, shared=shared, **options)
    run.raise_for_failures()
    return [each for each in run.audit() if "shared[" in each.what]


def array(shared, i):
    shared["x"][0] = i


def frame(shared, i):
    shared["x"].loc[0, "a"] = i + 5


def attribute(shared, i):
    shared["x"].n = i + 1


def nested(shared, i):
    shared["d"]["x"][0] = i


CHANGES = [
    (array, lambda: {"x": np.zeros(3)}, "shared['x'] (ndarray)"),
    (frame, lambda: {"x": pd.DataFrame({"a": [1]})}, "shared['x'] (DataFrame)"),
    (attribute, lambda: {"x": State()}, "shared['x'] (State)"),
    (nested, lambda: {"d": {"x": np.zeros(3)}}, "shared['d']['x'] (ndarray)"),
]


@pytest.mark.parametrize(("change", "store", "place"), CHANGES)
@virtual
async def test_an_object_that_instances_changed_in_place_is_named(change, store, place):
    """No crossing can be seen there; isolated, each has a copy, and nothing is said."""
    [found] = await said(change, store())
    assert found.what == f"Instances changed {place} in place."
    assert "With isolate=True each instance has a copy of its own." in found.instead
    assert not found.note
    assert await said(lambda shared, i: shared.get("x"), store()) == []
    assert await said(change, store(), allow_shared=["x", "d"]) == []
    assert await said(change, store(), isolate=True, merge=lambda shared, instance: None) == []


@virtual
async def test_an_object_that_cannot_be_copied_is_named_too():
    """Isolation would not help."""
    [found] = await said(lambda shared, i: shared["x"].call(), {"x": Client()})
    assert found.what == "Instances changed shared['x'] (Client) in place."
    assert "isolate" not in found.instead
    assert "allow_shared=['x']" in found.instead


@virtual
async def test_an_object_that_cannot_be_compared_is_named_if_nodes_change_it():
    """As far as their code shows that."""
    [found] = await said(attribute, {"x": Slotted()})
    assert found.what == "Instances may have changed shared['x'] (Slotted) in place."
    assert found.note
    assert await said(lambda shared, i: shared["x"], {"x": Slotted()}) == []


@virtual
async def test_what_is_changed_after_the_run_is_not_the_runs():
    """The audit may come later."""
    store = {"x": State()}
    run = await fm.batchflow(Changes(lambda shared, i: shared["x"].n), ROWS, shared=store)
    store["x"].n = 5
    assert run.audit() == []


@virtual
async def test_what_isolated_instances_share_is_said_before_the_run_and_after_it():
    """A client: as a note, unless it was changed."""
    store = {"client": Client(), "list": [Client()], "n": 1, "data": [1], "allowed": Client()}
    sharing = Sharing.of(isolate=True, allow_shared=["allowed"])
    before = findings_before(sharing, store)
    assert [each.what for each in before] == [
        "Isolated instances use one and the same object in shared['client'] (Client).",
        "Isolated instances use one and the same object in shared['list'] (Client).",
    ]
    assert all(each.note for each in before)
    assert "write allow_shared=['client']" in before[0].instead
    assert findings_before(Sharing(), store) == findings_before(sharing, None) == []
    after = await said(
        lambda shared, i: shared["client"].call(), store, isolate=True, allow_shared=["allowed"]
    )
    assert [each.what for each in after] == [
        f"{before[0].what[:-1]}, and it has changed.",
        before[1].what,
    ]
    assert [each.note for each in after] == [False, True]


@virtual
async def test_what_the_flows_prep_puts_into_the_store_is_seen():
    """It is there before the first instance."""

    class Flow(fm.ThrottledAsyncParallelBatchFlow):
        async def prep_async(self, shared):
            shared["client"] = Client()
            return ROWS

    flow = Flow(start=Changes(lambda shared, i: shared["client"].call()))
    run = await fm.batchflow(flow, isolate=True, shared={})
    [found] = [each for each in run.audit() if "client" in each.what]
    assert found.what.endswith("in shared['client'] (Client), and it has changed.")


@virtual
async def test_what_retried_instances_have_left_is_named():
    """With the place and the rows."""
    tries = []

    class Fails(Changes):
        async def exec_async(self, _):
            if self.params["i"] != 1 and self.params["i"] not in tries:
                tries.append(self.params["i"])
                raise ValueError

    node = Fails(lambda shared, i: shared["log"].append(i))
    run = await fm.batchflow(node, ROWS, shared={"log": []}, retries=1)
    assert run.ok
    [found] = [each for each in run.audit() if "shared[" in each.what]
    assert found.what == (
        "shared['log'] still holds what earlier attempts of instances 0 and 2 added to it."
    )
    assert (found.instances, found.count) == ((0, 2), 2)


@virtual
async def test_secrets_in_keys_are_masked():
    """In each of these findings."""
    key = "sk-of-mine-12345678"

    def change(shared, i):
        shared[key][0] = i

    [found] = await said(change, {key: np.zeros(1)})
    [before] = findings_before(Sharing(isolate=True), {key: Client()})
    for text in (str(found), str(before)):
        assert key not in text
        assert text.count(MASK) == 2
