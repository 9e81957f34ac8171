"""Which limits a run kept to, and since when."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.limits.history import MOST_LIMIT_CHANGES, LimitChange, LimitHistory
from flowmagic.limits.limits import Limits

from ..virtualtime import virtual


class Ask(AsyncNode):
    """Takes a second; refused the first time if its params say so."""

    async def exec_async(self, prepared):
        await asyncio.sleep(1)
        if self.params.get("refusals"):
            self.params["refusals"].pop()
            raise flowmagic.RateLimitHit("slow down", retry_after=1)


def test_of_many_changes_the_start_and_the_latest_are_kept():
    """An adaptive limit may move for hours: what is kept of it stays bounded."""
    limit_history = LimitHistory(Limits(1))
    for limit in range(2, 2 + MOST_LIMIT_CHANGES + 5):
        limit_history.note(float(limit), Limits(limit), "adaptive")
    kept = limit_history.kept()
    assert kept[0] == LimitChange(0.0, 1, None, "start")
    assert [kept[1].limit, kept[-1].limit] == [7, MOST_LIMIT_CHANGES + 6]
    assert len(kept) == 1 + MOST_LIMIT_CHANGES


def test_limits_that_were_in_force_already_are_no_change():
    """Neither the same ones again, nor another burst; going back to the first ones is one."""
    limit_history, first = LimitHistory(Limits(2, 60)), Limits(2, 60)
    limit_history.note(1.0, first, "user")
    limit_history.note(2.0, replace(first, burst=5), "user")
    assert len(limit_history.kept()) == 1
    limit_history.note(3.0, Limits(2), "user")
    limit_history.note(4.0, first, "user")
    assert limit_history.kept()[1:] == [
        LimitChange(3.0, 2, None, "user"),
        LimitChange(4.0, 2, 60, "user"),
    ]


@virtual
async def test_a_run_tells_what_its_user_has_changed_and_when():
    """Both limits, in seconds since the run began, also after its end."""
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), [{}] * 9, limit=3)
    assert run.limit_history == [LimitChange(0.0, 3, None, "start")]
    await asyncio.sleep(1.5)
    run.limit = 4
    run.per_minute = 600
    await run
    assert run.limit_history[1:] == [
        LimitChange(1.5, 4, None, "user"),
        LimitChange(1.5, 4, 600, "user"),
    ]


@virtual
async def test_what_an_adaptive_limit_does_by_itself_is_told_apart():
    """Down by half for a refusal, up a step for successes, and what the user sets in between."""
    rows = [{"refusals": [1]}, *({} for _ in range(60))]
    run = flowmagic.batchflow(AsyncFlow(start=Ask()), rows, adaptive="1-4-50")
    await asyncio.sleep(1.5)
    assert run.limit_history[1:] == [LimitChange(1.0, 2, None, "adaptive")]
    run.limit = 6
    await run
    assert run.limit_history[2] == LimitChange(1.5, 6, None, "user")
    assert [each.by for each in run.limit_history[3:]] == ["adaptive"] * (
        len(run.limit_history) - 3
    )
    assert run.limit_history[-1].limit == run.limit > 6
