"""What the tests of runs share: rows, nodes that sleep, and a check of the counts."""

from __future__ import annotations

import asyncio

from pocketflow import AsyncNode

import flowmagic as fm

from ..virtualtime import Spy

ROWS = [{"i": i} for i in range(10)]


class Sleeper(AsyncNode):
    """Sleeps for `seconds` of virtual time; fails for the rows in `failing`."""

    def __init__(self, seconds=1.0, failing=()):
        super().__init__()
        self.seconds = seconds
        self.failing = set(failing)
        self.spy = Spy()
        self.seen = []

    async def exec_async(self, prep_res):
        self.seen.append(self.params["i"])
        with self.spy:
            await asyncio.sleep(self.seconds)
        if self.params["i"] in self.failing:
            raise ValueError(f"row {self.params['i']}")

    async def post_async(self, shared, prep_res, exec_res):
        return f"done {self.params['i']}"


class Calls(AsyncNode):
    """Calls a function with its params."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    async def exec_async(self, prep_res):
        result = self.function(self.params)
        return await result if asyncio.iscoroutine(result) else result


def adds_up(run):
    counts = run.counts
    assert counts.total == len(run) == len(run.records.results)
    for status in fm.Status:
        assert getattr(counts, status.value) == sum(each.status == status for each in run.instances)
    if run.ended:
        assert counts.pending == counts.running == 0
        assert run.total == len(run)
