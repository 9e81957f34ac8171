"""A resumed run has in `shared` what the restored rows had assigned to it, or names what it lacks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections import UserDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pocketflow import AsyncBatchFlow, AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import replay
from flowmagic.journal.assigned import Entry
from flowmagic.journal.database import open_file
from flowmagic.journal.shared_state import SharedState
from flowmagic.records.trace import Restored
from flowmagic.shared.assignments import How

ran: list = []
state = threading.local()  # which has no exact form: what is in it makes no other flow
state.broken, state.failing = set(), set()


@pytest.fixture(autouse=True)
def fresh():
    ran.clear()
    state.broken = set()
    state.failing = set()


class Answer(AsyncNode):
    """Has an answer, and what it does with it in `shared` is up to its `keep`."""

    async def exec_async(self, prepared):
        i = self.params["i"]
        await asyncio.sleep(0)
        ran.append(i)
        if i in state.broken:
            raise ValueError(i)
        return f"answer {i}"

    async def post_async(self, shared, prepared, executed):
        self.keep(shared, self.params["i"], executed)


def lacks(run):
    """Return what a run says that it lacks in `shared`."""
    return [text for text in run.journal.warnings if "not as before" in text]


def run(node, path, rows=8, **options):
    rows = range(rows) if isinstance(rows, int) else rows
    return flowmagic.run_batch(
        AsyncFlow(start=node()), [{"i": i} for i in rows], journal=path, limit=4, **options
    )


def resumed(node, path, rows=8, **options):
    ran.clear()
    state.broken.clear()
    return run(node, path, rows, **{"resume": True, **options})


class ByRow(Answer):
    def keep(self, shared, i, answer):
        shared[i] = answer


class OneDown(Answer):
    def keep(self, shared, i, answer):
        shared.setdefault("by", {})[i] = answer
        shared["last"] = i


BOTH = pytest.mark.parametrize("node", [ByRow, OneDown])


@BOTH
def test_answers_in_shared_are_back_when_all_rows_are_restored(node, tmp_path):
    """Also one level down; nothing runs, and nothing need be said."""
    first = run(node, tmp_path / "j")
    again = resumed(node, tmp_path / "j")
    assert ran == []
    assert again.shared == first.shared != {}
    assert all(type(each) in {str, int, dict} for each in again.shared.values())
    assert lacks(again) == again.audit() == []
    third = resumed(node, tmp_path / "j")
    assert third.shared == first.shared


@BOTH
def test_rows_that_run_again_add_to_what_is_back(node, tmp_path):
    """What is in `shared` in the end is what an uninterrupted run has there."""
    whole = run(node, tmp_path / "whole")
    state.broken.update([1, 5])
    run(node, tmp_path / "j")
    again = resumed(node, tmp_path / "j")
    assert sorted(ran) == [1, 5]
    assert {**again.shared, "last": 0} == {**whole.shared, "last": 0}
    assert lacks(again) == []
    third = resumed(node, tmp_path / "j")
    assert ran == []
    assert third.shared == again.shared


class Looks(OneDown):
    async def prep_async(self, shared):
        seen.append(dict(shared.get("by", {})))


seen: list = []


def test_it_is_back_before_the_first_row_starts(tmp_path):
    """Also where the row that runs comes first in the batch."""
    state.broken.add(0)
    run(Looks, tmp_path / "j", 3)
    seen.clear()
    resumed(Looks, tmp_path / "j", 3)
    assert seen == [{1: "answer 1", 2: "answer 2"}]


class Appends(Answer):
    def keep(self, shared, i, answer):
        shared.setdefault("log", []).append(answer)


def test_a_list_that_all_append_to_is_named(tmp_path):
    """In the warnings, which panel and summary show, and in the audit, with what to do."""
    first = run(Appends, tmp_path / "j")
    assert [(each.note, each.what) for each in first.audit()] == [
        (
            True,
            "shared['log'] is not to be brought back by a resumed run: instances changed it in place.",
        )
    ]
    assert lacks(first) == []
    again = resumed(Appends, tmp_path / "j")
    (finding,) = again.audit()
    assert not finding.note
    assert finding.what == "shared['log'] is not as before: instances changed it in place."
    assert "run.outputs" in finding.instead
    assert lacks(again) == [str(finding)]


class Objects(Answer):
    def keep(self, shared, i, answer):
        shared[f"at {i}"] = object() if i == 1 else answer
        shared["api_key"] = "sk-abcdefghijklmnop"


def test_values_that_the_journal_cannot_have_are_named_and_the_others_are_back(tmp_path):
    """An object without a form, a masked secret."""
    run(Objects, tmp_path / "j", 3)
    again = resumed(Objects, tmp_path / "j", 3)
    assert ran == []
    assert again.shared == {"at 0": "answer 0", "at 2": "answer 2"}
    masked, other = again.audit()
    assert masked.what.startswith("shared['api_key'] is not as before: a secret in it was masked")
    assert other.what.startswith("shared['at 1'] is not as before: shared['at 1'] is of class")


class Stats:
    """An object that nodes count with."""

    n = 0


class CountsOnObject(Answer):
    def keep(self, shared, i, answer):
        shared["stats"].n += 1


def test_an_object_that_rows_have_changed_is_named(tmp_path):
    """The next kernel makes a new one."""
    run(CountsOnObject, tmp_path / "j", shared={"stats": Stats(), "client": object()})
    again = resumed(CountsOnObject, tmp_path / "j", shared={"stats": Stats(), "client": object()})
    (finding,) = again.audit()
    assert finding.what.startswith("shared['stats'] is not as before")


@BOTH
def test_without_tracking_the_keys_that_changed_are_named(node, tmp_path):
    """Nobody knows which row assigned them."""
    run(node, tmp_path / "j", 3, track_shared=False, shared={"model": "m"})
    again = resumed(node, tmp_path / "j", 3, shared={"model": "m"})
    assert again.shared == {"model": "m"}
    (finding,) = again.audit()
    names = (
        "shared[0], shared[1], shared[2] are"
        if node is ByRow
        else "shared['by'], shared['last'] are"
    )
    assert finding.what == (
        f"{names} not as before: in run 1, track_shared=False left no record of what rows assigned to it."
    )


class Quiet(Answer):
    def keep(self, shared, i, answer):
        pass


def test_without_tracking_nothing_is_named_if_nothing_changed(tmp_path):
    """The store was compared when the run had ended."""
    run(Quiet, tmp_path / "j", track_shared=False, shared={"model": ["m"]})
    assert resumed(Quiet, tmp_path / "j", shared={"model": ["m"]}).audit() == []


def test_a_store_that_is_no_plain_dict_is_named(tmp_path):
    """Its methods may do anything."""

    class Store(UserDict):
        """A store."""

    run(ByRow, tmp_path / "j", 3, shared=Store())
    again = resumed(ByRow, tmp_path / "j", 3, shared=Store())
    (finding,) = again.audit()
    assert finding.what == (
        "shared is not as before: in run 1, shared was a Store, not a plain dict, and its changes are "
        "not known."
    )


def test_assignments_are_made_in_a_store_of_another_kind(tmp_path):
    """If it takes them; otherwise the keys are named."""

    class Refuses(UserDict):
        """Takes two keys."""

        def __setitem__(self, key, value):
            if key == 2:
                raise ValueError(key)
            super().__setitem__(key, value)

    run(ByRow, tmp_path / "j", 3)
    again = resumed(ByRow, tmp_path / "j", 3, shared=Refuses(), resume="anyway")
    assert dict(again.shared) == {0: "answer 0", 1: "answer 1"}
    assert again.audit()[0].what.startswith("shared[2] is not as before: what it is now")
    third = resumed(ByRow, tmp_path / "j", 3, shared=[], resume="anyway")
    assert third.audit()[0].what.startswith("shared[0], shared[1], shared[2] are not as before")


def test_a_key_that_begins_as_something_else_is_named(tmp_path):
    """The items cannot be assigned to it."""
    run(OneDown, tmp_path / "j", 3)
    again = resumed(OneDown, tmp_path / "j", 3, shared={"by": [], "last": 0})
    assert again.shared == {"by": [], "last": 2}
    (finding,) = again.audit()
    assert finding.what.startswith("shared['by'] is not as before: what it is now")


class Counts(Answer):
    def keep(self, shared, i, answer):
        shared["n"] = shared.get("n", 0) + 1


def counted(run):
    """Return the counter, and whether it is named."""
    return run.shared["n"], any(
        "shared['n'] is not as before" in text for text in run.journal.warnings
    )


def test_a_counter_is_back_if_all_rows_that_counted_are(tmp_path):
    """Also in a resume of a resume."""
    state.broken.update([2, 3])
    run(Counts, tmp_path / "j")
    again = resumed(Counts, tmp_path / "j")
    assert (sorted(ran), counted(again)) == ([2, 3], (8, False))
    assert counted(resumed(Counts, tmp_path / "j")) == (8, False)
    assert counted(resumed(Counts, tmp_path / "j", 10)) == (10, False)
    assert counted(resumed(Counts, tmp_path / "j", 10)) == (10, False)


class CountsAndFails(Counts):
    """Counts before it fails."""

    async def post_async(self, shared, prepared, executed):
        await super().post_async(shared, prepared, executed)
        if self.params["i"] in state.failing:
            raise ValueError(self.params["i"])


def test_a_counter_is_named_if_a_row_may_be_counted_twice(tmp_path):
    """A row that failed after it had counted, and that runs again."""
    state.failing.add(2)
    run(CountsAndFails, tmp_path / "j")
    state.failing.clear()
    again = resumed(CountsAndFails, tmp_path / "j")
    assert ran == [2]
    assert counted(again) == (9, True)


def test_a_counter_is_named_if_a_row_that_counted_is_not_in_the_batch(tmp_path):
    """What the others have counted includes it, also where it was restored in between."""
    run(Counts, tmp_path / "j")
    assert counted(resumed(Counts, tmp_path / "j", 6))[1]
    assert counted(resumed(Counts, tmp_path / "j", 10)) == (10, False)
    assert counted(resumed(Counts, tmp_path / "j", range(1, 10))) == (10, True)


def test_a_counter_is_named_if_two_runs_counted_apart(tmp_path):
    """Each began at 0."""
    run(Counts, tmp_path / "j", range(4))
    run(Counts, tmp_path / "j", range(4, 8))
    assert counted(resumed(Counts, tmp_path / "j")) == (4, True)


def test_two_runs_that_did_not_build_on_each_other_are_both_back(tmp_path):
    """One after the other, as they ran."""
    run(OneDown, tmp_path / "j", range(4))
    run(OneDown, tmp_path / "j", range(4, 8))
    again = resumed(OneDown, tmp_path / "j")
    assert again.shared == {"by": {i: f"answer {i}" for i in range(8)}, "last": 7}
    assert lacks(again) == []


class Prepares(AsyncBatchFlow):
    """Its prep makes the dict, as prep of a batch often does."""

    async def prep_async(self, shared):
        shared["by"] = {}
        return [{"i": i} for i in range(4)]

    async def post_async(self, shared, prepared, results):
        shared["all"] = len(shared["by"])


def test_prep_runs_first_and_post_has_all(tmp_path):
    """What prep and post do is not a row's: they do it again."""
    first = flowmagic.run_batch(Prepares(start=OneDown()), journal=tmp_path / "j")
    assert first.audit() == []
    again = flowmagic.run_batch(Prepares(start=OneDown()), journal=tmp_path / "j", resume=True)
    assert again.shared == first.shared
    assert again.shared["all"] == len(again.shared["by"]) == 4
    assert lacks(again) == []


def test_rows_of_a_generator_bring_theirs_back_when_they_are_drawn(tmp_path):
    """Which rows there will be is not known before."""
    run(OneDown, tmp_path / "j")
    ran.clear()
    rows = ({"i": i} for i in range(9))
    again = flowmagic.run_batch(
        AsyncFlow(start=OneDown()), rows, journal=tmp_path / "j", resume=True, limit=1
    )
    assert ran == [8]
    assert again.shared == {"by": {i: f"answer {i}" for i in range(9)}, "last": 8}
    assert lacks(again) == again.audit() == []


def test_what_rows_of_a_generator_have_counted_is_named(tmp_path):
    """The rows that are still to come may have counted, too."""
    run(Counts, tmp_path / "j", 4)
    rows = ({"i": i} for i in range(4))
    again = flowmagic.run_batch(
        AsyncFlow(start=Counts()), rows, journal=tmp_path / "j", resume=True
    )
    assert counted(again) == (4, True)


def test_isolated_instances_have_their_writes_and_nothing_else(tmp_path):
    """As before: each write is at the index of its instance."""
    first = run(ByRow, tmp_path / "j", 3, isolate=True)
    again = resumed(ByRow, tmp_path / "j", 3, isolate=True)
    assert again.shared == first.shared == {i: {i: f"answer {i}"} for i in range(3)}
    assert again.audit() == []


def test_a_row_that_is_retried_is_back_with_all_its_attempts(tmp_path):
    """Also one that was retried after the end of its run."""

    async def main():
        state.failing.add(2)
        node = AsyncFlow(start=CountsAndFails())
        run = await flowmagic.batchflow(node, [{"i": i} for i in range(4)], journal=tmp_path / "j")
        state.failing.clear()
        await run.retry_failed()
        return run.shared, run.audit()

    shared, [finding] = asyncio.run(main())
    assert shared == {"n": 5}
    assert (
        finding.what == "shared['n'] still holds what earlier attempts of instance 2 added to it."
    )
    assert counted(resumed(CountsAndFails, tmp_path / "j", 4)) == (5, False)


def test_the_loop_runs_on_while_what_was_replayed_is_dropped(tmp_path, monkeypatch):
    """To drop the assignments of very many rows takes as long as a slice of their replay."""
    monkeypatch.setattr(replay, "_CHUNK", 2)
    open_file(tmp_path / "j", write=True).close()
    shared, turns = {}, []
    made = replay.Replay(tmp_path / "j", {}, shared, None)
    made._states = {1: SharedState()}
    for n in range(20):
        made.add(Restored(1, n, None, None, assigned=[Entry(n, How.SET, (n,), n)]))

    async def count():
        while True:
            turns.append(len(made._entries))
            await asyncio.sleep(0)

    async def main():
        counting = asyncio.ensure_future(count())
        await made.make()
        counting.cancel()

    asyncio.run(main())
    assert shared == {n: n for n in range(20)}
    assert turns == [*range(9, -1, -1)]


def test_a_run_that_is_cancelled_while_rows_are_restored_ends(tmp_path):
    """Nothing has started by then."""
    run(OneDown, tmp_path / "j", 300)

    async def main():
        rows = [{"i": i} for i in range(300)]
        flow = AsyncFlow(start=OneDown())
        run = flowmagic.batchflow(flow, rows, journal=tmp_path / "j", resume=True)
        await asyncio.sleep(0)
        run.cancel()
        await run.settled()
        return run

    ran.clear()
    cancelled = asyncio.run(main())
    assert (cancelled.status, ran) == ("cancelled", [])
    assert cancelled.counts.cancelled + cancelled.counts.succeeded == 300
    assert len(resumed(OneDown, tmp_path / "j", 300).shared["by"]) == 300


KILLED = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
import flowmagic
from pocketflow import AsyncFlow
from tests.journal import test_replay

class Dies(test_replay.{node}):
    async def exec_async(self, prepared):
        if self.params["i"] == 5:
            while not run.counts.succeeded >= 5:
                await asyncio.sleep(0.001)
            await run.journal.settled()
            os._exit(0)
        return await super().exec_async(prepared)

Dies.__name__, Dies.__qualname__ = "{node}", "{node}"

async def main():
    global run
    flow = AsyncFlow(start=Dies())
    run = flowmagic.batchflow(flow, [{{"i": i}} for i in range(8)], journal={path!r}, limit=2{options})
    await run

asyncio.run(main())
"""


def killed(node, path, options=""):
    """Run rows in another process that ends when some have ended, and nothing else."""
    root = str(__import__("pathlib").Path(__file__).parents[2])
    source = KILLED.format(root=root, node=node.__name__, path=str(path), options=options)
    subprocess.run([sys.executable, "-c", textwrap.dedent(source)], check=True, timeout=60)


def after_kill(node, path, **options):
    """Resume the run of a process that was killed: its flow differs in how it dies."""
    ran.clear()
    return flowmagic.run_batch(
        AsyncFlow(start=node()),
        [{"i": i} for i in range(8)],
        journal=path,
        resume="anyway",
        **options,
    )


@BOTH
def test_after_a_kill_the_answers_of_the_rows_that_had_ended_are_back(node, tmp_path):
    """And the others run."""
    killed(node, tmp_path / "j")
    again = after_kill(node, tmp_path / "j")
    assert {5} <= set(ran) < set(range(8))
    expected = {i: f"answer {i}" for i in range(8)}
    assert again.shared.get("by", again.shared) == expected
    assert lacks(again) == []


def test_after_a_kill_a_list_that_all_appended_to_is_named(tmp_path):
    """Although nobody has compared the store at the end."""
    killed(Appends, tmp_path / "j")
    again = after_kill(Appends, tmp_path / "j")
    assert lacks(again)[0].startswith("shared['log'] is not as before")


def test_after_a_kill_a_counter_is_named(tmp_path):
    """A row that was under way may have counted."""
    killed(Counts, tmp_path / "j")
    assert counted(after_kill(Counts, tmp_path / "j"))[1]


def test_after_a_kill_without_tracking_all_of_shared_is_named(tmp_path):
    """Nothing is known of it."""
    killed(ByRow, tmp_path / "j", ", track_shared=False")
    again = after_kill(ByRow, tmp_path / "j")
    assert lacks(again)[0].startswith("shared is not as before: in run 1, track_shared=False")


class Scripted(AsyncNode):
    """Does what the script of its row says, with a pause before each step."""

    async def prep_async(self, shared):
        for step in scripts[self.params["i"]]:
            await asyncio.sleep(0)
            order.append((self.params["i"], step))
            self.act(shared, self.params["i"], *step)
        if self.params["i"] in state.broken:
            raise ValueError(self.params["i"])

    @staticmethod
    def act(shared, i, kind, key, *rest):  # noqa: C901 - one case per kind
        if kind == "set":
            shared[key] = rest[0]
        elif kind == "remove":
            if key in shared:
                del shared[key]
        elif kind == "item":
            shared.setdefault("by", {})[key] = rest[0]
        elif kind == "remove item":
            if key in shared.setdefault("by", {}):
                del shared["by"][key]
        elif kind == "own list":
            shared[i, key] = mine = [rest[0]]
            mine.append(rest[0])
        elif kind == "count":
            shared[key] = (shared.get(key) or 0) + 1
        elif kind == "append":
            shared.setdefault("log", []).append(rest[0])
        elif kind == "extend":
            shared.setdefault("extended", [])
            shared["extended"] += [rest[0]]
        elif kind == "rebuild":
            shared["list"] = [*shared.get("list", []), rest[0]]
        elif kind == "rebuild dict":
            shared["by"] = {**shared["by"], key: rest[0]}


NOT_STRAIGHT = {"count", "append", "extend", "rebuild", "rebuild dict"}
scripts: list = []
order: list = []
NAMES, NUMBERS = st.sampled_from(["a", "b", "c"]), st.integers(0, 9)
STRAIGHT = st.one_of(
    st.tuples(st.sampled_from(["set", "item", "own list"]), NAMES, NUMBERS),
    st.tuples(st.sampled_from(["remove", "remove item"]), NAMES),
)
ANY = st.one_of(
    STRAIGHT,
    st.tuples(st.just("count"), st.sampled_from(["n", "a"])),
    st.tuples(st.sampled_from(["append", "rebuild", "extend", "rebuild dict"]), NAMES, NUMBERS),
)
ROWS = 5


def scripted(path, **options):
    return flowmagic.run_batch(
        AsyncFlow(start=Scripted()),
        [{"i": i} for i in range(ROWS)],
        journal=path,
        shared={"a": 1, "by": {"a": 1}},
        **options,
    )


def unnamed(run, other):
    """Return both stores without the keys that the run names."""
    named = " ".join(lacks(run))
    return [
        {key: value for key, value in shared.items() if f"shared[{key!r}]" not in named}
        for shared in (run.shared, other)
    ]


PROPERTY = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(st.lists(st.lists(ANY, max_size=5), min_size=ROWS, max_size=ROWS), st.integers(1, 4))
def test_what_is_restored_in_full_is_as_it_was_or_is_named(tmp_path_factory, script, limit):
    """Whatever rows do with the keys of `shared`, in whatever order."""
    path = tmp_path_factory.mktemp("j") / "j"
    state.broken.clear()
    scripts[:] = script
    first = scripted(path, limit=limit)
    again = scripted(path, limit=limit, resume=True)
    restored, before = unnamed(again, first.shared)
    assert restored == before
    if not any(step[0] in {"append", "extend"} for steps in script for step in steps):
        assert lacks(again) == []


@PROPERTY
@given(
    st.one_of(
        st.lists(st.lists(steps, max_size=5), min_size=ROWS, max_size=ROWS)
        for steps in (STRAIGHT, ANY)
    ),
    st.sets(st.integers(0, ROWS - 1)),
)
def test_what_is_restored_in_part_is_as_if_the_other_rows_had_run_later(
    tmp_path_factory, script, fail
):
    """The rows that failed run after those that are restored; what differs from that is named."""
    path = tmp_path_factory.mktemp("j") / "j"
    scripts[:] = script
    state.broken.clear()
    state.broken.update(fail)
    order.clear()
    scripted(path, limit=4)
    state.broken.clear()
    steps = [(i, step) for i, step in order if i not in fail]
    order.clear()
    again = scripted(path, limit=4, resume=True)
    assert [each.restored is None for each in again.instances] == [i in fail for i in range(ROWS)]
    whole = {"a": 1, "by": {"a": 1}}
    for i, step in steps + order:
        Scripted.act(whole, i, *step)
    left, expected = unnamed(again, whole)
    assert left == expected
    if not any(step[0] in NOT_STRAIGHT for steps in script for step in steps):
        assert lacks(again) == []
