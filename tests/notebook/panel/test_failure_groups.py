"""The failed rows, grouped by what they have failed with."""

from __future__ import annotations

from functools import partial

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel import failure_groups as module
from flowmagic.notebook.panel.failure_groups import FailureGroups
from flowmagic.records.status import FAILED

from ...virtualtime import virtual


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        if error := self.params.get("error"):
            raise error


class Write(Ask):
    """Another node that fails alike."""


async def ran(*errors, kind=Ask):
    """Return a run whose rows have raised these errors; None: the row succeeds."""
    return await flowmagic.batchflow(AsyncFlow(start=kind()), [{"error": each} for each in errors])


def groups_of(run, **options):
    return FailureGroups(
        run.records, **{"call_soon": lambda act: act(), "on_ready": lambda: None, **options}
    )


def said(groups):
    return [(each["count"], each["text"], each["node"], each["row"]) for each in groups.shown()]


@virtual
async def test_errors_that_differ_in_numbers_only_are_one_group():
    """The numbers are left out where they differ, and the largest group comes first."""
    run = await ran(
        TimeoutError("took longer than 5 s"), ValueError("no such customer (6)"), None,
        ValueError("no such customer (19)"), ValueError("no such customer (1,900.5)"),
    )  # fmt: skip
    assert said(groups_of(run)) == [
        (3, "ValueError: no such customer (…)", "Ask", 1),
        (1, "TimeoutError: took longer than 5 s", "Ask", 0),
    ]


@virtual
async def test_the_same_error_in_another_node_is_another_group():
    """One looks for its cause elsewhere."""
    first, second = Ask(), Write()
    first - "default" >> second
    flow = AsyncFlow(start=first)
    rows = [{"error": ValueError("no")}, {"later": ValueError("no")}]

    async def post_async(self, shared, prepared, executed):
        self.params["error"] = self.params.get("later")

    first.post_async = partial(post_async, first)
    run = await flowmagic.batchflow(flow, rows[:1])
    other = await ran(ValueError("no"), kind=Write)
    assert said(groups_of(run)) == [(1, "ValueError: no", "Ask", 0)]
    assert said(groups_of(other)) == [(1, "ValueError: no", "Write", 0)]


@virtual
async def test_a_row_that_is_retried_leaves_its_group():
    """It comes back to the group of what it fails with then."""
    errors = [ValueError("no 1"), ValueError("no 2")]
    run = await ran(*errors)
    groups = groups_of(run)
    group = groups.shown()[0]["id"]
    assert groups.rows_of(group) == [0, 1]
    run.records.rows[0]["error"] = None
    run.records.rows[1]["error"] = KeyError("x")
    await run.retry_failed()
    groups.mark_changed([0, 1])
    assert said(groups) == [(1, "KeyError: 'x'", "Ask", 1)]
    assert groups.rows_of(group) == groups.rows_of("all") == groups.rows_of(None) == []


@virtual
async def test_many_failures_are_grouped_in_many_turns():
    """Each turn takes a bounded number of rows; the panel sends the groups when they are complete."""
    run = await ran(*[ValueError(f"no {i}") for i in range(3 * module._SLICE)])
    turns, ready = [], []
    groups = groups_of(run, call_soon=turns.append, on_ready=lambda: ready.append(said(groups)))
    assert groups.shown()[0]["count"] == module._SLICE
    for turn in turns:  # grows while it goes on
        turn()
    assert len(turns) == 2
    assert ready == [[(3 * module._SLICE, "ValueError: no …", "Ask", 0)]]


@virtual
async def test_kinds_of_errors_beyond_the_most_are_one_group(monkeypatch):
    """A service that puts a random word into each of its errors does not fill the memory."""
    monkeypatch.setattr(module, "MAX_GROUPS", 2)
    words = ["ape", "bee", "cat", "dog"]
    groups = groups_of(await ran(*[ValueError(word) for word in words]))
    assert said(groups)[0] == (2, "other errors", "", 2)
    assert len(groups.shown()) == 3


@virtual
async def test_only_the_largest_groups_are_shown():
    """The panel says how many failures are in no group that it shows."""
    groups = groups_of(await ran(*[ValueError("x" * n) for n in range(1, 10)]))
    assert len(groups.shown()) == module.MAX_SHOWN


@virtual
async def test_secrets_are_masked():
    """An error may repeat the key that it was called with."""
    run = await flowmagic.batchflow(
        AsyncFlow(start=Ask()),
        [{"api_key": "sk-abcdefgh12345678", "error": ValueError("sk-abcdefgh12345678")}],
    )
    assert run.records.status[0] == FAILED
    assert "abcdefgh" not in groups_of(run).shown()[0]["text"]


@pytest.mark.parametrize("rows", [[], [0, 1, 2]])
@virtual
async def test_a_run_without_failures_has_no_groups(rows):
    """Whatever of it has changed."""
    groups = groups_of(await ran(None, None, None))
    groups.mark_changed(rows)
    assert groups.shown() == []
