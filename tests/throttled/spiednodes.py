"""What the tests of throttled nodes share: work that a spy watches, and a clock for the limits."""

from __future__ import annotations

import asyncio

from ..virtualtime import Spy


class Work:
    """Mixed into a node: sleeps for a second inside the spy, then doubles the item."""

    spy: Spy

    async def prep_async(self, shared):
        return shared["items"]

    async def exec_async(self, item):
        with self.spy:
            await asyncio.sleep(1)
        return item * 2

    async def post_async(self, shared, prep_res, exec_res):
        shared["results"] = exec_res
        return "default"


def spied(kind, *args, **kwargs):
    node = kind(*args, **kwargs)
    node.spy = Spy()
    return node


async def run(node, items):
    shared = {"items": items}
    await node.run_async(shared)
    return shared["results"]


def now():
    """Tell the loop's time; outside of one, the time at which a virtual loop begins."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 1000.0
