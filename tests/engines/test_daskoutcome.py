"""How instances ended on a worker comes back, whatever it is."""

from __future__ import annotations

import threading

from pocketflow import AsyncNode

import flowmagic as fm
from flowmagic import DaskEngine, RemoteError


class Big(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        shared["big"] = bytes(self.params["size"])
        return "b" * self.params["size"]


async def test_results_too_large_for_a_message_come_back_too(cluster):
    """Among small ones in the same chunk."""
    sizes = [10, 100_000, 20, 3_000_000]
    run = await fm.batchflow(Big(), [{"size": n} for n in sizes], engine=DaskEngine(cluster))
    assert run.results == ["b" * n for n in sizes]
    assert [len(each.writes["big"]) for each in run.instances] == sizes


class Returns(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        make = self.params["make"]
        if make == "write":
            shared["lock"] = threading.Lock()
        if make == "unpicklable error":
            raise Unpicklable(threading.Lock(), code=429)
        if make == "hopeless error":
            raise Hopeless("no way")
        return threading.Lock() if make == "result" else make


class Unpicklable(Exception):
    def __init__(self, lock, *, code):
        super().__init__("it said no", lock)
        self.code = code
        self.lock = lock


made: list = []


class Hopeless(Exception):
    def __reduce__(self):
        raise TypeError("never")

    def __new__(cls, *args):
        if not args or args[0] != "no way" or made:
            raise TypeError("not even so")
        made.append(cls)
        return super().__new__(cls, *args)


async def test_what_cannot_travel_back_fails_its_instance_and_is_named(cluster):
    """The others are well; an error is put together again, or its text comes in a RemoteError."""
    made.clear()
    makes = ["fine", "result", "write", "unpicklable error", "hopeless error"]
    run = await fm.batchflow(Returns(), [{"make": m} for m in makes], engine=DaskEngine(cluster))
    fine, result, write, unpicklable, hopeless = run.results
    assert fine == "fine"
    assert isinstance(result, RemoteError)
    assert "Its result is a lock, which cannot travel back" in str(result)
    assert "What it wrote to shared['lock'] is a lock" in str(write)
    assert type(unpicklable) is Unpicklable
    assert unpicklable.code == 429
    assert "it said no" in str(unpicklable)
    assert type(hopeless) is RemoteError
    assert "Hopeless: no way (This error itself could not travel" in str(hopeless)
