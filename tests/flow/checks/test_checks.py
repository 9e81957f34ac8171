"""What is told of a flow before anything is spent, and what is not."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import subprocess
import sys
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
from flowmagic.flow.checks import check

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
    assert 'It can return "serch", but has successors only for "search", "answer".' in text
    assert 'Did you mean "search"?' in text
    assert 'Its successor for "search" is never reached: it can only return' in text
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
    assert "It runs its whole batch at once in each instance: " in text
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


class Computes(Node):
    def exec(self, prepared):
        return 1


class Keeps(AsyncNode):
    def set_params(self, params):
        self.params = {**self.params, **params}


def test_any_sync_exec_holds_the_loop_without_threads():
    """Whatever it calls."""
    text = said(AsyncFlow(start=Computes()), threads=False)
    assert "exec is sync, and threads are off." in text
    assert said(AsyncFlow(start=Computes())) == ""


def test_in_a_browser_no_advice_leads_to_threads(monkeypatch):
    """There are none in pyodide, so any sync exec holds the loop; to leave them on is no help."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    text = said(AsyncFlow(start=Computes()))
    assert "exec is sync, and there are no threads here." in text
    assert "Make the node an AsyncNode with exec_async." in text
    for node in (SleepsInPrep(), SleepsApart(), Helped()):
        assert "on the event loop" in said(node)
        assert "thread" not in said(node)


def test_params_that_a_node_keeps_itself_are_not_erased():
    """By a set_params of its own; a key that is no text is not printed."""
    node = Keeps()
    node.params = {"model": "m"}
    assert said(AsyncFlow(start=node)) == ""
    plain = Plain()
    plain.params = {7: "m"}
    assert "among them 'key'" in said(AsyncFlow(start=plain))


class OwnWay(Flow):
    def _orch(self, shared, params=None):
        return None


def test_a_flow_that_goes_its_own_way_may_hold_async_nodes():
    """And one of the user's is told what to derive from instead."""
    assert said(OwnWay(start=Waits())) == ""
    assert "Derive Images from AsyncBatchFlow instead of BatchFlow." in said(Images(start=Waits()))


def test_graphs_that_are_not_finished_are_looked_at_as_far_as_they_go():
    """A class that forgot PocketFlow's __init__, a nested flow without a start, a function of its own."""

    class Forgets(AsyncNode):
        def __init__(self):
            self.tool = len

    assert said(AsyncFlow(start=Forgets())) == ""
    assert said(AsyncFlow(start=AsyncFlow())) == ""


class Careful(AsyncNode):
    async def prep_async(self, shared):
        with contextlib.suppress(KeyError):
            return self.params["tone"]
        try:
            return self.params["mood"]
        except KeyError:
            if "hue" not in self.params:
                return "calm"
            return self.params["hue"]


def test_a_param_that_may_be_missing_is_not_asked_for():
    """Read where an error is caught, or after it was asked after."""
    assert said(AsyncFlow(start=Careful()), [{}]) == ""


class Route(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return self.params["way"]


def test_rows_that_are_meant_for_different_ways_may_have_different_params():
    """Behind a fork, a param is missing only if no row has it."""
    route, other = Route(), Plain()
    route - "a" >> Reads()
    route - "b" >> other
    rows = [{"way": "a", "user_id": 1, "tone": "x"}, {"way": "b"}]
    assert said(AsyncFlow(start=route), rows) == ""
    assert 'No row has the param "user_id"' in said(AsyncFlow(start=route), [{"way": "b"}])


def test_many_params_that_nobody_reads_are_one_finding():
    """However wide a table is, and at once."""
    wide = {f"column {n}": n for n in range(5_000)}
    found = check(AsyncFlow(start=Reads()), [{"user_id": 1, **wide}])
    assert len(found) == 1
    assert "and 4,995 more" in str(found[0])
    assert found[0].note


def loud(function):
    @functools.wraps(function)
    async def louder(*args):
        return (await function(*args)).upper()

    return louder


class Louder(AsyncNode):
    @loud
    async def post_async(self, shared, prepared, executed):
        return "next"


class Led(AsyncFlow):
    def get_next_node(self, node, action):
        return node.successors["next"]


def test_what_stands_between_an_action_and_its_way_is_trusted():
    """A decorator may change what is returned, a flow of the user's where it leads."""
    node = Louder()
    node - "NEXT" >> Plain()
    assert said(AsyncFlow(start=node)) == ""
    decide = Decide()
    decide - "next" >> Plain()
    assert said(Led(start=decide)) == ""


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
