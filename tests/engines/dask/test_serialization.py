"""How a flow and its store are pickled, and how the message names what cannot be."""

from __future__ import annotations

import pickle
import threading

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from flowmagic.engines.dask.serialization import dump, dump_flow
from flowmagic.errors import EngineError
from flowmagic.flow.graph import nodes_of

lock = threading.Lock()


class Plain(Node):
    pass


def test_a_flow_and_its_store_are_pickled_with_the_node_classes():
    """The classes give the nodes the same numbers on a worker."""
    inner = Flow(start=Plain())
    first = Plain()
    first >> inner
    inner - "again" >> first
    flow = AsyncFlow(start=first)
    twin, shared, classes = pickle.loads(dump_flow(flow, {"a": 1}))
    assert shared == {"a": 1}
    assert classes == [AsyncFlow, Plain, Flow]
    assert len(list(nodes_of(twin))) == 4


class HoldsLock(AsyncNode):
    kept = {"lock": lock}


class UsesLock(AsyncNode):
    async def exec_async(self, _):
        def inner():
            return lock

        return inner()


# As if a cell had defined them: only then are they taken apart.
HoldsLock.__module__ = UsesLock.__module__ = "__main__"


def held():
    node = Plain()
    node.client = lock
    return Flow(start=node)


def closed_over():
    mine = lock

    class Closes(Node):
        def exec(self, _):
            return mine

    return Closes()


@pytest.mark.parametrize(
    ("flow", "shared", "named"),
    [
        (
            held(),
            {},
            r"^Plain\.client is a lock, which cannot be sent to a worker \(TypeError: .*\)\. Create it",
        ),
        (HoldsLock(), {}, r"^HoldsLock\.kept is a dict, "),
        (closed_over(), {}, r"^'mine', which Closes\.exec uses, is a lock, "),
        (Plain(), {"fine": 1, "db": lock}, r"^shared\['db'\] is a lock, .*Remove it from"),
    ],
)
def test_what_cannot_be_pickled_is_named(flow, shared, named):
    """The attribute of the node, or what a method uses, or the key of the store."""
    with pytest.raises(EngineError, match=named):
        dump_flow(flow, shared)


def test_a_global_that_a_notebooks_method_uses_is_named():
    """It would be pickled by value, with the method."""
    namespace = {"__name__": "__main__", "Node": Node, "client": lock}
    exec("class Mine(Node):\n    def exec(self, _): return client", namespace)
    with pytest.raises(EngineError, match=r"^'client', which Mine\.exec uses, is a lock, "):
        dump_flow(namespace["Mine"](), {})


class Refuses:
    def __reduce__(self):
        raise RuntimeError("only as a whole")


def test_what_cannot_be_named_is_refused_with_the_reason():
    """For example a store that is not a dict."""
    with pytest.raises(
        EngineError, match=r"RuntimeError: only as a whole.*Write engine=\"local\"\."
    ):
        dump_flow(Plain(), Refuses())


def test_what_a_worker_can_import_is_pickled_by_reference_and_the_rest_by_value():
    """A worker cannot import a function of a notebook."""
    assert len(dump(Plain)) < 100
    namespace = {"__name__": "__main__"}
    exec("def double(n): return 2 * n", namespace)
    assert pickle.loads(dump(namespace["double"]))(4) == 8
    assert pickle.loads(dump(lambda: 5))() == 5
