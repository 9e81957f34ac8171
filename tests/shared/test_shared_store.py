"""The shared store of a run: one for all of its instances, or one for each until it is brought back."""

from __future__ import annotations

import asyncio
import copy
import gc
import weakref

import pytest
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic as fm
from flowmagic.errors import JournalError, SharedError
from flowmagic.shared.shared_store import Sharing

from ..virtualtime import virtual

ROWS_I = [{"i": i} for i in range(4)]
ROWS = [{"image": name, "filter": kind} for name in ("cat", "dog", "owl") for kind in "abc"]


class Load(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        shared["image"] = f"<{self.params['image']}>"


class Pause(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(1)


class Filter(AsyncNode):
    async def prep_async(self, shared):
        return shared["image"]

    async def exec_async(self, image):
        return f"{self.params['filter']}({image})"

    async def post_async(self, shared, image, filtered):
        shared["filtered"] = filtered


class Save(AsyncNode):
    async def prep_async(self, shared):
        return shared["filtered"]

    async def post_async(self, shared, prepared, executed):
        shared.setdefault("saved", {})[self.params["image"], self.params["filter"]] = prepared


def pipeline(kind=AsyncFlow):
    """Load, wait, filter, wait, save."""
    first = Load()
    first >> Pause() >> Filter() >> Pause() >> Save()
    return kind(start=first)


def right(saved):
    """Return how many images are what they should be."""
    return sum(value == f"{kind}(<{image}>)" for (image, kind), value in saved.items())


@virtual
async def test_the_image_pipeline_is_wrong_and_says_so():
    """With an await between its nodes, most images are another one's: flagged, with key and nodes."""
    run = await fm.batchflow(pipeline(), ROWS, limit=9)
    assert run.ok
    assert right(run.shared["saved"]) < 9
    crossed = [each for each in run.crossings if each.level == "crossed"]
    assert {(each.key, each.reader[1], each.writer[1]) for each in crossed} == {
        ("image", "Filter", "Load"),
        ("filtered", "Save", "Filter"),
    }


@virtual
async def test_the_image_pipeline_is_right_when_its_instances_are_isolated():
    """Nine of nine, nothing crossed, and each instance's writes are its own."""
    run = await fm.batchflow(pipeline(), ROWS, limit=9, isolate=True)
    assert run.crossings == []
    for index, row in enumerate(ROWS):
        writes = run[index].writes
        assert set(writes) == {"image", "filtered", "saved"}
        assert right(writes["saved"]) == 1
        assert run.shared[index] is writes
        assert writes["filtered"] == f"{row['filter']}(<{row['image']}>)"
    assert list(run.shared) == list(range(9))


class Waits(AsyncNode):
    """The later the row, the sooner it ends; those named fail, as often as is said."""

    failing: dict[int, int] = {}

    async def exec_async(self, _):
        i = self.params["i"]
        await asyncio.sleep(10 - i)

    async def post_async(self, shared, prepared, executed):
        i = self.params["i"]
        shared["i"] = i
        if self.failing.get(i):
            shared["failed"] = True
            self.failing[i] -= 1
            raise ValueError(i)


def waits(failing=None, kind=AsyncFlow):
    node = Waits()
    node.failing = failing or {}
    return kind(start=node)


@virtual
async def test_merge_is_called_in_the_order_of_the_params_before_post():
    """For each that succeeded, with the user's own store."""
    order = []

    class Batch(AsyncBatchFlow):
        async def post_async(self, shared, prepared, results):
            order.append("post")

    def merge(shared, instance):
        assert shared is store
        assert asyncio.get_running_loop()
        order.append((instance.index, instance.writes))

    store = {}
    run = await fm.batchflow(
        waits({2: 1}, Batch), ROWS_I, limit=4, isolate=True, merge=merge, shared=store
    )
    assert run.counts.failed == 1
    assert order == [(0, {"i": 0}), (1, {"i": 1}), (3, {"i": 3}), "post"]
    assert run[2].writes == {"i": 2, "failed": True}
    order.clear()
    run.retry_failed()
    await run
    assert order == [(2, {"i": 2}), "post"], "each once, and afresh"
    assert store == {}


@virtual
async def test_what_merge_raises_breaks_the_run():
    """As what post raises does; the instances keep what they wrote."""

    def merge(shared, instance):
        raise KeyError("which")

    run = fm.batchflow(waits(), ROWS_I, isolate=True, merge=merge)
    with pytest.raises(KeyError, match="which"):
        await run
    assert run.status == "failed"
    assert run[3].writes == {"i": 3}


@virtual
async def test_a_cancelled_run_merges_nothing():
    """As its post does not run."""
    run = fm.batchflow(waits(), ROWS_I, limit=4, isolate=True)
    await asyncio.sleep(7.5)
    run.cancel()
    await run
    assert run.shared == {}
    assert run[3].writes == {"i": 3}
    assert run[0].writes == {}


@virtual
async def test_merging_many_lets_the_loop_turn(monkeypatch):
    """A slice at a time; a cancellation in between is heard."""
    monkeypatch.setattr("flowmagic.shared.shared_store._SLICE", -1.0)
    merged = []

    def merge(shared, instance):
        merged.append(instance.index)
        if len(merged) == 2:
            run.cancel()

    run = fm.batchflow(waits(), ROWS_I, limit=4, isolate=True, merge=merge)
    await run
    assert run.status == "cancelled"
    assert merged == [0, 1]


@virtual
async def test_an_attempt_that_runs_again_has_a_fresh_view():
    """What the failed one wrote is gone."""
    run = await fm.batchflow(waits({1: 2}), ROWS_I, limit=4, isolate=True, retries=2)
    assert run.ok
    assert run[1].writes == {"i": 1}
    assert run[1].attempts == 3


@virtual
async def test_writes_are_none_where_there_are_none():
    """Before a row begins, and in a run that is not isolated."""
    run = fm.batchflow(waits(), ROWS_I, limit=1, isolate=True)
    assert run[3].writes is None
    await run
    assert run[3].writes == {"i": 3}
    assert (await fm.batchflow(waits(), ROWS_I)).instances[0].writes is None


@virtual
async def test_rows_that_are_dropped_drop_their_writes():
    """A long generator does not fill the memory; the latest are there."""

    class Value:
        pass

    class Node(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["value"] = value = Value()
            alive.append(weakref.ref(value))

    alive = []
    rows = ({"i": i} for i in range(50))
    run = await fm.batchflow(Node(), rows, isolate=True, keep=5)
    gc.collect()
    assert run.counts.succeeded == 50
    assert sum(each() is not None for each in alive) == 5
    assert run[0].writes is None
    assert list(run.shared) == list(range(45, 50)), "in the order of the params"


@virtual
async def test_the_frame_has_the_writes_of_isolated_instances():
    """A column after the others; none where nothing is isolated."""
    pytest.importorskip("pandas")
    run = await fm.batchflow(waits(), ROWS_I, isolate=True)
    frame = run.to_frame()
    assert list(frame.columns)[-2:] == ["error", "writes"]
    assert list(frame.writes) == [{"i": i} for i in range(4)]
    assert "writes" not in (await fm.batchflow(waits(), ROWS_I)).to_frame()


@virtual
async def test_a_resumed_run_has_the_writes_of_the_earlier_one(tmp_path):
    """From the journal, and merged like those of rows that ran."""
    path = tmp_path / "runs.journal"
    flow = waits({2: 1})
    first = await fm.batchflow(flow, ROWS_I, limit=4, isolate=True, journal=path)
    assert first.counts.failed == 1
    second = await fm.resume(path, flow, ROWS_I, limit=4, isolate=True, anyway=True)
    assert second.ok
    assert [each.restored for each in second.instances] == [1, 1, None, 1]
    assert second.shared == {i: {"i": i} for i in range(4)}
    with fm.open_journal(path) as journal:
        assert journal[1].instances[1].writes == {"i": 1}
    third = await fm.resume(path, flow, ROWS_I, anyway=True)
    assert third.shared == {}, "nothing is merged where nothing is isolated"


@virtual
async def test_writes_without_a_form_in_a_journal_run_again(tmp_path):
    """A row whose writes could not be restored is not taken for done."""

    class Node(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["odd"] = object()

    path = tmp_path / "runs.journal"
    flow = AsyncFlow(start=Node())
    await fm.batchflow(flow, ROWS_I[:1], isolate=True, journal=path)
    run = await fm.resume(path, flow, ROWS_I[:1], isolate=True)
    assert run[0].restored is None
    assert set(run.shared[0]) == {"odd"}
    with fm.open_journal(path) as journal:
        assert "object" in journal[1].instances[0].unwritten


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (
            {"merge": 5, "isolate": True},
            r"merge is an int \(5\), not a function that takes .*Write\s+merge=",
        ),
        ({"merge": lambda s, i: None}, r"not\s+isolated\. Write isolate=True too"),
        (
            {"fill_shared": 3},
            r'is an int \(3\), neither True nor the name .*fill_shared="question"',
        ),
        ({"fill_shared": ""}, r"fill_shared is a str \(''\), neither"),
        (
            {"allow_shared": "results"},
            r'not a list of keys\. Write for example allow_shared=\["res',
        ),
        ({"allow_shared": None}, r"allow_shared is None"),
        ({"allow_shared": [["a"]]}, r"cannot be a key of a dict .*unhashable"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, hint):
    """With what was found, and what to write."""
    with pytest.raises(SharedError, match=hint):
        Sharing.of(**wrong)


def test_an_async_merge_is_refused():
    """Nobody would await it."""

    async def merge(shared, instance):
        pass

    with pytest.raises(SharedError, match="merge is an async function"):
        Sharing.of(merge=merge, isolate=True)


@pytest.mark.parametrize("shared", [[1], type("Own", (dict,), {})()])
@pytest.mark.parametrize("option", ["isolate", "fill_shared"])
@virtual
async def test_only_a_plain_dict_is_isolated(shared, option):
    """Before anything runs."""
    with pytest.raises(SharedError, match=rf"{option}\S* needs .* or leave {option} out"):
        fm.batchflow(waits(), ROWS_I, **{option: True}, shared=shared)


# With `fill_shared`


class Answers(AsyncNode):
    """A node that reads no params, and adds to a list of the store and to one of its row."""

    async def prep_async(self, shared):
        shared["log"].append(shared["question"])
        shared.get("words", []).append("seen")
        return shared["question"], list(shared.get("words", []))

    async def exec_async(self, prepared):
        await asyncio.sleep(1)
        return f"{prepared} in {self.params['language']}"

    async def post_async(self, shared, prepared, executed):
        shared["answer"] = executed


def answers():
    """Return a flow that has a param of its own, which is none of the shared store's."""
    flow = AsyncFlow(start=Answers())
    flow.set_params({"language": "en"})
    return flow


QUESTIONS = [{"question": "a", "words": []}, {"question": "b", "language": "fr"}]


@virtual
async def test_each_row_is_in_the_shared_store_of_its_instance():
    """As one sequential run of the flow per row, each over a copy of the given store."""
    shared = {"log": ["began"], "question": "none"}
    run = await fm.batchflow(answers(), QUESTIONS, shared=shared, fill_shared=True)
    assert run.ok, run.results
    for row, instance in zip(QUESTIONS, run.instances, strict=True):
        alone = copy.deepcopy({"log": ["began"], **row})
        flow = answers()
        flow.set_params({"language": "en", **row})
        await flow.run_async(alone)
        assert instance.writes["answer"] == alone["answer"]
        assert instance.writes["log"] == alone["log"] == ["began", row["question"]]
        assert instance.params == {"language": "en", **row}
    assert run[1].writes.keys() == {"answer", "log"}, "a row that is only read is not written"
    assert shared == {"log": ["began"], "question": "none", **{i: run[i].writes for i in (0, 1)}}
    assert QUESTIONS[0] == {"question": "a", "words": []}


@virtual
async def test_a_filled_store_needs_no_isolate_to_be_merged():
    """What came out is brought back as of isolated instances."""
    run = await fm.batchflow(
        answers(),
        ["a", "b"],
        shared={"log": []},
        fill_shared="question",
        merge=lambda shared, instance: shared["log"].extend(instance.writes["log"]),
    )
    assert run.shared == {"log": ["a", "b"]}
    assert [each.row for each in run.instances] == [{"question": "a"}, {"question": "b"}]
    assert run.outputs == [f"{(each, [])} in en" for each in "ab"]


@virtual
async def test_an_attempt_that_runs_again_finds_its_row_as_it_was():
    """Whatever the failed one did to the lists in it, and to its params."""

    class Fails(AsyncNode):
        async def prep_async(self, shared):
            shared["words"].append(1)
            self.params["words"].append(2)
            shared["question"] = found.append((shared["question"], shared["words"][:-1]))

        async def exec_async(self, _):
            raise RuntimeError

    found = []
    await fm.batchflow(Fails(), [{"question": "a", "words": [0]}], fill_shared=True, retries=2)
    assert found == 3 * [("a", [0])]


@virtual
async def test_a_row_is_not_meant_to_be_shared():
    """A key that all instances share is still each one's own, if its row has it."""
    shared = {"log": [], "words": ["of all"]}
    rows = [{"question": i, "words": []} for i in range(2)]
    run = await fm.batchflow(
        answers(), rows, shared=shared, fill_shared=True, allow_shared=["log", "words"]
    )
    assert shared["log"] == [0, 1]
    assert shared["words"] == ["of all"]
    assert [each.writes["words"] for each in run.instances] == [["seen"], ["seen"]]


@virtual
async def test_what_was_read_of_the_row_in_shared_counts_as_a_param_that_was_read():
    """So that the audit names the params that changed nothing, and no others."""
    rows = [{"question": "a", "id": 7, "language": "en"}]
    run = await fm.batchflow(answers(), rows, shared={"log": []}, fill_shared=True)
    assert run[0].read == {"question", "language"}
    assert [each.what for each in run.audit()] == ['No instance has read the param "id".']


@virtual
async def test_rows_that_ran_without_the_option_are_not_taken_over(tmp_path):
    """Nor the other way round: the nodes found another store. With another name, they found the same."""

    class Looks(AsyncNode):
        async def post_async(self, shared, prepared, executed):
            shared["answer"] = shared.get("question", "nothing")

    path, flow, rows = tmp_path / "runs.journal", AsyncFlow(start=Looks()), [{"question": "a"}]
    await fm.batchflow(flow, rows, journal=path)
    with pytest.raises(JournalError, match="fill_shared is new"):
        fm.batchflow(flow, rows, journal=path, resume=True, fill_shared=True)
    await fm.batchflow(flow, rows, journal=path, fill_shared=True)
    named = await fm.batchflow(flow, ["a"], journal=path, resume=True, fill_shared="question")
    assert (named[0].restored, named[0].writes) == (2, {"answer": "a"})
    again = await fm.resume(path, flow, fill_shared=True)
    assert again[0].restored == 2
    plain = await fm.resume(path, flow)
    assert plain[0].restored == 1


@virtual
async def test_a_resumed_run_has_the_writes_of_rows_that_were_filled_in(tmp_path):
    """With texts as rows, too."""
    path = tmp_path / "runs.journal"
    options = {"fill_shared": "question", "journal": path}
    first = await fm.batchflow(answers(), ["a"], shared={"log": []}, **options)
    run = await fm.batchflow(answers(), ["a", "b"], shared={"log": []}, resume=True, **options)
    assert [each.restored for each in run.instances] == [1, None]
    assert run[0].writes == first[0].writes
    assert run.shared == {"log": [], 0: first[0].writes, 1: run[1].writes}
    with fm.open_journal(path) as journal:
        assert journal[2].options["fill_shared"] == "question"
        assert journal[2].to_frame().writes[0] == first[0].writes
