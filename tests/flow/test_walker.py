"""A walk does what PocketFlow's own orchestration does, and records each node copy."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

import flowmagic as fm

from ..virtualtime import virtual


def tree(instance):
    return [(each.node, each.parent) for each in instance.copies]


async def only(flow, row=None, *, threads=False):
    """Run one instance and return it."""
    return (await fm.batchflow(flow, [row or {}], threads=threads))[0]


class Step(Node):
    pass


class Then(Node):
    pass


class AStep(AsyncNode):
    pass


def chained(first, *others):
    for node in others:
        first.next(node)
        first = node


@virtual
async def test_the_users_own_node_is_never_the_one_that_runs():
    """Each visit runs a copy: attributes set there are not on the user's node."""

    class Marks(Node):
        def exec(self, prep_res):
            self.marked = True

    node = Marks()
    for flow in (node, Flow(start=node), AsyncFlow(start=node)):
        instance = await only(flow)
        assert instance.status == "succeeded"
    assert not hasattr(node, "marked")


class Empty(AsyncNode):
    """False, as a node with a `__len__` may be."""

    def __len__(self):
        return 0

    async def post_async(self, shared, prep_res, exec_res):
        return "ran"


@virtual
async def test_a_node_that_is_false_runs_alone_and_ends_a_walk_as_in_pocketflow():
    """PocketFlow tests the truth value of the nodes of a flow, and of no other."""
    assert (await only(Empty())).result == "ran"
    assert await AsyncFlow(start=Empty())._orch_async({}) is None
    instance = await only(AsyncFlow(start=Empty()))
    assert (instance.result, len(instance.copies)) == (None, 0)


# Snapshots of the params


class Array:
    """Compares as arrays do: to something that has no truth value."""

    def __eq__(self, other):
        return self

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self):
        raise ValueError("The truth value of an array is ambiguous.")


def writer(write):
    class Writer(Node):
        def post(self, shared, prep_res, exec_res):
            write(self.params)

    return Writer()


@pytest.mark.parametrize(
    ("write", "after"),
    [
        (lambda params: params.update(more=1), {"i": 0, "own": "x", "more": 1}),
        (lambda params: params.update(i=1), {"i": 1, "own": "x"}),
        (lambda params: params.update(j=params.pop("i")), {"own": "x", "j": 0}),
        (lambda params: params.pop("i"), {"own": "x"}),
        (lambda params: params.clear(), {}),
    ],
)
@pytest.mark.parametrize("kind", [Flow, AsyncFlow])
@pytest.mark.parametrize("nested", [False, True])
@virtual
async def test_a_copy_is_on_record_with_the_params_it_received(write, after, kind, nested):
    """What a node writes to its params is in the records of those after it, and of no other."""
    first = Step()
    chained(first, writer(write), Then(), AStep() if kind is AsyncFlow else Step(), Then())
    flow = kind(start=first)
    flow.set_params({"own": "x"})
    if nested:
        flow = kind(start=flow)
        flow.set_params({"own": "x"})
    instance = await only(flow, {"i": 0})
    assert instance.status == "succeeded"
    seen = [each.params for each in instance.copies][nested:]
    assert seen == [{"i": 0, "own": "x"}] * 2 + [after] * 3
    # One object while nothing changes, so that a walk of a thousand nodes keeps one.
    assert seen[0] is seen[1]
    assert seen[2] is seen[3] is seen[4]
    assert instance.params == {"i": 0, "own": "x"}


@virtual
async def test_written_with_what_was_there_makes_no_new_snapshot():
    """Assigning the very object that stood there changes nothing."""
    value = object()
    first = writer(lambda params: params.update(i=params["i"]))
    chained(first, Then())
    instance = await only(Flow(start=Flow(start=first)), {"i": value})
    assert instance.copies[1].params is instance.copies[2].params


@pytest.mark.parametrize("kind", [Flow, AsyncFlow])
@virtual
async def test_values_without_a_truth_value_raise_nothing(kind):
    """Arrays and frames may be params: they are told apart by identity."""
    array, other = Array(), Array()
    first = writer(lambda params: params.update(data=other))
    chained(first, Then(), Then())
    instance = await only(kind(start=kind(start=first)), {"data": array})
    assert instance.error is None
    assert [each.params["data"] is other for each in instance.copies] == [False, False, True, True]


@virtual
async def test_params_of_another_type_are_on_record_as_they_are():
    """What a node's own `set_params` makes of them is no concern of the record."""

    class Inner(AsyncBatchFlow):
        async def _run_async(self, shared):
            return await self._orch_async(shared, Own(i=1))

    class Own(dict):
        pass

    first = writer(lambda params: None)
    chained(first, Then())
    instance = await only(AsyncFlow(start=Inner(start=first)))
    assert [each.params for each in instance.copies] == [{}, {"i": 1}, {"i": 1}]
    assert type(instance.copies[1].params) is Own


# Nested flows


class InFlow(Flow):
    pass


class InBatch(BatchFlow):
    def prep(self, shared):
        return [{"r": 1}, {"r": 2}]


class InAsync(AsyncFlow):
    pass


class InAsyncBatch(AsyncBatchFlow):
    async def prep_async(self, shared):
        return [{"r": 1}, {"r": 2}]


class InParallel(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"r": 1}, {"r": 2}]


class Waits(AsyncNode):
    async def exec_async(self, prep_res):
        await asyncio.sleep(1 + self.params.get("r", 0))


ONE = [("Step", 1), ("Then", 1)]
TREES = {InFlow: ONE, InAsync: ONE, InBatch: ONE * 2, InAsyncBatch: ONE * 2}


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("kind", TREES)
@virtual
async def test_each_copy_in_a_nested_flow_names_its_parent(kind, threads):
    """A nested flow is a record, and the copies that ran in it carry its position."""
    before, step, after = Step(), Step(), Then()
    chained(step, Then())
    inner = kind(start=step)
    chained(before, inner, after)
    instance = await only(AsyncFlow(start=before), {"i": 0}, threads=threads)
    assert instance.error is None
    expected = [("Step", None), (kind.__name__, None), *TREES[kind], ("Then", None)]
    assert tree(instance) == expected
    if len(TREES[kind]) > 2:
        rows = [each.params.get("r") for each in instance.copies]
        assert rows == [None, None, 1, 1, 2, 2, None]
    assert all(each.ended is not None for each in instance.copies)


@virtual
async def test_parallel_children_interleave_and_keep_their_parents():
    """In a parallel batch within another, each copy names the flow that it ran in."""
    leaf = Waits()
    chained(leaf, Step())

    class Middle(InAsync):
        pass

    instance = await only(AsyncFlow(start=InParallel(start=Middle(start=leaf))))
    assert instance.error is None
    assert tree(instance) == [
        ("InParallel", None),
        ("Middle", 0),
        ("Middle", 0),
        ("Waits", 1),
        ("Waits", 2),
        ("Step", 1),
        ("Step", 2),
    ] or tree(instance) == [
        ("InParallel", None),
        ("Middle", 0),
        ("Waits", 1),
        ("Middle", 0),
        ("Waits", 3),
        ("Step", 1),
        ("Step", 3),
    ]
    for each in instance.copies[1:]:
        parent = instance.copies[each.parent]
        assert parent.params.get("r", each.params["r"]) == each.params["r"]
    waits = [each for each in instance.copies if each.node == "Waits"]
    assert [each.ended - each.started for each in waits] == [2.0, 3.0]


@pytest.mark.parametrize("threads", [False, True])
@virtual
async def test_a_nested_sync_batch_hands_its_rows_to_its_post(threads):
    """The nested flow's own prep and post are called with what PocketFlow gives them."""
    seen = []

    class RowLog(InBatch):
        def post(self, shared, prep_res, exec_res):
            seen.append((prep_res, exec_res))
            return "on"

    class Whole(InFlow):
        def prep(self, shared):
            return "prepared"

        def post(self, shared, prep_res, exec_res):
            seen.append((prep_res, exec_res))
            return "on"

    class Says(Node):
        def post(self, shared, prep_res, exec_res):
            return "said"

    first, second = RowLog(start=Says()), Whole(start=Says())
    first - "on" >> second
    instance = await only(Flow(start=first), threads=threads)
    assert seen == [([{"r": 1}, {"r": 2}], None), ("prepared", "said")]
    assert [each.action for each in instance.copies] == ["on", "said", "said", "on", "said"]
    assert instance.result == "on"


@pytest.mark.parametrize("threads", [False, True])
@virtual
async def test_an_error_marks_the_node_and_each_flow_around_it(threads):
    """A failure is on record at the copy that raised and at every flow it passed through."""

    class Raises(Node):
        def exec(self, prep_res):
            raise ValueError("wrong")

    before = Step()
    chained(before, InAsync(start=InFlow(start=Raises())))
    instance = await only(AsyncFlow(start=before), threads=threads)
    assert [each.error for each in instance.copies] == [None, *[instance.error] * 3]
    assert str(instance.error) == "wrong"
    assert all(each.ended is not None for each in instance.copies)


@virtual
async def test_an_async_flow_in_a_sync_one_fails_with_pocketflows_own_words():
    """What PocketFlow cannot run fails as it does there."""
    instance = await only(Flow(start=InAsync(start=AStep())))
    assert isinstance(instance.error, RuntimeError)
    assert str(instance.error) == "Use run_async."
    assert [(each.node, each.error) for each in instance.copies] == [("InAsync", instance.error)]


# Orchestrations of the user's own


class OwnAsyncOrch(InAsync):
    async def _orch_async(self, shared, params=None):
        shared.setdefault("own", []).append(type(self).__name__)
        return await super()._orch_async(shared, params)


class OwnParallelOrch(InParallel):
    async def _orch_async(self, shared, params=None):
        return await super()._orch_async(shared, params)


class OwnOrch(InFlow):
    def _orch(self, shared, params=None):
        shared.setdefault("own", []).append(type(self).__name__)
        return super()._orch(shared, params)


@pytest.mark.parametrize(("outer", "kind"), [(AsyncFlow, OwnAsyncOrch), (Flow, OwnOrch)])
@virtual
async def test_a_nested_flow_with_its_own_orchestration_keeps_it_and_is_recorded(outer, kind):
    """Its own method runs, and each node is recorded when it asks for the next one."""
    step = Step()
    chained(step, Then())
    shared: dict = {}
    flow = outer(start=kind(start=step))
    instance = (await fm.batchflow(flow, [{"i": 0}], shared=shared))[0]
    assert shared["own"] == [kind.__name__]
    assert tree(instance) == [(kind.__name__, None), ("Step", 0), ("Then", 0)]
    assert [each.params for each in instance.copies] == [{"i": 0}] * 3


@virtual
async def test_a_recorded_copy_starts_when_the_one_before_it_in_its_task_ended():
    """Parallel children that orchestrate themselves do not take their times from each other."""
    leaf, second = Waits(), Waits()
    chained(leaf, second)
    instance = await only(AsyncFlow(start=OwnParallelOrch(start=leaf)))
    times = [(each.params["r"], each.started, each.ended) for each in instance.copies[1:]]
    assert times == [(1, 0.0, 2.0), (2, 0.0, 3.0), (1, 2.0, 4.0), (2, 3.0, 6.0)]


@virtual
async def test_a_get_next_node_set_on_the_nested_flow_is_called_and_restored():
    """A hook that the user set on the object itself is called, and is still there afterwards."""
    asked, copies = [], []

    class Keeps(OwnAsyncOrch):
        async def post_async(self, shared, prep_res, exec_res):
            copies.append(self)
            return exec_res

    inner = Keeps(start=Step())

    def get_next_node(node, action):
        asked.append(type(node).__name__)

    inner.get_next_node = get_next_node
    await only(AsyncFlow(start=inner))
    assert asked == ["Step"]
    assert copies[0].get_next_node is get_next_node
    assert inner.get_next_node is get_next_node


class Frame:
    """Has no truth value and no hash, like a DataFrame."""

    def __bool__(self):
        raise ValueError("ambiguous")

    __hash__ = None


def returns(action, kind=Node):
    """Return a node whose post returns `action`."""

    def post(self, shared, prepared, executed):
        return action

    async def post_async(self, shared, prepared, executed):
        return action

    return type(
        "Returns",
        (kind,),
        {"post_async" if kind is AsyncNode else "post": post_async if kind is AsyncNode else post},
    )()


@pytest.mark.parametrize("result", [{"answer": 1}, ["a"], Frame()], ids=["dict", "list", "frame"])
@pytest.mark.parametrize("kind", [Node, AsyncNode])
@virtual
async def test_whatever_the_last_node_returns_ends_the_instance_well(result, kind):
    """Its exec was paid for; in PocketFlow, looking up the action would raise. In nested flows, too."""
    instance = await only(AsyncFlow(start=returns(result, kind)))
    assert instance.status == "succeeded", instance.error
    assert instance.result is result
    assert instance.copies[0].action is result
    nested = await only(AsyncFlow(start=AsyncFlow(start=returns(result, kind))))
    assert nested.result is result


@virtual
async def test_what_is_no_action_still_raises_where_it_is_looked_up():
    """At a node with successors, and in a lookup of the user's own."""
    first = returns({})
    first >> Step()
    assert (await only(Flow(start=first))).copies[1].node == "Step", "an empty dict is no action"
    first = returns({"a": 1})
    first >> Step()
    assert isinstance((await only(Flow(start=first))).error, TypeError)

    class Own(Flow):
        def get_next_node(self, curr, action):
            raise LookupError(action)

    assert isinstance((await only(Own(start=returns({"a": 1})))).error, LookupError)


@pytest.mark.parametrize("kind", [OwnAsyncOrch, OwnOrch])
@virtual
async def test_a_top_level_orchestration_of_its_own_leaves_one_record(kind):
    """It runs as it stands, on the user's object, with the merged params."""
    seen = []

    class Says(Node):
        def post(self, shared, prep_res, exec_res):
            seen.append(self.params)
            return "said"

    flow = kind(start=Says())
    flow.set_params({"own": 1})
    before = dict(vars(flow))
    instance = await only(flow, {"i": 0})
    assert tree(instance) == [(kind.__name__, None)]
    assert instance.copies[0].action == instance.result == "said"
    assert seen == [{"own": 1, "i": 0}]
    assert vars(flow) == before


@pytest.mark.parametrize("is_async", [False, True])
@virtual
async def test_an_error_in_a_top_level_orchestration_is_on_its_record(is_async):
    """The one record holds the error, with its end."""

    class Async(AsyncFlow):
        async def _orch_async(self, shared, params=None):
            raise ValueError("wrong")

    class Sync(Flow):
        def _orch(self, shared, params=None):
            raise ValueError("wrong")

    instance = await only((Async if is_async else Sync)(start=Step()))
    assert instance.copies[0].error is instance.error
    assert instance.copies[0].ended is not None


@virtual
async def test_an_orchestration_set_on_the_object_is_found_too():
    """A hook patched on the user's own object counts as an override."""
    flow = AsyncFlow(start=Step())

    async def orch_async(shared, params=None):
        return f"own {params['i']}"

    flow._orch_async = orch_async
    instance = await only(flow, {"i": 7})
    assert instance.result == "own 7"


@pytest.mark.parametrize("threads", [False, True])
@virtual
async def test_a_nested_sync_flow_that_overrides_run_keeps_it(threads):
    """Its own `_run` is called, and the nodes that it orchestrates are on record."""

    class OwnRun(InFlow):
        def _run(self, shared):
            first = self._orch(shared, {"time": 1})
            return self._orch(shared, {"time": 2}) if first is None else first

    step = Step()
    chained(step, Then())
    instance = await only(AsyncFlow(start=OwnRun(start=step)), threads=threads)
    assert tree(instance) == [("OwnRun", None), *[("Step", 0), ("Then", 0)] * 2]
    assert [each.params.get("time") for each in instance.copies] == [None, 1, 1, 2, 2]


# What a node may do


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("base", [Node, AsyncNode])
@virtual
async def test_a_set_params_that_raises_belongs_to_its_node(base, threads):
    """The error is that copy's, and the nodes before it keep theirs."""

    class Picky(base):
        def set_params(self, params):
            raise KeyError("user_id")

    before = Step()
    chained(before, Picky())
    instance = await only(AsyncFlow(start=before), threads=threads)
    assert instance.status == "failed"
    assert [each.error for each in instance.copies] == [None, instance.error]
    assert isinstance(instance.error, KeyError)


@virtual
async def test_a_stop_iteration_out_of_a_thread_fails_its_instance_and_hangs_nothing():
    """A StopIteration cannot be set on a future: it arrives as the RuntimeError Python makes of it."""

    class Stops(Node):
        def exec(self, prep_res):
            next(iter(()))

    run = await fm.batchflow(Stops(), [{}, {}], threads=True)
    for instance in run.instances:
        assert isinstance(instance.error, RuntimeError)
        assert isinstance(instance.error.__cause__, StopIteration)


@virtual
async def test_nothing_of_ours_is_left_on_any_flow_or_node():
    """While it runs a copy of a nested flow carries a hook of ours; afterwards no object does."""
    kept = []

    def keeping(kind):
        class Keeps(kind):
            def set_params(self, params):
                kept.append(self)
                super().set_params(params)

        return Keeps(start=Step())

    class OwnRun(InFlow):
        def _run(self, shared):
            return super()._run(shared)

    kinds = [*TREES, InParallel, OwnAsyncOrch, OwnParallelOrch, OwnOrch, OwnRun]
    flows = [keeping(kind) for kind in kinds]
    chained(*flows)
    flow = AsyncFlow(start=flows[0])
    before = [dict(vars(each)) for each in (flow, *flows)]
    instance = await only(flow)
    assert instance.error is None
    assert [dict(vars(each)) for each in (flow, *flows)] == before
    assert len(kept) == len(flows)
    for each in kept:
        assert set(vars(each)) == set(vars(type(each)()))


@virtual
async def test_nothing_of_ours_is_left_after_a_failure():
    """A nested flow's copy is cleared of our hook when a node in it raises, too."""
    kept = []

    class Raises(Node):
        def exec(self, prep_res):
            raise ValueError

    for kind in (InAsync, OwnAsyncOrch, OwnOrch):

        class Keeps(kind):
            def set_params(self, params):
                kept.append(self)
                super().set_params(params)

        await only(AsyncFlow(start=Keeps(start=Raises())))
    assert len(kept) == 3
    for each in kept:
        assert set(vars(each)) == set(vars(type(each)()))


# Threads


@pytest.mark.parametrize("base", [Node, BatchNode])
@virtual
async def test_only_the_exec_of_a_sync_node_runs_in_a_thread(base):
    """Prep and post stay on the loop: what they do to `shared` needs no lock."""
    where = {}

    class Tells(base):
        def prep(self, shared):
            where["prep"] = threading.get_ident()
            return [1]

        def exec(self, prep_res):
            where["exec"] = threading.get_ident()
            return prep_res

        def post(self, shared, prep_res, exec_res):
            where["post"] = threading.get_ident()
            assert exec_res == [1]

    for flow in (Tells(), Flow(start=Tells()), AsyncFlow(start=InFlow(start=Tells()))):
        where.clear()
        assert (await only(flow, threads=True)).error is None
        here = threading.get_ident()
        assert where["prep"] == where["post"] == here
        assert where["exec"] != here
        assert (await only(flow, threads=False)).error is None
        assert where["exec"] == here


@pytest.mark.parametrize("name", ["_run", "_exec"])
@virtual
async def test_a_sync_node_with_a_run_or_exec_of_its_own_stays_on_the_loop(name):
    """A node that says how it runs is called as PocketFlow calls it, in one piece."""
    where = []

    class Own(Node):
        def exec(self, prep_res):
            where.append(threading.get_ident())

    def own(self, argument):
        return getattr(Node, name)(self, argument)

    setattr(Own, name, own)
    assert (await only(AsyncFlow(start=Own()), threads=True)).error is None
    assert where == [threading.get_ident()]


# Outputs


class AnswersAsync(AsyncNode):
    async def prep_async(self, shared):
        return self.params.get("n", 1)

    async def exec_async(self, n):
        return {"answer": n}


class Answers(Node):
    def prep(self, shared):
        return self.params.get("n", 1)

    def exec(self, n):
        return [n, n]


class OwnRunAsync(AnswersAsync):
    async def _run_async(self, shared):
        await super()._run_async(shared)
        return await self.post_async(shared, None, exec_res="by keyword")


class OwnRun(Answers):
    def _run(self, shared):
        return self.post(shared, None, ("of", "its own"))


class CallsNoPost(Answers):
    def _run(self, shared):
        return self.prep(shared) and None


class Doubles(BatchNode):
    def prep(self, shared):
        return [1, 2]

    def exec(self, item):
        return 2 * item


class Falls(Node):
    def exec(self, prep_res):
        raise ValueError

    def exec_fallback(self, prep_res, exc):
        return "fallback"


class SecondTry(AsyncNode):
    async def exec_async(self, prep_res):
        self.tries = getattr(self, "tries", 0) + 1
        if self.tries == 1:
            raise ValueError
        return "second"


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize(
    ("node", "output"),
    [
        (AnswersAsync(), {"answer": 7}),
        (Answers(), [7, 7]),
        (OwnRunAsync(), "by keyword"),
        (OwnRun(), ("of", "its own")),
        (CallsNoPost(), None),
        (Doubles(), [2, 4]),
        (Falls(max_retries=2), "fallback"),
        (SecondTry(max_retries=2), "second"),
        (AStep(), None),
    ],
    ids=lambda value: type(value).__name__,
)
@virtual
async def test_the_output_of_a_copy_is_what_its_post_received(node, output, threads):
    """However the node runs: alone, in a flow, or in a nested flow, sync where that is possible."""
    flows = [node, AsyncFlow(start=node), AsyncFlow(start=AsyncFlow(start=node))]
    if not isinstance(node, AsyncNode):
        flows += [Flow(start=node), AsyncFlow(start=InFlow(start=node))]
    for flow in flows:
        instance = await only(flow, {"n": 7}, threads=threads)
        assert instance.error is None
        assert instance.copies[-1].output == output
        assert instance.output == output
    assert "post" not in vars(node)


@virtual
async def test_a_run_set_on_the_node_object_is_observed_too():
    """The attribute of the object decides, as in PocketFlow; our copy is the one that is observed."""
    node = AnswersAsync()

    async def own(shared):
        return await node.post_async(shared, None, "not seen: another object")

    node._run_async = own
    assert (await only(AsyncFlow(start=node))).output is None


@virtual
async def test_a_flow_has_no_output_of_its_own():
    """What its post receives is an action; the output of the instance is that of a node within."""
    inner = AsyncFlow(start=AnswersAsync())
    inner >> AStep()
    instance = await only(AsyncFlow(start=inner))
    assert [each.output for each in instance.copies] == [None, {"answer": 1}, None]
    assert instance.output == {"answer": 1}


@virtual
async def test_the_last_of_parallel_copies_is_the_one_that_began_last():
    """Though another one ended after it."""

    class Naps(AsyncNode):
        async def exec_async(self, prep_res):
            await asyncio.sleep(self.params["nap"])
            return self.params["nap"]

    class Rows(AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"nap": 3}, {"nap": 1}, {"nap": 2}]

    instance = await only(AsyncFlow(start=Rows(start=Naps())))
    assert [each.output for each in instance.copies] == [None, 3, 1, 2]
    assert instance.output == 2


@virtual
async def test_the_outputs_of_a_failed_instance_up_to_the_failure_are_there():
    """And its place among the outputs of the run is taken by the exception."""

    class Fails(AsyncNode):
        async def post_async(self, shared, prep_res, exec_res):
            raise ValueError(self.params["n"])

        async def exec_async(self, prep_res):
            return "paid for"

    first = AnswersAsync()
    first >> Fails()
    run = await fm.batchflow(AsyncFlow(start=first), [{"n": 1}])
    assert [each.output for each in run[0].copies] == [{"answer": 1}, "paid for"]
    assert run[0].output == "paid for"
    assert run.outputs == [run[0].error]


@virtual
async def test_a_running_instance_has_the_output_of_the_nodes_that_have_ended():
    """It may be looked at while it runs."""
    seen = []

    class Looks(AsyncNode):
        async def exec_async(self, prep_res):
            seen.append((run[0].output, [each.output for each in run[0].copies]))

    first = Answers()
    first >> Looks()
    run = fm.batchflow(AsyncFlow(start=first), [{"n": 1}])
    await run
    assert seen == [([1, 1], [[1, 1], None])]


# Params that are changed in place


class Asks(AsyncNode):
    async def exec_async(self, prep_res):
        self.params["messages"].append({"role": "assistant"})
        self.params["seen"].add(len(self.params["messages"]))


class FailsFirst(AsyncNode):
    tries = 0

    async def exec_async(self, prep_res):
        type(self).tries += 1
        if self.tries == 1:
            raise ValueError


@pytest.mark.parametrize("nested", [False, True])
@virtual
async def test_what_a_copy_received_is_recorded_as_it_was(nested):
    """A list that a later node appends to is as each copy received it, also in a nested flow."""
    first, second = Asks(), Asks()
    first >> second >> AStep()
    flow = AsyncFlow(start=AsyncFlow(start=first) if nested else first)
    messages, seen = [{"role": "user"}], set()
    instance = await only(flow, {"messages": messages, "seen": seen, "n": 1})
    copies = [each for each in instance.copies if each.node != "AsyncFlow"]
    assert [len(each.params["messages"]) for each in copies] == [1, 2, 3]
    assert [each.params["seen"] for each in copies] == [set(), {2}, {2, 3}]
    assert instance.params == {"messages": [{"role": "user"}], "seen": set(), "n": 1}
    assert instance.row == instance.params
    assert len(messages) == 3, "contract: the first attempt gets the row's own objects"


@virtual
async def test_a_retried_instance_starts_with_the_row_as_it_was_given():
    """What the attempt before it has appended is not there any more."""
    FailsFirst.tries = 0
    first = Asks()
    first >> FailsFirst()
    row = {"messages": [{"role": "user"}], "seen": set()}
    run = await fm.batchflow(AsyncFlow(start=first), [row], retries=2)
    assert run[0].attempts == 2
    assert [len(copy.params["messages"]) for copy in run[0].copies] == [1, 2]
    assert len(run[0].history[0].copies[0].params["messages"]) == 1


@virtual
async def test_a_value_that_the_user_puts_into_a_row_counts_for_its_retry():
    """A row may be mended before it is retried: what a node changed is undone, what the user set stays."""

    class Refuses(AsyncNode):
        async def exec_async(self, prep_res):
            self.params["said"].append("no")
            if self.params["who"] == "nobody":
                raise ValueError

    row = {"said": [], "who": "nobody", "list": [1]}
    run = await fm.batchflow(AsyncFlow(start=Refuses()), [row])
    row["who"], row["list"] = "me", [2]
    await run.retry_failed()
    assert run.ok
    assert run[0].params == {"said": [], "who": "me", "list": [2]}
    assert run[0].copies[0].params == run[0].params
