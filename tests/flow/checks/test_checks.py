"""What `check` reports about a flow before a run, and what it does not."""

from __future__ import annotations

import asyncio

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode, BatchNode, Flow, Node

import flowmagic
from flowmagic.flow.checks import check

from .checked import Images, Plain, Sleeps, said


def test_source_that_cannot_be_read_has_no_findings():
    """A class without source, an attribute that is a property: nothing is run, nothing is reported."""
    space: dict = {"Node": Node, "__name__": "made"}
    exec("class Hidden(Node):\n    def exec(self, p):\n        return self.params['x']", space)

    class Trap(AsyncNode):
        @property
        def boom(self):
            raise AssertionError("run")

    assert said(space["Hidden"](), [{"y": 1}]) == ""
    assert said(Trap()) == ""


def test_an_expression_without_end_is_not_read_to_its_end(tmp_path, monkeypatch):
    """Of a node whose source is too deep to be read, nothing is said, and nothing breaks."""
    lines = [
        "from pocketflow import AsyncNode",
        "class Deep(AsyncNode):",
        "    async def exec_async(self, prepared):",
        "        return " + " + ".join(["self.params['x']"] * 1_500),
    ]
    (tmp_path / "deepest.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    deep = __import__("deepest").Deep()
    assert said(AsyncFlow(start=deep), [{"y": 1}]) == ""


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
