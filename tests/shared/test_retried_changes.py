"""What earlier attempts have left in the shared store."""

from __future__ import annotations

import pytest
from pocketflow import AsyncNode

import flowmagic as fm
from flowmagic.records.status import FAILED, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.shared import retried_changes
from flowmagic.shared.retried_changes import RetriedChange, RetriedChanges

from ..virtualtime import virtual


def appends(shared):
    shared["log"].append("line")


def counts(shared):
    shared["n"] = shared["n"] + 1


def counts_below(shared):
    shared["stats"]["n"] += 1


def takes(shared):
    shared["todo"].pop()


def appends_below(shared):
    shared["by"]["name"].append("line")


class Adds(AsyncNode):
    """Changes the store, and fails in its first attempts."""

    def __init__(self, change, failures):
        super().__init__()
        self.change, self.failures = change, failures

    async def prep_async(self, shared):
        self.change(shared)

    async def exec_async(self, _):
        if self.failures:
            self.failures.pop()
            raise ValueError


def store():
    return {"log": [], "n": 0, "stats": {"n": 0}, "todo": [1, 2, 3], "by": {"name": []}, "done": {}}


CHANGES = {
    appends: ("log",),
    counts: ("n",),
    counts_below: ("stats", "n"),
    takes: ("todo",),
    appends_below: ("by",),
}


async def left(change, failures=1, rows=2, **options):
    """Return what the first attempt of row 0 leaves."""
    run = await fm.batchflow(
        Adds(change, [1] * failures),
        [{"i": i} for i in range(rows)],
        limit=1,
        shared=store(),
        **{"retries": failures, **options},
    )
    assert run.ok
    return run._lifecycle.parts.store.retried()


@pytest.mark.parametrize(("change", "path"), CHANGES.items())
@virtual
async def test_what_a_retried_attempt_has_added_is_found(change, path):
    """To a list, or to a number; also within a dict; and what it has taken away."""
    assert await left(change) == [RetriedChange(path, (0,))]
    assert await left(change, allow_shared=["log", "n", "stats", "todo", "by"]) == [
        RetriedChange(path, (0,))
    ], "that a key is shared on purpose does not help"


@pytest.mark.parametrize("change", CHANGES)
@virtual
async def test_without_a_retry_nothing_is_found(change):
    """Each has added what it should."""
    assert await left(change, failures=0) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda shared: shared["done"].__setitem__(0, True),
        lambda shared: shared.__setitem__("own", 1),
        lambda shared: shared.setdefault("first", []),
        lambda shared: list(shared["log"]),
        lambda shared: shared.update(own=0) or shared.update(own=shared["own"] + 1),
    ],
)
@virtual
async def test_what_a_retry_does_not_double_is_not_found(change):
    """An assignment is made again."""
    assert await left(change) == []


@virtual
async def test_what_only_the_last_attempt_has_added_is_there_once():
    """Earlier attempts failed before."""
    failures = [1]

    def late(shared):
        if not failures:
            appends(shared)

    run = await fm.batchflow(Adds(late, failures), [{}], retries=1, shared=store())
    assert run.ok
    assert run.shared["log"] == ["line"]
    assert run._lifecycle.parts.store.retried() == []


@virtual
async def test_a_row_that_is_retried_by_hand_is_found_too():
    """When all have ended."""
    run = await fm.batchflow(Adds(appends, [1]), [{}], shared=store())
    assert run._lifecycle.parts.store.retried() == []
    await run.retry_failed()
    assert run.shared["log"] == ["line"] * 2
    assert run._lifecycle.parts.store.retried() == [RetriedChange(("log",), (0,))]


def test_changes_of_rows_that_succeeded_are_forgotten(monkeypatch):
    """A long run keeps those of rows that may still be retried."""
    monkeypatch.setattr(retried_changes, "_SWEEP", 4)
    records = RecordStore({}, 0.0, 1_000)
    records.load([{}] * 100)
    changes = RetriedChanges(records)
    for row in range(100):
        records.start(row, 0.0)
        changes.note(("log",), row, changes.attempt(row))
        records.finish(row, None, 1.0, FAILED if row == 50 else SUCCEEDED)
    assert len(changes._changes) <= 10
    records.requeue(50)
    records.start(50, 2.0)
    assert changes.attempt(50) == 1
    changes.note(("log",), 50, changes.attempt(50))
    records.finish(50, None, 3.0)
    assert changes.found() == [RetriedChange(("log",), (50,))]
    assert changes._changes == []


def test_what_is_found_is_bounded(monkeypatch):
    """A thousand rows by place, and a hundred places."""
    monkeypatch.setattr(retried_changes, "_MOST_ROWS", 2)
    monkeypatch.setattr(retried_changes, "_MOST_PATHS", 3)
    records = RecordStore({}, 0.0, 1_000)
    records.load([{}] * 10)
    changes = RetriedChanges(records)
    for row in range(10):
        records.start(row, 0.0)
        for key in range(5):
            changes.note((key,), row, 0)
        records.finish(row, ValueError(), 1.0, FAILED)
        records.requeue(row)
    assert [(each.path, each.rows) for each in changes.found()] == [
        ((key,), (0, 1)) for key in range(3)
    ]
