"""Nodes are copied as `copy.copy` copies them."""

from __future__ import annotations

import asyncio
import copy
import copyreg
import pickle

import pytest
from pocketflow import (
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchNode,
    Flow,
    Node,
)

import flowmagic as fm
from flowmagic.flow.node_copier import NodeCopier, copies_plainly

from ..virtualtime import virtual

CALLS: list = []


class Plain(Node):
    pass


class OwnCopy(Node):
    def __copy__(self):
        CALLS.append("__copy__")
        return copy.copy(Plain())


class OwnReduce(Node):
    def __reduce__(self):
        CALLS.append("__reduce__")
        return OwnReduce, (3,), {"reduced": True}


class OwnReduceEx(Node):
    def __reduce_ex__(self, protocol):
        CALLS.append(("__reduce_ex__", protocol))
        return super().__reduce_ex__(protocol)


class OwnGetState(Node):
    def __getstate__(self):
        CALLS.append("__getstate__")
        return {**self.__dict__, "got": True}


class OwnSetState(Node):
    def __setstate__(self, state):
        CALLS.append("__setstate__")
        self.__dict__.update(state, was_set=True)


class OwnNewArgs(Node):
    def __new__(cls, *args):
        CALLS.append(("__new__", args))
        return super().__new__(cls)

    def __init__(self, *_):
        super().__init__()

    def __getnewargs__(self):
        return ("again",)


class OwnNewArgsEx(Node):
    def __new__(cls, **options):
        CALLS.append(("__new__", options))
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"again": True}


class OwnNew(Node):
    def __new__(cls):
        CALLS.append("__new__")
        return super().__new__(cls)


class Registered(Node):
    pass


class BelowOwnCopy(OwnCopy):
    pass


class Slotted(Node):
    __slots__ = ("slot",)

    def __init__(self):
        super().__init__()
        self.slot = [1]


@pytest.fixture
def registered(monkeypatch):
    def reduce(node):
        CALLS.append("copyreg")
        return Registered, (5,)

    monkeypatch.setitem(copyreg.dispatch_table, Registered, reduce)


def copied(make, node):
    CALLS.clear()
    twin = make(node)
    return twin, type(twin), {k: v for k, v in vars(twin).items()}, list(CALLS)  # noqa: C416 - a copy to compare


@pytest.mark.parametrize(
    "kind",
    [
        *(OwnCopy, OwnReduce, OwnReduceEx, OwnGetState, OwnSetState, OwnNewArgs, OwnNewArgsEx),
        *(OwnNew, Registered, BelowOwnCopy),
    ],
)
@pytest.mark.usefixtures("registered")
def test_a_class_with_hooks_for_copying_is_copied_by_them(kind):
    """Whatever hook of copying a class has, it is called as `copy.copy` calls it."""
    node = kind()
    node.attribute = object()
    copier = NodeCopier()
    for _ in range(2):  # what was learnt of the class holds for the next one
        mine, theirs = copied(copier.copy, node), copied(copy.copy, node)
        assert theirs[-1]
        if kind is not OwnCopy and kind is not BelowOwnCopy:
            assert mine[1:] == theirs[1:]
        else:
            assert (mine[1], mine[3]) == (theirs[1], theirs[3])


def test_slots_are_copied_too():
    """What a node keeps in slots is in its copy."""
    node = Slotted()
    twin = NodeCopier().copy(node)
    assert twin is not node
    assert twin.slot is node.slot
    assert vars(twin) == vars(node)


@pytest.mark.parametrize("kind", [Plain, BatchNode, AsyncNode, Flow, AsyncParallelBatchFlow])
def test_a_plain_class_is_copied_shallowly(kind):
    """A class without such hooks takes the short way: a new object with the very same attributes."""
    node = kind()
    node.list = []
    assert copies_plainly(kind)
    twin = NodeCopier().copy(node)
    assert type(twin) is kind
    assert twin is not node
    assert vars(twin) == vars(node)
    assert twin.list is node.list
    twin.more = 1
    assert not hasattr(node, "more")


def test_what_is_no_node_is_left_to_copy_copy():
    """A class outside PocketFlow's, found as a successor, is left to `copy.copy`."""
    assert not copies_plainly(dict)
    assert not copies_plainly(type("Own", (), {}))


async def only(flow, row=None, *, threads=False):
    return (await fm.batchflow(flow, [row or {}], threads=threads))[0]


def tries(instance):
    return [(each.retries, each.fallbacks) for each in instance.copies]


class Flaky(AsyncNode):
    """Fails as often as its params say."""

    async def prep_async(self, shared):
        self.left = self.params.get("fails", 0)

    async def exec_async(self, prepared):
        self.left -= 1
        if self.left >= 0:
            raise ValueError(self.left)
        return "an answer"

    async def post_async(self, shared, prepared, executed):
        return executed


class Rescued(Flaky):
    async def exec_fallback_async(self, prepared, error):
        return "a fallback"


class Sync(Node):
    def exec(self, prepared):
        if self.params.get("fails"):
            raise ValueError
        return "an answer"

    def exec_fallback(self, prepared, error):
        return "a fallback"

    def post(self, shared, prepared, executed):
        return executed


@virtual
async def test_retries_are_counted_where_they_have_helped_and_where_not():
    """The last failure of all is no retry: nothing came after it."""
    flow = AsyncFlow(start=Flaky(max_retries=4, wait=1))
    assert [tries(await only(flow, {"fails": n})) for n in range(4)] == [[(n, 0)] for n in range(4)]
    failed = await only(flow, {"fails": 4})
    assert failed.status == "failed"
    assert tries(failed) == [(3, 0)]


@virtual
async def test_a_fallback_is_counted_with_and_without_retries():
    """It is what the node continued with, whichever attempt was the last."""
    assert tries(await only(Rescued(), {"fails": 1})) == [(0, 1)]
    assert tries(await only(Rescued(max_retries=3), {"fails": 3})) == [(2, 1)]
    assert tries(await only(Rescued(max_retries=3), {"fails": 2})) == [(2, 0)]
    assert (await only(Rescued(), {"fails": 1})).result == "a fallback"


@pytest.mark.parametrize("threads", [False, True])
async def test_sync_nodes_are_counted_on_the_loop_and_in_threads(threads):
    """Their exec and fallback are other methods than those of async nodes."""
    for flow in (AsyncFlow(start=Sync(max_retries=2)), Flow(start=Sync(max_retries=2))):
        assert tries(await only(flow, {"fails": 1}, threads=threads)) == [(1, 1)]
        assert tries(await only(flow, threads=threads)) == [(0, 0)]


@pytest.mark.parametrize("base", [AsyncParallelBatchNode, fm.ThrottledParallelBatchNode])
@virtual
async def test_of_a_batch_node_the_tries_of_all_items_are_counted(base):
    """Item 1 fails once, item 2 until its fallback steps in."""

    class Many(base):
        async def prep_async(self, shared):
            self.failed = []
            return [0, 1, 2]

        async def exec_async(self, item):
            await asyncio.sleep(item)
            self.failed.append(item)
            if self.failed.count(item) <= (0, 1, 9)[item]:
                raise ValueError
            return item

        async def exec_fallback_async(self, item, error):
            return -item

        async def post_async(self, shared, prepared, executed):
            shared["all"] = executed

    run = await fm.batchflow(AsyncFlow(start=Many(max_retries=3, wait=0)), [{}])
    assert tries(run[0]) == [(1 + 2, 1)]
    assert run.shared["all"] == [0, 1, -2]


def test_sync_batch_nodes_are_counted():
    """PocketFlow calls exec for each item there, by the same method."""

    class Many(BatchNode):
        def prep(self, shared):
            return range(4)

        def exec(self, item):
            if item % 2:
                raise ValueError
            return item

        def exec_fallback(self, item, error):
            return None

    assert tries(fm.run_batch(Flow(start=Many()), [{}])[0]) == [(0, 2)]


async def test_the_node_of_the_user_is_never_touched_and_the_copy_is_as_it_was():
    """Nothing is left in their attributes; what the user has set there is called and restored."""
    kept = []

    class Keeps(Flaky):
        async def post_async(self, shared, prepared, executed):
            kept.append(self)

    node = Keeps(max_retries=3)
    before = dict(vars(node))
    await only(node, {"fails": 1})
    assert vars(node) == before
    assert not {"exec_async", "exec_fallback_async"} & set(vars(kept[0]))

    async def patched(prepared):
        return "patched"

    node.exec_async = patched
    await only(node)
    assert vars(kept[1])["exec_async"] is patched


async def test_a_node_that_sets_its_exec_while_it_runs_keeps_it():
    """What it has set meanwhile is kept."""
    kept = []

    class Sets(Flaky):
        async def prep_async(self, shared):
            self.exec_async = self.other
            kept.append(self)

        async def other(self, prepared):
            return "other"

    assert (await only(Sets(max_retries=2))).result == "other"
    assert "exec_async" in vars(kept[0])


class Sends(Flaky):
    async def exec_async(self, prepared):
        if self.params.get("sent"):
            return "sent"
        twins = pickle.loads(pickle.dumps(self)), copy.deepcopy(self)
        for twin in twins:
            twin.params = {"sent": True}
        return [await twin.exec_async(prepared) for twin in twins]


async def test_a_node_may_pickle_and_copy_itself_while_it_runs():
    """As one does that sends a method of its own to another process."""
    assert (await only(Sends(max_retries=2))).result == ["sent", "sent"]


@virtual
async def test_the_audit_names_nodes_that_fell_back_and_what_was_spent():
    """A fallback is worth a look; retries are good to know."""
    ask, check = Rescued(max_retries=2), Flaky(max_retries=9)
    ask - "an answer" >> check
    ask - "a fallback" >> check
    run = await fm.batchflow(AsyncFlow(start=ask), [{"fails": n} for n in (0, 1, 2, 3)])
    fell, asked, checked = [each for each in run.audit() if "ask" in str(each) or each.count]
    assert fell.what == "Instances 2 and 3 went on with the fallback of Rescued."
    assert not fell.note
    assert asked.what == "Rescued tried again 3 times, in instances 1, 2 and 3."
    assert checked.what == "Flaky tried again 6 times, in instances 1, 2 and 3."
    assert asked.note
    assert checked.note


@virtual
async def test_earlier_attempts_keep_their_tries():
    """An instance that is run again has those of each attempt."""
    run = await fm.batchflow(Flaky(max_retries=2), [{"fails": 2}], retries=1)
    assert [[each.retries for each in one.copies] for one in run[0].history] == [[1]]
    assert tries(run[0]) == [(1, 0)]
