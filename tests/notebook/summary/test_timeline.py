"""The timeline without a script."""

from __future__ import annotations

import asyncio
import re

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.notebook.summary.lanes import Bar
from flowmagic.notebook.summary.summary import as_text
from flowmagic.notebook.summary.summary import timeline as module
from flowmagic.notebook.summary.timeline import as_html, limit_words
from flowmagic.records.status import FAILED, SUCCEEDED

from ...virtualtime import virtual


class Wait(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params["wait"])
        if self.params.get("fail"):
            raise ValueError("no")


def drawn(html: str) -> list[list[tuple[float, float, str]]]:
    """Return, per lane of the HTML, where its bars begin and end, in percent, and their colour."""
    lanes = []
    for lane in re.findall(r"<div style='display:flex;height:9px[^>]*>(.*?)</div>", html):
        at, bars = 0.0, []
        for left, width, colour in re.findall(
            r"margin-left:([\d.]+)%;width:([\d.]+)%;background-color:(#\w+)", lane
        ):
            at += float(left)
            bars.append((at, at + float(width), colour))
            at += float(width)
        lanes.append(bars)
    return lanes


@virtual
async def test_a_bar_lies_where_its_instance_ran():
    """In percent of the run, in the colour of its end; words say what the colours are."""
    rows = [{"wait": 10}, {"wait": 2, "fail": True}, {"wait": 8}]
    run = await flowmagic.batchflow(Wait(), rows, limit=2)
    html = as_html(run)
    [one, two] = drawn(html)
    assert one == [(0, pytest.approx(99.88), "#2e9e5b")]
    assert two == [
        (0, pytest.approx(19.88), "#d64545"),
        (pytest.approx(20), pytest.approx(99.88), "#2e9e5b"),
    ]
    assert "Timeline: at most 2 at once, in 10.0 s" in html
    assert "title='#1 failed, 0.00 s + 2.00 s'" in html
    assert "A line per slot, a bar per instance: green succeeded, red ✗ failed. Limit 2." in html


@virtual
async def test_one_that_runs_reaches_up_to_now():
    """The summary of a run that goes on is right as well."""
    run = flowmagic.batchflow(Wait(), [{"wait": 2}, {"wait": 20}], limit=2)
    await asyncio.sleep(4)
    one, two = drawn(as_html(run))
    assert one[0][1] == pytest.approx(49.88)
    assert two == [(0, pytest.approx(99.88), "#1976d2")]
    run.cancel()
    await run.settled()
    assert drawn(as_html(run))[1][0][2] == "#9a7fbf"
    assert "violet cancelled" in as_html(run)


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


async def _varied(n: int, limit: int, fails: int = 19):
    rows = [{"wait": 1 + i % 7, "fail": i % fails == 4} for i in range(n)]
    return await flowmagic.batchflow(Wait(), rows, limit=limit)


@virtual
async def test_many_bars_are_merged_until_they_are_small_enough():
    """At most 60 lanes and 60 kB, and no failure is hidden by what succeeded."""
    for n, limit in ((700, 10), (1_500, 40), (3_000, 300), (5_000, 1_000)):
        run = await _varied(n, limit)
        html = as_html(run)
        assert len(html.encode()) <= module.MOST_BYTES, (n, limit)
        assert (
            "neighbouring instances share a bar, in the colour of the worst status: green" in html
            or n < 800
        )
        assert ("A line per slot," in html) == (limit <= 60)
        lanes = drawn(html)
        assert 5 <= len(lanes) <= 60
        assert all(lane[-1][1] <= 100.2 for lane in lanes if lane)
        assert any(colour == "#d64545" for lane in lanes for _, _, colour in lane)


def test_where_one_of_a_cell_has_failed_the_cell_is_red():
    """A tenth of a second among hundreds."""
    bars = [
        Bar(at / 10, (at + 1) / 10, FAILED if at == 5_555 else SUCCEEDED) for at in range(10_000)
    ]
    [lane] = drawn(module._LaneChart(bars, 1_000.0).html())
    red = [(start, end) for start, end, colour in lane if colour == "#d64545"]
    [(start, end)] = red
    assert start <= 55.56 <= end + 0.13
    assert len(lane) == 3


@virtual
async def test_beyond_that_only_how_many_ran_at_once_is_drawn():
    """Quickly, whatever the number of instances."""
    run = await _varied(6_000, 100)
    html = as_html(run)
    assert "Timeline: about 100 at once" in html
    assert "How many of 6,000 instances ran at once. A red ✗ below: instances failed then." in html
    heights = [int(height) for height in re.findall(r"width:0.833%;height:(\d+)%", html)]
    assert len(heights) == 120
    assert heights[:110] == [100] * 110
    assert heights[-1] < 60
    assert len(html.encode()) < 20_000
    assert html.count("width:0.833%;background-color:#d64545") > 50


@virtual
async def test_one_that_ran_again_is_drawn_as_it_ran_last_and_pale_as_it_ran_before():
    """Each attempt where it ran; only the last one counts as a failure."""
    rows = [{"wait": 2, "fail": True}, {"wait": 4}]
    run = await flowmagic.batchflow(Wait(), rows, limit=2)
    run.retry_failed()
    await run
    html = as_html(run)
    assert html.count("<i title='#0") == 2
    assert "#0 attempt 1 failed, 0.00 s + 2.00 s" in html
    assert html.count("✗</i>") == 1
    assert "#0 failed, 4.00 s + 2.00 s" in html
