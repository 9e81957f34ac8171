"""The user's flow, read and never altered."""

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BaseNode,
    BatchFlow,
    Flow,
    Node,
)

from flowmagic import BatchError, FlowError
from flowmagic.graph import (
    check_flow,
    check_own_prep,
    has_own_prep,
    nodes_of,
    own_batch,
    own_post,
    secrets_around,
)
from flowmagic.params import as_batch

from .virtualtime import virtual

ROWS = [{"n": 1}, {"n": 2}]
KINDS = [Flow, BatchFlow, AsyncFlow, AsyncBatchFlow, AsyncParallelBatchFlow]


class Plain(Node):
    pass


def test_each_node_of_a_flow_is_found_once():
    """Also in circles, and in flows within it."""
    inner = Flow(start=Plain())
    first = Plain()
    first >> inner
    inner - "again" >> first
    flow = AsyncFlow(start=first)
    assert list(nodes_of(flow)) == [flow, first, inner, inner.start_node]
    assert next(nodes_of(Plain())).__class__ is Plain


@pytest.mark.parametrize(
    "flow", [Node(), AsyncNode(), BaseNode(), *(kind(start=Node()) for kind in KINDS)]
)
def test_every_kind_of_flow_and_node_is_taken(flow):
    """Sync or async, batch or single."""
    before = dict(vars(flow))
    check_flow(flow)
    assert vars(flow) == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (AsyncFlow, "The flow is the class AsyncFlow, not an object of it. Write AsyncFlow(...)."),
        (Node, "The flow is the class Node, not an object of it. Write Node(...)."),
        (None, "The flow is None, not a PocketFlow flow or node."),
        ("flow", "The flow is a str ('flow'), not a PocketFlow flow or node."),
        (dict, "The flow is the class dict, not a PocketFlow flow or node."),
        (AsyncFlow(), "AsyncFlow has no start node. Write AsyncFlow(start=node)."),
        (
            Flow(start=Node),
            "The start node of Flow is the class Node, not an object of a node class.",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_the_mend(wrong, said):
    """What it is, and what was expected."""
    with pytest.raises(FlowError) as refused:
        check_flow(wrong)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("kind", "name"), [(Flow, "prep"), (AsyncFlow, "prep_async"), (Node, "prep")]
)
def test_an_own_prep_is_found_on_the_class_and_on_the_object(kind, name):
    """PocketFlow's empty one is not the user's."""
    flow = kind()
    assert not has_own_prep(flow)
    with pytest.raises(BatchError, match=f"{kind.__name__} has no {name} of its own"):
        check_own_prep(flow)
    setattr(flow, name, lambda shared: ROWS)
    assert has_own_prep(flow)
    check_own_prep(flow)
    assert has_own_prep(type("Own", (kind,), {name: lambda self, shared: ROWS})())


@virtual
async def test_the_own_prep_gives_the_batch():
    """Awaited where it is async; it gets the shared store; None is an empty batch."""

    class Own(AsyncFlow):
        async def prep_async(self, shared):
            return shared["rows"]

    class Sync(BatchFlow):
        def prep(self, shared):
            return shared["rows"]

    for flow in (Own(), Sync()):
        assert (await own_batch(flow, {"rows": ROWS})).rows == ROWS
        assert (await own_batch(flow, {"rows": None})).rows == []
        with pytest.raises(BatchError, match=r"prep\w* gave no batch. The batch is an int \(3\)"):
            await own_batch(flow, {"rows": 3})
        with pytest.raises(KeyError):
            await own_batch(flow, {})


@virtual
async def test_post_is_called_for_batch_kinds_only():
    """As post(shared, params, results), with the very list that was given; its action is returned."""
    calls = []

    def post(self, shared, params, results):
        calls.append((shared, params, results))
        return "posted"

    async def post_async(self, shared, params, results):
        return post(self, shared, params, results)

    shared, batch, results = {}, as_batch(ROWS), [1, 2]
    for kind in (BatchFlow, AsyncBatchFlow, AsyncParallelBatchFlow):
        flow = type("Own", (kind,), {"post": post, "post_async": post_async})()
        assert await own_post(flow, shared, batch, results) == "posted"
    assert len(calls) == 3
    assert all(call[0] is shared and call[1] is ROWS and call[2] is results for call in calls)
    for kind in (Flow, AsyncFlow, Node):
        flow = type("Own", (kind,), {"post": post, "post_async": post_async})()
        assert await own_post(flow, shared, batch, results) is None
    assert len(calls) == 3


class Broken(dict):
    def items(self):
        raise ConnectionError("the store is gone")


def test_secrets_beside_the_params_are_found():
    """In the store, in nodes of nested flows, among a flow's own params; what raises has none."""
    node = Plain()
    node.api_key = "sk-of-a-node"
    flow = AsyncFlow(start=AsyncFlow(start=node))
    flow.set_params({"token": "sk-of-the-flow"})
    store = {"client": {"password": "sk-of-the-store"}}
    assert secrets_around(flow, store) == {"sk-of-a-node", "sk-of-the-flow", "sk-of-the-store"}
    assert secrets_around(Plain(), Broken(token="sk-1234")) == set()
