"""Params that note which of their keys were read, and are a dict like any other."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import pickle
import sys
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BatchFlow,
    Flow,
    Node,
)

import flowmagic
from flowmagic.records import param_reads
from flowmagic.records.param_reads import (
    ReadSets,
    ReadTrackingDict,
    copied,
    inherited,
    is_mutable,
    plain,
    same_params,
    track_reads,
)

from ..virtualtime import virtual
from .dictuses import ANY, of

KEYS = st.sampled_from(["a", "b", 1, 1.5, None, ("t", 0)])
DICTS = st.dictionaries(KEYS, st.integers(0, 3))


@example({"a": 0, 1: 0}, "a", {}, "pprint")
@given(DICTS, KEYS, DICTS, st.sampled_from(sorted(ANY)))
def test_it_does_what_a_dict_does(params, key, other, name):
    """Every operation gives the same result or error, of the same type, and leaves the same dict."""
    act = ANY[name]
    mine, theirs = track_reads(params), dict(params)
    got = of(lambda p: act(p, key, other), mine)
    wanted = of(lambda p: act(p, key, other), theirs)
    if name in {"attribute", "hash", "<"}:  # the message names the class
        assert (got[0], got[1][0], got[2]) == (wanted[0], wanted[1][0], wanted[2])
    else:
        assert got == wanted
    assert type(mine) is ReadTrackingDict


@given(DICTS, DICTS)
def test_json_writes_it_as_a_dict(params, other):
    """By the encoder written in C, and by the one that indents."""
    params = {str(key): value for key, value in params.items()}
    for indent in (None, 1):
        assert json.dumps(track_reads(params), indent=indent) == json.dumps(params, indent=indent)


def named(**params):
    return params


def matched(params):
    match params:
        case {"a": 1}:
            return True


READS = {
    "[]": (lambda p: p["a"], "a"),
    "get": (lambda p: p.get("a"), "a"),
    "get of what is not there": (lambda p: p.get("c"), "c"),
    "in": (lambda p: "b" in p, "b"),
    "pop": (lambda p: p.pop("a"), "a"),
    "popitem": (lambda p: p.popitem(), "b"),
    "setdefault": (lambda p: p.setdefault("b", 0), "b"),
    "format_map": ("{a}".format_map, "a"),
    "%": ("%(a)s".__mod__, "a"),
    "match": (matched, "a"),
    "**": (lambda p: named(**p), "ab"),
    "** in a dict": (lambda p: {"z": 1, **p}, "ab"),
    "dict": (dict, "ab"),
    "update": ({}.update, "ab"),
    "|": (lambda p: {} | p, "ab"),
    "copy": (lambda p: p.copy(), "ab"),
    "copy.copy": (copy.copy, "ab"),
    "pickle": (pickle.dumps, "ab"),
    "json": (json.dumps, "ab"),
    "list": (list, "ab"),
    "keys": (lambda p: p.keys(), "ab"),
    "values": (lambda p: p.values(), "ab"),
    "items": (lambda p: p.items(), "ab"),
    "reversed": (reversed, "ab"),
    "==": (lambda p: p == {}, "ab"),
    "!=": (lambda p: p != {}, "ab"),
    "str": (str, "ab"),
    "f-string": (lambda p: f"summarise {p}", "ab"),
    "repr": (repr, ""),
    "len": (len, ""),
    "[] =": (lambda p: p.update(a=1, c=2), ""),
    "del": (lambda p: p.__delitem__("a"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_reads_of_keys_are_noted_and_nothing_else(name):
    """One key if one was asked for, there or not; every key if the whole dict was read."""
    read, keys = READS[name]
    params = track_reads({"a": 1, "b": 2})
    read(params)
    assert params.read == set(keys)


WRITES = ("pop", "popitem", "setdefault", "[] =", "del", "clear", "|=", "update")


@pytest.mark.parametrize("key", ["a", "c"])
@pytest.mark.parametrize("name", ANY)
def test_every_write_is_counted(name, key):
    """Reads are not: the params of a node copy are recorded once, until somebody writes."""
    before = {"a": 1, "b": 2}
    params = track_reads(before)
    of(lambda p: ANY[name](p, key, {"a": 3}), params)
    if list(dict.items(params)) != list(before.items()):
        assert params.writes
    if not name.startswith(WRITES):
        assert not params.writes


def test_equal_sets_have_one_number():
    """In whatever order the keys were read; the empty set has the number 0, as rows that never ran."""
    sets = ReadSets()
    number = sets.number({"a", "b"})
    assert number == sets.number({"b", "a"}) != sets.number({"a"})
    assert sets.keys(number) == {"a", "b"}
    assert sets.number(set()) == sets.NOTHING == 0
    assert sets.keys(0) == set()


def test_sets_beyond_the_limits_are_unknown(monkeypatch):
    """Memory stays bounded, a very long key is not kept, and no key is called unread."""
    monkeypatch.setattr(param_reads, "_MAX_SETS", 4)
    sets = ReadSets()
    assert [sets.number({"a"}), sets.number({"b"})] == [2, 3]
    assert sets.number({"c"}) == sets.number({"a", "b"}) == sets.UNKNOWN
    assert sets.number({"a"}) == 2, "it is known already"
    assert len(sets._sets) == len(sets._numbers) + 1 == 4
    assert sets.keys(sets.UNKNOWN) is None
    assert ReadSets().number({"x" * 201}) == ReadSets.UNKNOWN
    monkeypatch.setattr(param_reads, "_MAX_KEYS", 3)
    few = ReadSets()
    assert few.keys(few.number({"a", "b"})) == {"a", "b"}
    assert few.number({"x", "y"}) == few.UNKNOWN


def test_concurrent_reads_of_several_threads_are_all_noted():
    """Sync nodes read in worker threads, while the panel asks what was read so far."""
    params, before = track_reads({}), sys.getswitchinterval()
    barrier = threading.Barrier(4)

    def read(thread):
        barrier.wait()
        for key in range(500):
            params.get((thread, key))

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=read, args=(thread,)) for thread in range(4)]
        for each in threads:
            each.start()
        while any(each.is_alive() for each in threads):
            frozenset(params.read)
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(before)
    assert params.read == set(itertools.product(range(4), range(500)))


@given(DICTS, DICTS)
def test_params_for_a_nested_flow_are_merged_as_in_pocketflow_without_a_read(params, row):
    """The same dict in the same order; reads of it count as reads of the params, writes do not."""
    mine = track_reads(params)
    merged = inherited(mine, row)
    assert list(dict.items(merged)) == list({**params, **row}.items())
    assert mine.read == set()
    merged.get("a")
    merged["b"] = 3
    assert (mine.read, mine.writes, plain(mine)) == ({"a"}, 0, params)
    assert type(inherited(params, row)) is dict


def test_rows_that_are_no_mappings_are_refused_as_in_pocketflow():
    """With its message, whatever the params are."""
    for params in ({}, track_reads({})):
        with pytest.raises(TypeError, match="'list' object is not a mapping"):
            inherited(params, [("a", 1)])


# In a run


class Reads(Node):
    """Asks for some keys."""

    def __init__(self, *keys):
        super().__init__()
        self.keys = keys

    def exec(self, prepared):
        for key in self.keys:
            self.params.get(key)


class ReadsAsync(AsyncNode):
    """Asks for some keys, before and after it lets others run."""

    def __init__(self, *keys):
        super().__init__()
        self.keys = keys

    async def exec_async(self, prepared):
        for key in self.keys:
            await asyncio.sleep(0.1)
            self.params.get(key)


def chain(*nodes):
    for node, after in itertools.pairwise(nodes):
        node >> after
    return nodes[0]


def rows_of(flow_class, rows):
    """Return a flow that gives itself these rows."""
    name = "prep_async" if issubclass(flow_class, AsyncFlow) else "prep"

    def prep(self, shared):
        return rows

    async def prep_async(self, shared):
        return rows

    method = prep_async if name == "prep_async" else prep
    return type(flow_class.__name__, (flow_class,), {name: method})


NESTED = [
    lambda: Flow(start=Reads("a")),
    lambda: AsyncFlow(start=ReadsAsync("a")),
    lambda: Flow(start=Flow(start=Reads("a"))),
    lambda: AsyncFlow(start=Flow(start=Reads("a"))),
    lambda: rows_of(BatchFlow, [{"x": 1}, {"x": 2}])(start=chain(Reads("a"), Reads("x"))),
    lambda: rows_of(AsyncBatchFlow, [{"x": 1}, {"x": 2}])(start=ReadsAsync("a", "x")),
    lambda: rows_of(AsyncParallelBatchFlow, [{"x": 1}, {"x": 2}])(start=ReadsAsync("a", "x")),
    lambda: rows_of(AsyncParallelBatchFlow, [{"x": 1}])(start=Flow(start=Reads("a", "x"))),
]


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("number", range(len(NESTED)))
@virtual
async def test_reads_of_nested_flows_count_and_their_merging_does_not(number, threads):
    """Whatever kind of nested flow: the keys that its nodes asked for, and no more."""
    flow = AsyncFlow(start=chain(NESTED[number](), Reads("b")))
    run = await flowmagic.batchflow(flow, [{"a": 1, "b": 2, "c": 3}], threads=threads)
    assert run.ok
    assert run[0].read - {"x"} == {"a", "b"}


class Merges(AsyncFlow):
    """A nested flow with a course of its own, which merges as it likes."""

    async def _run_async(self, shared):
        return await self._orch_async(shared, {**self.params, "more": 1})


class Passes(AsyncFlow):
    async def _run_async(self, shared):
        return await self._orch_async(shared, self.params)


class Orchestrates(AsyncFlow):
    async def _orch_async(self, shared, params=None):
        return await super()._orch_async(shared, params)


@virtual
async def test_a_nested_flow_that_overrides_its_orchestration_may_have_read_all_params():
    """What is not known counts as read: no param is called unread that was read."""
    for kind, read in ((Merges, {"a", "b", "c"}), (Passes, {"a"}), (Orchestrates, {"a", "b", "c"})):
        nested = kind(start=ReadsAsync("a"))
        run = await flowmagic.batchflow(AsyncFlow(start=nested), [{"a": 1, "b": 2, "c": 3}])
        assert run.ok and run[0].read == read


@virtual
async def test_each_instance_knows_the_keys_that_its_last_attempt_has_read():
    """While it runs, when it has ended, and after a failure; a new attempt begins with none."""

    class Times(list):
        """The same in each attempt."""

    class Fails(AsyncNode):
        async def exec_async(self, prepared):
            await asyncio.sleep(1)
            if self.params["times"]:
                self.params["times"].pop()
                self.params.get("tried")
                raise ValueError("once")

    run = flowmagic.batchflow(
        AsyncFlow(start=chain(ReadsAsync("a"), Fails())),
        [{"times": Times([1])}, {"times": []}, {}],
        limit=2,
    )
    assert run[0].read == set()
    await asyncio.sleep(0.5)
    assert run[0].read == {"a"} and run[2].read == set()
    await run
    assert [each.read for each in run.instances] == [
        {"a", "times", "tried"}, {"a", "times"}, {"a", "times"},
    ]  # fmt: skip
    run.retry_failed()
    assert run[0].read == set()
    run.cancel()
    await run
    assert run[0].read in (set(), {"a", "times", "tried"})
    run.retry_failed()
    await run
    assert run[0].read == {"a", "times"}


@virtual
async def test_a_row_whose_retry_never_began_keeps_its_reads():
    """As it keeps its result."""

    class Fails(AsyncNode):
        async def exec_async(self, prepared):
            self.params["a"]
            raise ValueError("no")

    run = flowmagic.batchflow(
        AsyncFlow(start=Fails()), [{"a": 1}], retries=flowmagic.Retries(2, wait=50)
    )
    await asyncio.sleep(1)
    assert run[0].read == set()
    run.stop()
    await run
    assert run[0].read == {"a"}


@virtual
async def test_if_reads_are_unknown_an_instance_has_read_all_its_params(monkeypatch):
    """Never the other way round: a param that may have been read is not called unread."""
    monkeypatch.setattr(param_reads, "_MAX_SETS", 2)
    flow = AsyncFlow(start=Reads("a", "b"))
    run = await flowmagic.batchflow(flow, [{"a": 1, "b": 2, "c": 3}])
    assert run[0].read == {"a", "b", "c"}


@virtual
async def test_the_row_of_an_instance_has_its_own_params_only():
    """`params` also has the flow's. It is the row itself, not a copy; empty if it was dropped."""
    flow, rows = AsyncFlow(start=Reads("a")), [{"a": 1}, {"b": 2}]
    flow.set_params({"a": 0, "z": 0})
    run = await flowmagic.batchflow(flow, rows)
    assert [each.row for each in run.instances] == rows
    assert run[1].row is rows[1]
    assert run[0].params == {"a": 1, "z": 0}
    kept = await flowmagic.batchflow(flow, iter(rows), keep=1)
    assert [each.row for each in kept.instances] == [{}, {"b": 2}]
    assert kept[0].read == {"a"}


def test_params_are_the_same_if_nothing_in_their_containers_has_changed():
    """Other values are compared by identity; params of another type are the same only as themselves."""
    client = object()
    params = track_reads({"a": 1, "l": [1, [2]], "c": client})
    before = copied(params)
    assert is_mutable(params)
    assert same_params(params, before)
    params["l"][1].append(3)
    assert not same_params(params, before)
    assert not same_params(track_reads({"a": 1}), {"b": 1})
    assert not same_params({"c": object()}, {"c": client})
    assert not same_params({"c": client, "d": 1}, {"c": client})
    assert not is_mutable({"c": client})
    assert not is_mutable((params["l"],))
    assert not same_params([1], [1])
    assert same_params(client, client)
    assert params.read == {"l"}
