"""A run in words for a terminal."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode
from wcwidth import wcswidth

import flowmagic
from flowmagic.notebook.terminal.progress import (
    ASCII_BARS,
    Progress,
    clock,
    cut_to,
    padded,
    plain,
)

from ...virtualtime import run_virtual, virtual


class Call(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(self.params.get("takes", 1))
        if self.params.get("fails"):
            raise ValueError("no")


def started(rows, **options):
    return flowmagic.batchflow(AsyncFlow(start=Call()), rows, **options)


@virtual
async def test_the_line_is_that_of_tqdm_and_tells_the_statuses():
    """Share, bar, done of total, elapsed, remaining, rate, statuses, limit."""
    run = started([{"fails": i < 2} for i in range(20)], limit=4)
    progress = Progress(run)
    await asyncio.sleep(0.01)
    assert progress.line(200) == (
        f"AsyncFlow    0% {'─' * 30}  0/20 [00:00 < ?, ? inst/s]  4 running, 16 pending  limit 4"
    )
    await asyncio.sleep(2.49)
    assert progress.line(200) == (
        f"AsyncFlow   40% {'━' * 12}{'─' * 18}  8/20 [00:02 < 00:03, 3.20 inst/s]"
        "  2 failed, 4 running, 8 pending  limit 4"
    )
    await run


@virtual
async def test_the_rate_is_that_of_the_last_seconds():
    """What was long ago says little of what remains."""
    run = started([{"takes": 0.01 if i < 1_000 else 10} for i in range(1_010)], limit=10)
    progress = Progress(run)
    await asyncio.sleep(1.5)
    assert "1,000/1,010 [00:01 < 00:00, 666.7 inst/s]" in progress.line(120)
    for _ in range(9):
        await asyncio.sleep(1)
        line = progress.line(120)
    assert "1,000/1,010 [00:10 < ?, ? inst/s]" in line
    await run


@virtual
async def test_where_there_is_little_room_the_bar_goes_first_then_limit_and_name():
    """The bar has what room the words leave; and what is left of them is cut at the edge."""
    run = started([{}] * 20, limit=4)
    progress = Progress(run)
    await asyncio.sleep(2.5)
    assert "40% ━━━─────  8/20" in progress.line(90)
    assert progress.line(85).startswith("AsyncFlow   40%  8/20 [")
    assert progress.line(85).endswith("limit 4")
    assert "40% ━━─────  8/20" in progress.line(80)
    assert progress.line(80).endswith("8 pending")
    assert progress.line(75).startswith("AsyncFlow   40%  8/20 [")
    assert progress.line(60).startswith(" 40% ")
    assert progress.line(12) == " 40%  8/20 …"
    await run


@virtual
async def test_it_says_why_nothing_happens():
    """Paused; and how many there will be is not always known."""
    run = started(({} for _ in range(20)), limit=4)
    await asyncio.sleep(1.5)
    run.pause()
    line = Progress(run).line(120)
    assert line.startswith("AsyncFlow, paused  4/? [00:01 < ?, 2.67 inst/s]  4 running")
    run.cancel()
    await run


@virtual
async def test_the_table_shows_what_runs_those_that_began_first_on_top():
    """Index, node, seconds, params; how many more there are is said."""
    run = started([{"takes": 100 if i == 3 else 1, "user_id": i} for i in range(20)], limit=5)
    progress = Progress(run)
    await asyncio.sleep(0.01)
    assert progress.table(60, 3)[-1] == "  … and 2 more"
    await asyncio.sleep(2.5)
    assert progress.table(60, 5)[:3] == [
        "    #  node   seconds  params",
        "    3  Call       2.5  takes=100, user_id=3",
        "    9  Call       0.5  takes=1, user_id=9",
    ]
    assert len(progress.table(60, 5)) == 6
    await run
    assert progress.table(60, 5) == []


@virtual
async def test_colours_change_no_letter():
    """The bar and the head of the table have one, if so asked."""
    run = started([{}] * 20, limit=4)
    await asyncio.sleep(2.5)
    plain, coloured = Progress(run, bars=ASCII_BARS), Progress(run, coloured=True, bars=ASCII_BARS)
    line = plain.line(200)
    assert "############------------------" in line
    assert plain.coloured(line) == line
    for one, other in (
        (coloured.coloured(line), line),
        (coloured.table(60, 2)[0], plain.table(60, 2)[0]),
    ):
        assert one != other
        assert one.replace("\x1b[32m", "").replace("\x1b[2m", "").replace("\x1b[0m", "") == other
    await run


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=40)), min_size=1, max_size=4),
       st.integers(1, 200))  # fmt: skip
def test_whatever_the_params_are_no_line_is_wider_than_the_terminal(rows, columns):
    """Nor does any hold a control, which would move the cursor."""

    async def main():
        run = started(rows)
        progress = Progress(run)
        await asyncio.sleep(0.5)
        lines = [progress.line(columns), *progress.table(columns, 8)]
        assert len(lines) == 2 + len(rows)
        for line in lines:
            assert wcswidth(line) <= columns
            assert line.isprintable()
        await run

    run_virtual(main())


@virtual
async def test_the_name_of_a_class_may_be_anything_too():
    """It need not have come from a class statement."""
    odd = type("Ca\x1b[2Jll\n", (Call,), {})
    run = flowmagic.batchflow(type("Fl\x1b[2Jow", (AsyncFlow,), {})(start=odd()), [{}])
    await asyncio.sleep(0.5)
    progress = Progress(run)
    assert progress.line(80).startswith("Flow    0%")
    assert progress.table(80, 8)[1].split() == ["0", "Call", "0.5"]
    await run


@virtual
async def test_secrets_are_masked():
    """A terminal has a scrollback, and somebody looking over a shoulder."""
    run = started([{"api_key": "sk-12345678"}])
    await asyncio.sleep(0.5)
    assert "api_key=•••" in Progress(run).table(80, 8)[1]
    await run


def test_a_clock_shows_hours_where_there_are_some():
    """As the panel's does."""
    assert [clock(s) for s in (0, 59.9, 61, 3_600, 36_061)] == [
        "00:00", "00:59", "01:01", "1:00:00", "10:01:01",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("", 0), ("日本語", 6), ("e\u0301", 1), ("🎉", 2), ("☂\ufe0f", 2), ("ﾊﾝｶｸ", 4)],
)
def test_a_character_takes_none_or_one_or_two_columns(text, columns):
    """Wide ones of East Asia and emoji two, accents of their own none."""
    assert len(padded(text, 10)) == len(text) + 10 - columns


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07x\x1b]0;title\x1b\\y", "xy"),
        ("\x1bcreset", "reset"),
        ("\x9b31mred", "31mred"),
        ("one\r\n two\tthree ", "one two three"),
        ("abc\u202edef\x00\x7f", "abcdef"),
        ("\x1b", ""),
    ],
)
def test_plain_text_has_nothing_that_moves_the_cursor(text, left):
    """Colours, titles, cursor moves, line ends, and what turns the direction of writing."""
    assert plain(text) == left


@given(st.text(), st.integers(0, 30))
def test_a_cut_text_never_takes_more_columns_than_there_are(text, columns):
    """Whatever is in it; and padded, it takes exactly so many."""
    text = plain(text)
    assert all(each.isprintable() for each in text)
    assert wcswidth(cut_to(text, columns)) <= columns
    assert wcswidth(padded(text, columns)) == columns
    if wcswidth(text) <= columns:
        assert cut_to(text, columns) == text


def test_a_cut_text_says_so():
    """Of a wide character there is all or nothing."""
    assert cut_to("abcdef", 4) == "abc…"
    assert cut_to("日本語日本語", 6) == "日本…"
    assert cut_to("abc", 0) == ""
