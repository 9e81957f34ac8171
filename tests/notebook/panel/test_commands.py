"""What a page may send, and what that does."""

from __future__ import annotations

import asyncio
import random
from typing import get_args, get_type_hints

import pytest

from flowmagic import remove_limit, set_limit
from flowmagic.limits.limits import Limits
from flowmagic.notebook.panel import protocol, ticker
from flowmagic.notebook.panel.commands import Commands
from flowmagic.notebook.panel.widget import Panel
from flowmagic.run.batchrun import BatchRun

from ...virtualtime import run_virtual
from .test_widget import made

TYPES = get_args(get_type_hints(protocol.Command)["type"])
FIELDS = list(get_type_hints(protocol.Command))
ATTRIBUTES = [name for kind in (Panel, Commands, BatchRun) for name in dir(kind)]
OTHER_TYPES = [
    "", "tune", "Run", "run ", "run\0", "__class__", "__init__", "_do_run", "_handlers",
    "\ud800", *ATTRIBUTES,
]  # fmt: skip
VALUES = [
    None, True, False, 0, 1, 2, -1, 3, 10**400, -(10**400), 0.0, 0.5, 1e308, float("nan"),
    float("inf"), "", "0",
    "openai", "concurrency", "per_minute", "__class__", "__dict__", "_queue", "run", "[]",
    "[{}]", '[{"i": 1}]',
    "[{'i': __import__('os')}]", "[" * 10_000, "\ud800", "x" * 100_000, [], [0],
    [0, None, "1", -1, 2.5, 10**30],
    [[[]]], [{}], {}, {"type": "run"}, {"__class__": {"__init__": 1}},
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_other_panel_is_live():
    yield
    ticker._live.clear()
    remove_limit("openai")


def state_of(panel):
    """Return all that a command may change, except for the answers of queries."""
    run = panel.run
    return (
        run,
        None if run is None else (run.status, run.limits, list(run.records.status)),
        panel._commands.limits,
        panel._param_list.batch,
        panel._commands.notice,
        {name for name in vars(panel) if not name.startswith("_cross_validation")},
    )


def test_each_type_of_command_has_a_handler_and_no_other_type_has():
    """The table is the whole list of what a page can do."""
    panel, _ = made([{}])
    assert set(panel._commands._handlers) == set(TYPES)


@pytest.mark.parametrize("started", [False, True])
def test_no_other_type_does_anything(started):
    """Not even the name of a method or an attribute."""

    async def lifecycle():
        panel, calls = made([{"i": i} for i in range(9)], limits=Limits(2))
        if started:
            panel.ask("run", text=None)
            await asyncio.sleep(0.1)
        before, n = state_of(panel), len(calls)
        for kind in (*OTHER_TYPES, *VALUES):
            if isinstance(kind, str) and kind in TYPES:
                continue
            panel._commands.handle({"type": kind, "client": "page", "n": 1, "value": 1})
        assert (state_of(panel), len(calls)) == (before, n)
        if started:
            panel.run.cancel()
            await panel.run

    run_virtual(lifecycle())


@pytest.mark.parametrize(
    "message",
    [
        None, "run", 3, [], ["run"], {}, {"type": "run"}, {"type": "run", "client": "page"},
        {"type": "run", "n": 1},
        {"client": "page", "n": 1}, {"type": "run", "client": 3, "n": 1},
        {"type": "run", "client": None, "n": 1},
        {"type": "run", "client": ["page"], "n": 1}, {"type": "run", "client": "x" * 41, "n": 1},
        {"type": "run", "client": "\ud800", "n": 1}, {"type": "run", "client": "page", "n": "1"},
        {"type": "run", "client": "page", "n": 1.5}, {"type": "run", "client": "page", "n": -1},
        {"type": "run", "client": "page", "n": 2**53}, {"type": ["run"], "client": "page", "n": 1},
        {"type": {"type": "run"}, "client": "page", "n": 1}, {1: 2, None: 3},
    ],
)  # fmt: skip
def test_what_is_no_command_does_nothing(message):
    """A command has a type, the name of its page and a number; otherwise it is not even acknowledged."""
    panel, calls = made([{}])
    before = state_of(panel)
    panel._commands.handle(message)
    assert (state_of(panel), calls, panel.now["acknowledged"]) == (before, [], {})


@pytest.mark.parametrize("text", [3, True, 1.5, [], ["[]"], {}, {"text": "[]"}])
def test_a_param_list_that_is_no_text_is_not_run(text):
    """Nor is the present list run in its place."""
    panel, calls = made([{}])
    panel.ask("run", text=text)
    assert (calls, panel.run) == ([], None)


@pytest.mark.parametrize("index", ["0", "all", 0.0, [], [0], {}, {"index": 0}])
def test_no_other_index_cancels_the_whole_run(index):
    """Only a missing one and null do."""

    async def lifecycle():
        panel, _ = made([{"i": i} for i in range(4)])
        panel.ask("run", text=None)
        await asyncio.sleep(0.1)
        panel.ask("cancel", index=index)
        await panel.run
        assert panel.run.ok

    run_virtual(lifecycle())


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_page_sends_nothing_is_raised_and_the_panel_still_works(seed):
    """Types and fields at random, before, during and after runs; the state can be sent after each one."""
    rng = random.Random(seed)

    def anything(depth=2):
        if depth and rng.random() < 0.2:
            return rng.choice(
                [[anything(depth - 1)], {rng.choice(FIELDS): anything(depth - 1), "": 0}]
            )
        return rng.choice([*VALUES, rng.choice(ATTRIBUTES), rng.randrange(-5, 30), rng.random()])

    async def lifecycle():
        loop = asyncio.get_running_loop()
        raised = []
        loop.set_exception_handler(lambda _, context: raised.append(context))
        set_limit("openai", concurrency=3)
        panel, _ = made([{"i": i, "fail": i % 3 == 0} for i in range(12)], limits=Limits(3))
        for n in range(400):
            kind = rng.choice([*TYPES, *TYPES, rng.choice(OTHER_TYPES)])
            fields = rng.sample(FIELDS, rng.randrange(len(FIELDS)))
            message = {field: anything() for field in fields}
            panel.ask(kind, **{"n": n, **{key: message[key] for key in message if key != "type"}})
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice([0, 0.05, 0.3]))
            panel.get_state()
        await asyncio.sleep(0)  # the last messages arrive
        assert raised == []
        assert set(vars(panel._commands)) == set(vars(made([{}])[0]._commands))
        if panel.run is not None and not panel.run.ended:
            panel.run.cancel()
            await panel.run
        await asyncio.sleep(10)
        panel.ask("limit", value=2)
        panel.ask("run", text='[{"i": 1}, {"i": 2}]')
        await asyncio.sleep(0.1)
        assert panel.now["notice"] == ""
        await panel.run
        assert [panel.run.ok, panel.run.limit, len(panel.run)] == [True, 2, 2]
        assert raised == []

    run_virtual(lifecycle())


def test_the_limits_of_the_next_run_are_kept_apart_from_those_in_force():
    """While a run is in progress, the panel shows the run's; it ends with those of the next one."""

    async def lifecycle():
        panel, calls = made([{"i": i, "fail": i == 0} for i in range(4)], limits=Limits(3, 600))
        panel.ask("limit", value=4)
        await asyncio.sleep(0)
        assert panel.now["limit"] == 4
        panel.ask("run", text=None)
        await asyncio.sleep(0)
        assert calls[-1][1] == Limits(4, 600)
        panel.run.limit = 2
        assert (panel.now["limit"], panel.run.limit) == (2, 2)
        await panel.run
        assert panel.now["limit"] == 2
        panel.ask("limit", value=9)
        await asyncio.sleep(0)
        assert (panel.now["limit"], panel.run.limit) == (9, 2), (
            "the run that has ended keeps its own"
        )
        panel.ask("retry")
        await asyncio.sleep(0.1)
        assert (panel.now["limit"], panel.run.limit) == (9, 9)
        await panel.run
        panel.ask("limit", value=7)
        await asyncio.sleep(0)
        panel.run.retry_failed()  # from a cell: the run goes by its own limit
        await asyncio.sleep(0.1)
        assert panel.now["limit"] == 9
        await panel.run
        assert panel.now["limit"] == 9

    run_virtual(lifecycle())


def test_a_group_of_failures_is_retried_alone_and_what_is_left_is_run():
    """The page says which group; the other failures stay as they are."""

    async def lifecycle():
        panel, _ = made([{"i": i, "fail": i in (0, 1)} for i in range(6)], limits=Limits(2))
        panel.ask("run", text=None)
        await asyncio.sleep(0.3)
        panel.ask("stop")
        await panel.run
        assert (panel.now["left"], panel.now["can"]) == (2, ["run", "rest", "retry"])
        [group] = panel.now["failures"]
        assert (group["count"], group["text"]) == (2, "ValueError: asked to fail")
        panel.ask("retry", group=group["id"] + 1)
        await asyncio.sleep(0.1)
        assert panel.run.ended, "there is no such group"
        panel.run.records.rows[0]["fail"] = False
        panel.ask("retry", group=group["id"])
        await asyncio.sleep(0.1)
        assert panel.run.counts.running == 2
        await panel.run
        assert panel.now["failures"][0]["count"] == 1
        panel.ask("rest")
        await asyncio.sleep(0.1)
        await panel.run
        assert (panel.now["left"], panel.now["can"]) == (0, ["run", "retry"])
        assert panel.run.counts.succeeded == 5

    run_virtual(lifecycle())
