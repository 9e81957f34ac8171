"""What travels, and the name of what does not."""

from __future__ import annotations

import asyncio
import pickle
import threading
from types import SimpleNamespace

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from flowmagic.engines.dask import serialization
from flowmagic.engines.dask.serialization import (
    Sources,
    claim,
    dumped,
    forget,
    leave,
    opened,
    packed,
)
from flowmagic.errors import EngineError
from flowmagic.flow.graph import nodes_of

lock = threading.Lock()


class Plain(Node):
    pass


def test_a_flow_and_its_store_travel_with_the_classes_of_the_nodes():
    """The classes tell the worker's numbers of nodes."""
    inner = Flow(start=Plain())
    first = Plain()
    first >> inner
    inner - "again" >> first
    flow = AsyncFlow(start=first)
    twin, shared, classes = pickle.loads(packed(flow, {"a": 1}))
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
        (held(), {}, r"^Plain\.client is a lock, .*\(TypeError: cannot pickle.*\)\. Make it"),
        (HoldsLock(), {}, r"^HoldsLock\.kept is a dict, "),
        (closed_over(), {}, r"^'mine', which Closes\.exec uses, is a lock, "),
        (Plain(), {"fine": 1, "db": lock}, r"^shared\['db'\] is a lock, .*Take it out of"),
    ],
)
def test_what_cannot_travel_is_named(flow, shared, named):
    """The attribute of the node, or what a method uses, or the key of the store."""
    with pytest.raises(EngineError, match=named):
        packed(flow, shared)


def test_a_global_that_a_notebooks_method_uses_is_named():
    """It would travel along with the method, by value."""
    namespace = {"__name__": "__main__", "Node": Node, "client": lock}
    exec("class Mine(Node):\n    def exec(self, _): return client", namespace)
    with pytest.raises(EngineError, match=r"^'client', which Mine\.exec uses, is a lock, "):
        packed(namespace["Mine"](), {})


class Refuses:
    def __reduce__(self):
        raise RuntimeError("only as a whole")


def test_what_has_no_name_is_said_as_it_was_refused():
    """A store that is no dict, for one."""
    with pytest.raises(EngineError, match=r"RuntimeError: only as a whole.*engine='local'"):
        packed(Plain(), Refuses())


def test_what_others_can_import_travels_by_name_and_the_rest_by_value():
    """A function of a notebook is no use by name on a worker."""
    assert len(dumped(Plain)) < 100
    namespace = {"__name__": "__main__"}
    exec("def double(n): return 2 * n", namespace)
    assert pickle.loads(dumped(namespace["double"]))(4) == 8
    assert pickle.loads(dumped(lambda: 5))() == 5


def test_sources_know_where_the_code_of_a_node_was_written():
    """Also that of functions it uses; a file that is known is left as it is."""

    def helper():
        return 1

    class Uses(Node):
        def exec(self, _):
            return helper()

    sources = Sources(Flow(start=Uses()))
    line = helper.__code__.co_firstlineno + 1
    assert sources.file("<dynamic-code>", "helper", line) == __file__
    assert sources.file("<dynamic-code>", "helper", line + 1000) == "<dynamic-code>"
    assert sources.file("/a/file.py", "helper", line) == "/a/file.py"


class Scheduler:
    """Keeps metadata as Dask's does, and counts how often it was asked."""

    def __init__(self):
        self.kept = {}
        self.asked = 0

    async def get_metadata(self, keys, default=None):
        self.asked += 1
        kept = self.kept
        for key in keys:
            kept = kept.get(key, {})
        return kept if kept != {} else default

    async def set_metadata(self, keys, value):
        *path, last = keys
        kept = self.kept
        for key in path:
            kept = kept.setdefault(key, {})
        kept[last] = value

    def submit(self, function, *, key, pure):
        return f"the future {key}"


@pytest.fixture
def worker():
    """One whose loop runs in a thread, as that of a worker does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield SimpleNamespace(
        scheduler=Scheduler(), loop=SimpleNamespace(asyncio_loop=loop), address="tcp://a:1"
    )
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()
    serialization._packages.clear()


def left(worker, key):
    content = pickle.dumps(("flow", {"a": 1}, [int]))
    return asyncio.run(leave(worker.scheduler, key, content))


def test_all_chunks_get_the_same_and_the_first_one_fetches_it(worker):
    """Until the run has ended: then it is let go of."""
    assert left(worker, "run") == "the future run"
    first = opened(worker, "run")
    assert first == ("flow", {"a": 1}, [int])
    assert opened(worker, "run") is first
    assert worker.scheduler.asked == 1
    forget("run")
    assert opened(worker, "run") is not first


def test_of_many_runs_only_the_latest_are_kept(worker):
    """A worker lives for weeks; not every run gets to say that it has ended."""
    for number in range(30):
        left(worker, f"run {number}")
        opened(worker, f"run {number}")
    assert len(serialization._packages) == 8
    assert "run 29" in serialization._packages


def test_a_chunk_may_run_once_and_not_after_its_run(worker):
    """Whoever is given it after a worker has died leaves it alone."""
    assert not claim(worker, "run", 5)
    left(worker, "run")
    assert claim(worker, "run", 5)
    assert not claim(worker, "run", 5)
    assert claim(worker, "run", 6)


async def test_of_two_who_claim_a_chunk_the_later_one_sees_the_earlier_one():
    """Though each asks and claims at once: the earlier one had its answer before the later one asked."""
    scheduler = Scheduler()
    scheduler.kept["run"] = {"open": True}
    workers = [SimpleNamespace(scheduler=scheduler, address="tcp://same:1") for _ in range(2)]
    assert await serialization._claim(workers[0], "run", 1)
    assert not await serialization._claim(workers[1], "run", 1)
