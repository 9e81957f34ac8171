"""What instances find in the shared store, and what they do there to each other."""

from __future__ import annotations

import asyncio

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode, BatchFlow, Flow, Node

import flowmagic
from flowmagic.flow.checks import check

from .checked import said

ROWS = [{"question": "a"}, {"question": "b"}]


class Ask(Node):
    def prep(self, shared):
        return shared["question"]

    def post(self, shared, prep_res, exec_res):
        shared["answer"] = exec_res


class AskByParam(Ask):
    def prep(self, shared):
        return self.params["question"] or shared["question"]


class Question(Node):
    def post(self, shared, prep_res, exec_res):
        shared["question"] = self.params["id"]


class Passes(Node):
    def prep(self, shared):
        return len(self.params), shared["question"]


def test_a_row_that_nodes_look_for_in_shared_is_found():
    """With the option that puts it there. The run fails without it, and is right with it."""
    flow = Flow(start=Ask())
    (found,) = check(flow, ROWS)
    assert found.what == 'No node reads the param "question", and Ask reads shared["question"].'
    assert found.instead.startswith("Add --fill-shared (fill_shared=True): each instance gets")
    assert found.place.line == Ask.prep.__code__.co_firstlineno + 1
    assert not found.note
    assert said(flow, ["a", "b"], fill_shared="question") == ""
    assert said(flow, ROWS, fill_shared=True) == ""
    assert flowmagic.run_batch(flow, ROWS).counts.failed == 2
    assert flowmagic.run_batch(flow, ROWS, fill_shared=True).ok


def test_one_finding_is_enough_for_all_params_of_a_row():
    """The option is for the whole row."""

    class AskMore(Ask):
        def prep(self, shared):
            return shared["question"], shared["id"]

    assert (
        len([each for each in check(AskMore(), [{"question": "a", "id": 1}]) if not each.note]) == 1
    )


@pytest.mark.parametrize("node", [AskByParam(), Passes()])
def test_params_that_nodes_read_are_none(node):
    """Nor those that they may read, as far as the source tells."""
    assert said(node, ROWS) == ""


def test_a_key_that_a_node_writes_is_none():
    """It is there, whatever the row has."""
    first = Question()
    first >> Ask()
    assert "fill-shared" not in said(Flow(start=first), [{"question": 1, "id": 2}])


class Overwrites(Node):
    def post(self, shared, prep_res, exec_res):
        shared["question"] = "another"


def test_a_key_that_is_only_written_later_is_found():
    """The first node has to find it; and one that a node only adds to has to be there before."""
    ask, later = Ask(), Overwrites()
    ask >> later
    later - "again" >> ask
    assert "Add --fill-shared" in said(Flow(start=ask), ROWS)

    class Adds(Node):
        def post(self, shared, prep_res, exec_res):
            shared["question"] += "!"

    assert "Add --fill-shared" in said(Adds(), ROWS)


class Chat(AsyncNode):
    async def prep_async(self, shared):
        shared["messages"].append(self.params["question"])
        return shared["messages"]


class Counts(Node):
    def post(self, shared, prep_res, exec_res):
        shared["stats"]["n"] += 1


class Collects(Node):
    def post(self, shared, prep_res, exec_res):
        shared["results"].append(exec_res)
        shared["by"][self.params["question"]] = exec_res


class Summarises(Node):
    def prep(self, shared):
        return shared["results"]


class Fresh(Node):
    def prep(self, shared):
        shared["messages"] = []
        shared["messages"].append(1)
        return shared["messages"]


def test_a_container_that_all_add_to_and_read_is_found():
    """By the same node, or by another one; not with a store for each instance, nor if it is allowed."""
    (found,) = check(Chat(), ROWS)
    assert found.what == 'It changes shared["messages"] in place, and reads it.'
    assert "--isolate (isolate=True), or --fill-shared" in found.instead
    assert "--allow-shared messages" in found.instead
    assert not found.note
    for options in ({"isolate": True}, {"fill_shared": True}, {"allow_shared": ["messages"]}):
        assert said(Chat(), ROWS, **options) == ""
    first = Collects()
    first >> Summarises()
    text = said(Flow(start=first), ROWS)
    assert "Collects, test_shared_rules.py, line" in text
    assert 'It changes shared["results"] in place, and Summarises reads it.' in text
    assert 'shared["by"]' not in text


def test_what_is_only_collected_or_counted_is_at_most_a_note():
    """A list of results and a counter may be meant for all; a fresh list is fine one row at a time."""
    assert said(Collects(), ROWS) == ""
    (found,) = check(Counts())
    assert (found.what, found.note) == ('It counts in shared["stats"].', True)
    assert said(Fresh(), limit=1) == ""
    assert 'changes shared["messages"] in place' in said(Fresh())


class Sends(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        await shared["queue"].put(1)


class Creates(Node):
    def post(self, shared, prep_res, exec_res):
        shared["queue"] = asyncio.Queue()


def test_a_queue_that_isolated_instances_share_is_found():
    """It is an object of the given store, which is not copied; one that a node creates is its own."""
    (found,) = check(Sends(), isolate=True)
    assert found.what == 'It puts into shared["queue"], which no node creates.'
    assert not found.note
    store = {"queue": asyncio.Queue()}
    flowmagic.run_batch(Sends(), [{}, {}], shared=store, isolate=True)
    assert store["queue"].qsize() == 2
    first = Creates()
    first >> Sends()
    assert said(AsyncFlow(start=first), fill_shared=True) == ""


class Total(BatchFlow):
    def post(self, shared, prep_res, exec_res):
        return len(shared["results"]), shared["results"], shared["by"], shared["answer"]


class TotalAsync(AsyncBatchFlow):
    async def post_async(self, shared, prep_res, exec_res):
        return shared["answer"]


def test_a_post_that_reads_what_isolated_instances_wrote_is_found():
    """With the merge to write, which is right; with one, or without isolation, nothing is found."""
    first = Collects()
    first >> Ask()
    flow = Total(start=first)
    (found,) = check(flow, isolate=True)
    assert found.what == (
        'Its post reads shared["results"], shared["by"], shared["answer"], which each isolated instance '
        "writes for itself."
    )
    assert not found.note
    line = found.instead.removeprefix("Pass merge=")
    assert line.startswith("lambda shared, instance: (shared")
    store = {"results": [], "by": {}}
    run = flowmagic.run_batch(flow, ROWS, shared=store, fill_shared=True, merge=eval(line))
    assert run.action == (2, [None, None], {"a": None, "b": None}, None)
    assert check(flow, isolate=True, merge=print) == []
    assert check(flow) == []
    (found,) = check(TotalAsync(start=Ask()), fill_shared=True)
    assert found.instead == "Pass merge=lambda shared, instance: shared.update(instance.writes)"
    assert check(AsyncFlow(start=Ask()), isolate=True) == []
