"""Findings about the nodes of a graph and how they are connected."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import time

import pytest
from pocketflow import (
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    Flow,
    Node,
)

from flowmagic import ThrottledAsyncParallelBatchFlow
from flowmagic.flow.checks import check

from .checked import Images, Plain, Sleeps, said

HERE = "test_graph_rules.py"


class Grows(AsyncNode):
    def __init__(self):
        super().__init__()
        self.seen = []
        self.names = ["a"]

    async def exec_async(self, prepared):
        self.seen.append(prepared)
        return self.names


def test_a_list_that_copies_share_and_change_is_found():
    """A list that is only read is not, nor one that prep creates anew."""
    text = said(AsyncFlow(start=Grows()))
    assert "self.seen is a list that all copies of this node share and change." in text
    assert "self.names" not in text
    assert f"Grows, {HERE}, line " in text
    assert "self.seen = []" in text

    class Fresh(Grows):
        async def prep_async(self, shared):
            self.seen = []

    assert said(AsyncFlow(start=Fresh())) == ""


class Cached(AsyncNode):
    cache = {}

    async def exec_async(self, prepared):
        self.cache[prepared] = 1
        self.count += 1
        self.params["params"] = self.never.append(1)


def test_what_a_class_holds_is_shared_too():
    """What is no list, dict or set is not changed in place."""
    node = Cached()
    node.count = 0
    text = said(node)
    assert "self.cache is a dict" in text
    assert "self.cache = {}" in text
    assert "self.count" not in text
    assert "self.never" not in text


class Waits(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(1)
        await asyncio.to_thread(time.sleep, 1)


class SleepsApart(Node):
    def exec(self, prepared):
        time.sleep(1)


class SleepsInPrep(Node):
    def prep(self, shared):
        time.sleep(1)


def test_calls_that_hold_the_loop_are_found():
    """In async nodes, and in what sync ones do outside of exec; all of exec without threads."""
    text = said(Sleeps())
    assert "exec_async calls time.sleep() on the event loop." in text
    assert "await asyncio.sleep(...)" in text
    assert said(Waits()) == said(SleepsApart()) == ""
    assert "prep calls time.sleep()" in said(SleepsInPrep())
    assert "exec calls time.sleep()" in said(SleepsApart(), threads=False)


def ask(prompt):
    return subprocess.run(["true", prompt], check=False)


class Helped(AsyncNode):
    async def exec_async(self, prepared):
        return self.answer(prepared)

    def answer(self, prompt):
        return ask(prompt)


class HelpedApart(Helped):
    async def exec_async(self, prepared):
        return await asyncio.to_thread(self.answer, prepared)


def test_calls_that_hold_the_loop_are_found_through_helpers():
    """Functions and methods of the user's; not what only a thread calls."""
    text = said(Helped())
    assert "exec_async calls answer(), which calls ask(), which calls subprocess.run()" in text
    assert "await asyncio.to_thread(...)" in text
    assert said(HelpedApart()) == ""


class OldFallback(Node):
    def exec_fallback(self, shared, prep_res, exc):
        return ""


class AsyncPost(AsyncNode):
    async def post_async(self, shared, exec_res):
        return None


class SyncMethods(AsyncNode):
    def exec(self, prep_res):
        return 1

    def exec_fallback(self, prep_res, exc):
        return 2


class OwnExec(AsyncNode):
    async def _exec(self, prep_res):
        return self.exec(prep_res)

    def exec(self, prep_res):
        return 1


class Flexible(Node):
    def exec_fallback(self, *args):
        return ""

    @staticmethod
    def exec(prep_res):
        return ""


def test_methods_that_pocketflow_cannot_call_are_found():
    """A fallback is called only when something has failed: then it hides the error."""
    text = said(OldFallback())
    assert (
        "exec_fallback takes (self, shared, prep_res, exc), and is called with (self, prep_res, exc)."
        in text
    )
    assert (
        "takes the place of the error of exec. Write def exec_fallback(self, prep_res, exc)."
        in text
    )
    assert "Write async def post_async(self, shared, prep_res, exec_res)." in said(AsyncPost())
    text = said(SyncMethods())
    assert "It is an async node, whose exec is never called. PocketFlow calls exec_async" in text
    assert "Write async def exec_fallback_async(self, prep_res, exc)." in text
    assert said(OwnExec()) == ""
    flexible = Flexible()
    flexible.post = lambda *args: None
    assert said(flexible) == ""


def test_a_node_that_never_runs_its_exec_is_found():
    """PocketFlow counts attempts, so 0 is none at all."""
    assert "max_retries is 0, so exec_async never runs" in said(Waits(max_retries=0))


def test_params_that_the_flow_will_erase_are_found():
    """Set on a node within it."""
    node = Plain()
    node.set_params({"model": "m"})
    assert "Params are set on this node (among them 'model')" in said(AsyncFlow(start=node))
    flow = AsyncFlow(start=Plain())
    flow.set_params({"model": "m"})
    assert said(flow) == ""


class Computes(Node):
    def exec(self, prepared):
        return 1


class Keeps(AsyncNode):
    def set_params(self, params):
        self.params = {**self.params, **params}


def test_any_sync_exec_holds_the_loop_without_threads():
    """Whatever it calls."""
    text = said(AsyncFlow(start=Computes()), threads=False)
    assert text.startswith(f"{HERE}, line ")
    assert "Computes.exec is sync, and threads are off. While an exec runs, no other" in text
    assert said(AsyncFlow(start=Computes())) == ""


def test_without_threads_one_line_names_all_sync_nodes():
    """The first five, and the number of the others; each class once."""
    kinds = [type(f"Sync{n}", (Computes,), {}) for n in range(7)]
    first = node = Computes()
    for kind in (Computes, *kinds):
        node = node.next(kind())
    (found,) = check(AsyncFlow(start=first), threads=False)
    assert found.what == (
        "Computes.exec, Sync0.exec, Sync1.exec, Sync2.exec, Sync3.exec and 3 more are sync, and threads "
        "are off."
    )


def test_in_a_browser_no_advice_leads_to_threads(monkeypatch):
    """Pyodide has none, so that any sync exec blocks the loop, and keeping them on would not help."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    text = said(AsyncFlow(start=Computes()))
    assert "Computes.exec is sync, and there are no threads here." in text
    assert "Use AsyncNode, with exec_async." in text
    for node in (SleepsInPrep(), SleepsApart(), Helped()):
        assert "on the event loop" in said(node)
        assert "thread" not in said(node)


def test_params_that_a_node_keeps_itself_are_not_erased():
    """By its own set_params. A key that is no string is not printed."""
    node = Keeps()
    node.params = {"model": "m"}
    assert said(AsyncFlow(start=node)) == ""
    plain = Plain()
    plain.params = {7: "m"}
    assert "among them 'key'" in said(AsyncFlow(start=plain))


class OwnWay(Flow):
    def _orch(self, shared, params=None):
        return None


def test_a_sync_flow_with_its_own_orchestration_may_contain_async_nodes():
    """For any other subclass of the user, the finding names the class to derive from."""
    assert said(OwnWay(start=Waits())) == ""
    assert "Derive Images from AsyncBatchFlow instead of BatchFlow." in said(Images(start=Waits()))


def test_an_async_node_in_a_sync_flow_is_found():
    """It would fail in each instance."""
    text = said(Flow(start=Waits()))
    assert "This async node is in a Flow" in text
    assert "Write AsyncFlow(start=...) instead." in text


NAMES = ["a", "b", "c"]


def total(prep, flow=AsyncFlow):
    """Return the product for a node with this prep, for instances of which two run at once."""
    kind = type("Made", (AsyncParallelBatchNode,), {"prep_async": prep} if prep else {})
    (note,) = check(flow(start=kind()), limit=2)
    assert note.note
    return note.what.partition(": ")[2].removesuffix(" calls of its exec.")


async def listed(self, shared):
    return [1, 2, 3, 4]


async def starred(self, shared):
    return [1, *shared]


async def ranged(self, shared):
    return list(range(50))


async def counted(self, shared):
    return range(len(shared))


async def odd(self, shared):
    return range("a")


async def made(self, shared):
    return [each.upper() for each in NAMES]


async def filtered(self, shared):
    return [each for each in NAMES if each in shared]


async def known(self, shared):
    return NAMES


async def own(self, shared):
    NAMES = shared["names"]
    return NAMES


async def several(self, shared):
    if shared:
        return []
    return [1]


async def bare(self, shared):
    return


async def called(self, shared):
    return shared.keys()


@functools.wraps(listed)
async def decorated(*args):
    return 2 * await listed(*args)


@pytest.mark.parametrize(
    ("prep", "product"),
    [
        (listed, "the run's limit 2 × 4 = 8"),  # noqa: RUF001 - a product
        (ranged, "the run's limit 2 × 50 = 100"),  # noqa: RUF001 - ditto
        (made, "the run's limit 2 × 3 = 6"),  # noqa: RUF001 - ditto
        (known, "the run's limit 2 × 3 = 6"),  # noqa: RUF001 - ditto
    ],
)
def test_a_number_that_the_source_tells_is_multiplied(prep, product):
    """A list as it is written, a range, a list of the module, and what is made of one."""
    assert total(prep) == product


@pytest.mark.parametrize(
    "prep", [None, starred, counted, odd, filtered, own, several, bare, called, decorated]
)
def test_a_number_that_is_not_known_is_not_invented(prep):
    """It is "its batch" then."""
    assert total(prep) == "the run's limit 2 × its batch"  # noqa: RUF001 - ditto


class Pages(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"page": page} for page in range(10)]


class Words(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(5)


def test_each_level_multiplies():
    """A parallel node in a parallel flow in a run."""
    texts = [each.what for each in check(AsyncFlow(start=Pages(start=Words())), limit=3)]
    assert "3 × 10 = 30 instances of its nodes" in texts[0]  # noqa: RUF001 - ditto
    assert "3 × 10 × 5 = 150 calls of its exec" in texts[1]  # noqa: RUF001 - ditto


def test_the_run_itself_and_flows_with_a_limit_have_no_findings():
    """The run's limit is what counts there."""
    assert check(Pages(start=AsyncNode())) == []
    kept = ThrottledAsyncParallelBatchFlow(start=AsyncNode())
    assert check(AsyncFlow(start=kept)) == []


class Inner(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"page": page} for page in range(50)]


class Fifty(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(50)

    async def exec_async(self, item):
        return item


def test_nested_parallel_batches_are_reported_with_their_product():
    """As far as the inner one's size is known; it is a note, since it may be meant."""
    text = said(AsyncFlow(start=Fifty()), limit=3)
    assert "limit 3 × 50 = 150 calls of its exec" in text  # noqa: RUF001 - a product
    text = said(AsyncFlow(start=Inner(start=Plain())), limit=3)
    assert "It runs its whole batch at once in each instance: " in text
    assert all(each.note for each in check(AsyncFlow(start=Fifty())))
