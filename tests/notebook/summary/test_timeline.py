"""The timeline without a script."""

from __future__ import annotations

import asyncio
import re

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.summary.summary import as_text
from flowmagic.notebook.summary.timeline import as_html, limit_words

from ...virtualtime import virtual


class Wait(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params["wait"])
        if self.params.get("fail"):
            raise ValueError("no")


def heights(html: str) -> list[int]:
    """Return the height of each column, in percent."""
    return [int(height) for height in re.findall(r"width:0.833%;height:(\d+)%", html)]


def red(html: str) -> list[int]:
    """Return the columns below which instances have failed."""
    marks = re.findall(r"<i style='width:0.833%(;background-color:#d64545)?'>", html)
    return [column for column, mark in enumerate(marks) if mark]


@virtual
async def test_a_column_is_as_high_as_instances_ran_in_it():
    """Failures are marked below it, at the time at which they ended; words say what is drawn."""
    rows = [{"wait": 12}, {"wait": 3, "fail": True}, {"wait": 3}]
    run = await flowmagic.batchflow(Wait(), rows, limit=2)
    html = as_html(run)
    assert heights(html) == [100] * 60 + [50] * 60
    assert red(html) == [30]
    assert "Timeline: about 2 at once, in 12.0 s" in html
    legend = "How many of 3 instances ran at once. Red below: instances failed then. Limit 2."
    assert legend in html


@virtual
async def test_one_that_runs_reaches_up_to_now():
    """The summary of a run that goes on is right as well."""
    run = flowmagic.batchflow(Wait(), [{"wait": 2}, {"wait": 20}], limit=2)
    await asyncio.sleep(4)
    assert heights(as_html(run)) == [100] * 60 + [50] * 60
    assert red(as_html(run)) == []
    run.cancel()
    await run.settled()
    assert heights(as_html(run)) == [100] * 60 + [50] * 60
    assert red(as_html(run)) == []


@virtual
async def test_a_short_instance_between_two_others_is_drawn():
    """A column shows an average, so that nothing falls between two of them."""
    run = flowmagic.batchflow(Wait(), [{"wait": 0.1}, {"wait": 0.1}], limit=1, per_minute=1)
    await run
    assert [column for column, height in enumerate(heights(as_html(run))) if height] == [0, 119]


@pytest.mark.parametrize("rows", [[], [{"wait": 1}], [{"wait": 0}] * 3])
@virtual
async def test_there_is_none_where_there_is_nothing_to_compare(rows):
    """No instance, one, or a run that took no time."""
    run = await flowmagic.batchflow(Wait(), rows)
    assert as_html(run) == ""


@virtual
async def test_the_limits_are_told_in_words_and_drawn_once_they_changed():
    """When, to what, and by whom."""
    run = flowmagic.batchflow(Wait(), [{"wait": 4}] * 20, limit=2)
    assert limit_words(run) == "Limit 2."
    await asyncio.sleep(3)
    run.limit = 5
    await asyncio.sleep(3)
    run.per_minute = 1_000  # not a limit of how many run at once
    run.limit = 4
    await run
    words = "Limit 2; 5 from 3.0 s (by hand); 4 from 6.0 s (by hand)."
    assert limit_words(run) == words
    html = as_html(run)
    assert words in html
    assert words in as_text(run)
    assert re.findall(
        r"title='limit (\d+) from [\d.]+ s' style='width:([\d.]+)%;height:(\d+)%", html
    ) == [
        ("2", "13.04", "40"),
        ("5", "13.04", "100"),
        ("4", "73.91", "80"),
    ]


@virtual
async def test_many_changes_of_the_limit_are_told_in_part():
    """An adaptive limit may move for hours."""
    run = flowmagic.batchflow(Wait(), [{"wait": 1}] * 40, limit=1)
    for limit in range(2, 12):
        await asyncio.sleep(0.1)
        run.limit = limit
    await run
    assert limit_words(run).endswith("; 7 from 0.6 s (by hand); 4 more changes, finally 11.")


@virtual
async def test_the_chart_weighs_the_same_whatever_the_number_of_instances():
    """Quickly, too."""
    for n in (60, 700, 6_000):
        rows = [{"wait": 1 + i % 7, "fail": i % 19 == 4} for i in range(n)]
        run = await flowmagic.batchflow(Wait(), rows, limit=100)
        html = as_html(run)
        assert f"How many of {n:,} instances ran at once. Red below" in html
        assert len(heights(html)) == 120
        assert len(html.encode()) < 20_000
    assert "Timeline: about 100 at once" in html
    assert heights(html)[:110] == [100] * 110
    assert heights(html)[-1] < 60
    assert len(red(html)) > 50


@virtual
async def test_one_that_ran_again_is_drawn_as_often_as_it_ran():
    """Each attempt where it ran; only the last one counts as a failure."""
    rows = [{"wait": 2, "fail": True}, {"wait": 4}]
    run = await flowmagic.batchflow(Wait(), rows, limit=2)
    run.retry_failed()
    await run
    html = as_html(run)
    assert heights(html) == [100] * 40 + [50] * 80
    assert red(html) == [119]
    assert "How many of 2 instances" in html


class Second(AsyncNode):
    """Fails at its first attempt."""

    tries = 0

    async def exec_async(self, prepared):
        await asyncio.sleep(self.params["wait"])
        Second.tries += self.params.get("fails", 0)
        if self.params.get("fails") and Second.tries == 1:
            raise ValueError("not yet")


@virtual
async def test_one_that_succeeded_in_the_end_is_no_failure():
    """Neither in the chart nor in its legend; the time of the first attempt is counted."""
    Second.tries = 0
    run = await flowmagic.batchflow(Second(), [{"wait": 4, "fails": 1}, {"wait": 6}], limit=2)
    run.retry_failed()
    await run
    html = as_html(run)
    assert red(html) == []
    assert "How many of 2 instances ran at once. Limit 2." in html
    assert heights(html)[:48] == [100] * 48
