"""What is told of a flow before anything is spent, and what is not."""

from __future__ import annotations

import asyncio
import time

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

import flowmagic
from flowmagic.checks import check

HERE = "test_checks.py"


def said(flow, params=None, **options) -> str:
    """Return all that is found, as one text."""
    return "\n".join(map(str, check(flow, params, **options)))


class Plain(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return None


class Grows(AsyncNode):
    def __init__(self):
        super().__init__()
        self.seen = []
        self.names = ["a"]

    async def exec_async(self, prepared):
        self.seen.append(prepared)
        return self.names


def test_a_list_that_copies_share_and_change_is_found():
    """One that is only read is not; nor one that prep makes anew."""
    text = said(AsyncFlow(start=Grows()))
    assert "self.seen is a list that every copy of this node shares" in text
    assert "self.names" not in text
    assert f"Grows, {HERE}, line " in text
    assert "self.seen = []" in text

    class Fresh(Grows):
        async def prep_async(self, shared):
            self.seen = []

    assert said(AsyncFlow(start=Fresh())) == ""


class Sleeps(AsyncNode):
    async def exec_async(self, prepared):
        time.sleep(1)


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


class Decide(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        if executed:
            return "serch"
        return "answer"


def test_actions_that_lead_nowhere_and_ways_that_are_never_taken_are_found():
    """With the way that was meant, if there is one like it."""
    decide = Decide()
    decide - "search" >> Plain()
    decide - "answer" >> Plain()
    text = said(AsyncFlow(start=decide))
    assert 'It can return "serch", which leads nowhere' in text
    assert 'Did you mean "search"?' in text
    assert 'The way "search" is never taken' in text
    # A node that ends the flow may return what it likes.
    assert said(AsyncFlow(start=Decide())) == ""


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


class Inner(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"page": page} for page in range(50)]


class Fifty(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(50)

    async def exec_async(self, item):
        return item


def test_nested_parallel_batches_are_told_with_their_product():
    """As far as the inner one's size is known; it is a note, since it may be meant."""
    text = said(AsyncFlow(start=Fifty()), limit=3)
    assert "limit 3 × 50 = 150 calls of its exec" in text  # noqa: RUF001 - a product
    text = said(AsyncFlow(start=Inner(start=Plain())), limit=3)
    assert "runs its whole batch at once within each instance" in text
    assert all(each.note for each in check(AsyncFlow(start=Fifty())))


class Reads(AsyncNode):
    async def prep_async(self, shared):
        return self.params["user_id"], self.params.get("tone", "calm")


def test_params_that_nobody_reads_and_params_that_are_missing_are_found():
    """With the name that was meant."""
    text = said(AsyncFlow(start=Reads()), [{"user_ids": 1, "tone": "warm"}])
    assert 'No node reads the param "user_ids".' in text
    assert "KeyError" in text
    assert 'Did you mean "user_ids"?' in text
    text = said(AsyncFlow(start=Reads()), [{"user_id": 1}, {"tone": "x"}, {"user_id": 2}])
    assert 'Instance 1 lacks the param "user_id"' in text or "Instance 1 lacks" in text
    assert said(AsyncFlow(start=Reads()), [{"user_id": 1, "tone": "x"}]) == ""
    base = AsyncFlow(start=Reads())
    base.set_params({"user_id": 7})
    assert said(base, [{"tone": "x"}]) == ""


def test_an_async_node_in_a_sync_flow_is_found():
    """It would fail in each instance."""
    text = said(Flow(start=Waits()))
    assert "This async node is in a Flow" in text
    assert "Write AsyncFlow(start=...) instead." in text


def test_whatever_cannot_be_read_is_not_spoken_of():
    """A class without source, an attribute that is a property: nothing is run, nothing is said."""
    space: dict = {"Node": Node, "__name__": "made"}
    exec("class Hidden(Node):\n    def exec(self, p):\n        return self.params['x']", space)

    class Trap(AsyncNode):
        @property
        def boom(self):
            raise AssertionError("run")

    assert said(space["Hidden"](), [{"y": 1}]) == ""
    assert said(Trap()) == ""


def test_what_is_no_flow_is_refused_as_a_run_would():
    """With the same words."""
    with pytest.raises(flowmagic.FlowError):
        check(7)
    with pytest.raises(flowmagic.BatchError):
        check(Plain(), {"a": 1})


# Patterns of PocketFlow's cookbook that are right, written anew: none of them may be found fault with.


class Ask(Node):
    def prep(self, shared):
        return shared.get("question")

    def exec(self, question):
        return question

    def post(self, shared, prepared, executed):
        shared.setdefault("messages", []).append(executed)
        if executed == "exit":
            return None
        return "continue"


def chat():
    ask = Ask()
    ask - "continue" >> ask
    return Flow(start=ask)


class Agent(AsyncNode):
    async def exec_async(self, context):
        return {"action": "search" if context else "answer"}

    async def post_async(self, shared, prepared, executed):
        return executed["action"]


def agent():
    decide, search, answer = Agent(), Plain(), Plain()
    decide - "search" >> search
    decide - "answer" >> answer
    search >> decide
    return AsyncFlow(start=decide)


class Map(BatchNode):
    def prep(self, shared):
        return shared["files"]

    def exec(self, file):
        return len(file)

    def post(self, shared, prepared, executed):
        shared["lengths"] = executed


def map_reduce():
    first = Map()
    first >> Plain2()
    return Flow(start=first)


class Plain2(Node):
    def prep(self, shared):
        return shared.get("lengths")

    def post(self, shared, prepared, executed):
        shared["sum"] = prepared


class Supervise(Node):
    def post(self, shared, prepared, executed):
        if not executed:
            shared["answer"] = None
            return "retry"


def supervisor():
    inner, watch = chat(), Supervise()
    inner >> watch
    watch - "retry" >> inner
    return Flow(start=inner)


class Images(BatchFlow):
    def prep(self, shared):
        return [{"input": name, "filter": each} for name in "ab" for each in ("grey", "blur")]


class LoadImage(Node):
    def prep(self, shared):
        return self.params["input"]

    def post(self, shared, prepared, executed):
        shared["image"] = executed
        return "apply_filter"


class ApplyFilter(Node):
    def prep(self, shared):
        return shared["image"], self.params["filter"]

    def post(self, shared, prepared, executed):
        shared["filtered"] = executed
        return "save"


def images(kind=Images):
    load, apply, save = LoadImage(), ApplyFilter(), Plain2()
    load - "apply_filter" >> apply
    apply - "save" >> save
    return kind(start=load)


class Judge(Node):
    def exec(self, prepared):
        return "pass"

    def post(self, shared, prepared, executed):
        return "pass" if executed == "pass" else "fail"


def judge():
    generate, grade = Plain2(), Judge()
    generate >> grade
    grade - "fail" >> generate
    return Flow(start=generate)


class Vote(AsyncNode):
    def __init__(self):
        super().__init__(max_retries=3, wait=1)
        self.choices = ("a", "b")

    async def exec_async(self, prepared):
        return self.choices[0]

    async def exec_fallback_async(self, prepared, error):
        return None


def nested():
    first, second = AsyncFlow(start=Vote()), AsyncFlow(start=Plain())
    first >> second
    return AsyncFlow(start=first)


class Dispatch(AsyncNode):
    ways = {"x": "left", "y": "right"}

    async def post_async(self, shared, prepared, executed):
        return self.ways.get(executed, "left")


def dispatching():
    node = Dispatch()
    node - "left" >> Plain()
    node - "right" >> Plain()
    return AsyncFlow(start=node)


class Stream(AsyncNode):
    async def exec_async(self, prepared):
        return "".join([each async for each in prepared])


class UsesAll(AsyncNode):
    async def exec_async(self, prepared):
        return await asyncio.sleep(0, dict(**self.params))


@pytest.mark.parametrize(
    ("flow", "params"),
    [
        (chat(), None),
        (agent(), None),
        (map_reduce(), None),
        (supervisor(), None),
        (images(), [{"input": "a", "filter": "grey"}]),
        (judge(), None),
        (nested(), None),
        (dispatching(), None),
        (AsyncFlow(start=Stream()), None),
        (AsyncFlow(start=Vote()), None),
        (AsyncFlow(start=UsesAll()), [{"anything": 1}]),
        (AsyncBatchFlow(start=Plain()), None),
    ],
)
def test_patterns_that_are_right_are_left_alone(flow, params):
    """No false alarm: whoever is told wrong things does not listen to right ones."""
    assert [str(each) for each in check(flow, params) if not each.note] == []


def test_a_large_graph_is_checked_at_once():
    """Two hundred nodes of one class are read once: their findings are one."""
    first = node = Sleeps()
    for _ in range(200):
        node = node >> Sleeps()
    assert len(check(AsyncFlow(start=first))) == 1
