"""How a flow and its store are pickled, and how the message names what cannot be."""

from __future__ import annotations

import asyncio
import pickle
import threading
from types import SimpleNamespace

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from flowmagic.engines.dask import serialization
from flowmagic.engines.dask.serialization import (
    SourceFiles,
    claim,
    dump,
    dump_flow,
    forget,
    load,
    publish,
)
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


def test_it_finds_the_file_of_a_method_and_of_the_functions_that_it_uses():
    """A real file, and one of an unknown function, are returned as they are."""

    def helper():
        return 1

    class Uses(Node):
        def exec(self, _):
            return helper()

    source_files = SourceFiles(Flow(start=Uses()))
    line = helper.__code__.co_firstlineno + 1
    assert source_files.find("<dynamic-code>", "helper", line) == __file__
    assert source_files.find("<dynamic-code>", "helper", line + 1000) == "<dynamic-code>"
    assert source_files.find("/a/file.py", "helper", line) == "/a/file.py"


class Scheduler:
    """Keeps metadata as Dask's does, and counts how often it is read."""

    def __init__(self):
        self.kept = {}
        self.reads = 0

    async def get_metadata(self, keys, default=None):
        self.reads += 1
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
    """A worker whose loop runs in a thread, as in Dask."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield SimpleNamespace(
        scheduler=Scheduler(), loop=SimpleNamespace(asyncio_loop=loop), address="tcp://a:1"
    )
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()
    serialization._payloads.clear()


def published(worker, key):
    content = pickle.dumps(("flow", {"a": 1}, [int]))
    return asyncio.run(publish(worker.scheduler, key, content))


def test_all_chunks_share_one_payload_and_the_first_one_fetches_it(worker):
    """Until the run has ended and the payload is forgotten."""
    assert published(worker, "run") == "the future run"
    first = load(worker, "run")
    assert first == ("flow", {"a": 1}, [int])
    assert load(worker, "run") is first
    assert worker.scheduler.reads == 1
    forget("run")
    assert load(worker, "run") is not first


def test_only_the_payloads_of_the_latest_runs_are_kept(worker):
    """A worker lives for weeks, and a run that breaks off does not call `forget`."""
    for number in range(30):
        published(worker, f"run {number}")
        load(worker, f"run {number}")
    assert len(serialization._payloads) == 8
    assert "run 29" in serialization._payloads


def test_a_chunk_may_run_once_and_not_after_its_run(worker):
    """A worker that gets it after another one has died must not run it."""
    assert not claim(worker, "run", 5)
    published(worker, "run")
    assert claim(worker, "run", 5)
    assert not claim(worker, "run", 5)
    assert claim(worker, "run", 6)


async def test_of_two_claims_on_a_chunk_the_later_one_finds_the_earlier_one():
    """Although each reads and writes at once: the earlier one is complete before the later one reads."""
    scheduler = Scheduler()
    scheduler.kept["run"] = {"open": True}
    workers = [SimpleNamespace(scheduler=scheduler, address="tcp://same:1") for _ in range(2)]
    assert await serialization._claim(workers[0], "run", 1)
    assert not await serialization._claim(workers[1], "run", 1)
