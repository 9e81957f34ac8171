"""A run at a terminal: what one sees while it goes on, and when it is over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import closing, redirect_stderr, redirect_stdout

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode
from wcwidth import wcswidth

import flowmagic
from flowmagic.limits.limits import Limits
from flowmagic.notebook.shell import wait_for_end
from flowmagic.notebook.terminal.terminal import (
    ASCII_BARS,
    Progress,
    TerminalDisplay,
    clock,
    cut_to,
    moves_cursor,
    padded,
    plain,
)

from ...virtualtime import run_virtual, virtual
from ..test_shell import Terminal
from .screen import Screen


class Say(AsyncNode):
    async def exec_async(self, prepared):
        await asyncio.sleep(1)
        sys.stdout.write(f"said {self.params['n']}\n")
        await asyncio.sleep(1)


class Watched(Screen):
    """A screen that keeps what it showed, whenever that was another thing."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.shown = []
        self.written = ""

    def write(self, text):
        self.written += text
        return super().write(text)

    def flush(self):
        if self.lines not in self.shown[-1:]:
            self.shown.append(self.lines)


class File(Watched):
    def isatty(self):
        return False


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("WT_SESSION", raising=False)


async def watched(screen, rows, *, limit=2):
    """Run a batch as a cell does, at a terminal."""

    def start(batch, limits):
        return flowmagic.batchflow(AsyncFlow(start=Say()), batch, limit=limits.concurrency)

    with redirect_stdout(screen), redirect_stderr(screen):
        shown = TerminalDisplay(start)
        run = shown.start(rows, Limits(limit))
        with closing(shown):
            await wait_for_end(run, shown.tick)
        assert sys.stdout is screen
    return run


@virtual
async def test_a_line_and_a_table_live_below_what_the_nodes_print():
    """All that is printed stays in order; of the live part nothing is left at the end."""
    screen = Watched(100, 24)
    await watched(screen, [{"n": n} for n in range(3)])
    assert any("━" in line for each in screen.shown for line in each)
    during = next(each for each in screen.shown if each[:2] == ["said 0", "said 1"] and each[2:])
    assert during[2] == ""
    assert during[3].startswith("AsyncFlow    0% ──")
    assert "0/3 [00:01 < ?, ? inst/s]  2 running, 1 pending  limit 2" in during[3]
    assert during[4:] == [
        "    #  node   seconds  params",
        "    0  Say        1.0  n=0",
        "    1  Say        1.0  n=1",
    ]
    assert screen.lines[:4] == ["said 0", "said 1", "said 2", screen.lines[3]]
    assert screen.lines[3].startswith("AsyncFlow: 3 of 3 succeeded (4.0 s")
    assert not any("━" in line or "─" in line for line in screen.lines)


@virtual
async def test_the_last_column_stays_free():
    """There are terminals that wrap as soon as it is written to."""
    screen = Watched(100, 24)
    await watched(screen, [{"n": 0, "text": "x" * 200}])
    rows = [line for each in screen.shown for line in each if line.startswith("    0")]
    assert {len(row) for row in rows} == {99}


@virtual
async def test_it_is_drawn_at_most_ten_times_a_second():
    """A terminal far away has to take all of it."""
    screen = Watched(100, 24)
    run = await watched(screen, [{"n": 0}] * 40, limit=4)
    assert run.elapsed == 20
    assert 100 < screen.written.count("\x1b[?7l") <= 201


@virtual
async def test_a_low_terminal_has_a_shorter_table_or_none(monkeypatch):
    """The line must not be pushed off the screen."""
    heights = {}
    for lines in (24, 10, 5):
        monkeypatch.setenv("LINES", str(lines))
        screen = Watched(100, lines)
        await watched(screen, [{"n": n} for n in range(40)], limit=20)
        heights[lines] = max(
            len(each) - at
            for each in screen.shown
            for at, line in enumerate(each)
            if line.startswith("AsyncFlow ") and "inst/s" in line
        )
    assert heights == {24: 11, 10: 7, 5: 1}


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"TERM": None}])
@virtual
async def test_where_the_cursor_is_not_to_be_moved_there_is_one_plain_line(monkeypatch, variables):
    """A dumb terminal, or a user who wants no sequences."""
    for name, value in variables.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    screen = Watched(100, 24)
    await watched(screen, [{"n": n} for n in range(3)])
    assert "\x1b" not in screen.written
    during = next(each for each in screen.shown if each[:2] == ["said 0", "said 1"] and each[2:])
    assert len(during) == 3
    assert "0/3 [00:01 < ?, ? inst/s]  2 running, 1 pending  limit 2" in during[2]
    assert [each.strip() for each in screen.lines[:3]] == ["said 0", "said 1", "said 2"]


@virtual
async def test_a_file_gets_the_summary_only():
    """Ten lines a second would be of no use in it."""
    file = File(100, 24)
    await watched(file, [{"n": n} for n in range(3)])
    assert file.written.startswith("said 0\nsaid 1\nsaid 2\nAsyncFlow: 3 of 3 succeeded")
    assert "\x1b" not in file.written
    assert "\r" not in file.written


def test_a_windows_terminal_can_move_its_cursor(monkeypatch):
    """There TERM says nothing."""
    monkeypatch.delenv("TERM")
    assert not moves_cursor()
    monkeypatch.setenv("WT_SESSION", "1")
    assert moves_cursor()


@virtual
async def test_a_run_that_nobody_waits_for_draws_nothing_and_leaves_the_streams_alone():
    """With --no-wait there is only the summary, whenever the run ends."""
    screen = Watched(100, 24)
    with redirect_stdout(screen):
        shown = TerminalDisplay(lambda batch, _: flowmagic.batchflow(AsyncFlow(start=Say()), batch))
        run = shown.start([{"n": 0}], Limits(1))
        assert sys.stdout is screen
        await run
        shown.tick()
    assert screen.written.startswith("said 0\nAsyncFlow: 1 of 1 succeeded")
    assert "inst/s" not in screen.written


FLOW = """
import asyncio, logging, os
from pocketflow import AsyncFlow, AsyncNode
logging.basicConfig()
class Say(AsyncNode):
    async def exec_async(self, _):
        print("said", self.params["n"])
        logging.warning("logged %s", self.params["n"])
        await asyncio.sleep(0.35)
        if self.params["n"] == 5:
            await asyncio.sleep(1000)
say = AsyncFlow(start=Say())
rows = [{'n': n, 'text': '日本語 ' * 30} for n in range(6)]
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_at_a_real_terminal_nothing_is_garbled_and_ctrl_c_leaves_a_clean_screen(
    tmp_path, monkeypatch
):
    """Prints and log lines stand whole; on Ctrl-C the block goes, the summary comes."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    (tmp_path / "say.py").write_text(FLOW)
    terminal = Terminal("xterm")
    try:
        terminal.until("In [1]: ")
        terminal.type(f"%run -i {tmp_path}/say.py\n")
        terminal.until("In [2]: ")
        terminal.type("%load_ext flowmagic\n")
        terminal.until("In [3]: ")
        cell = "get_ipython().run_cell_magic('batchflow', 'say --limit 2 -o run', 'rows')\n"
        terminal.type(cell)
        terminal.until("'rows')")
        seen = terminal.until("5/6 [")
        seen += terminal.until("\r\n    5  Say")
        os.write(terminal.fd, b"\x03")  # what the terminal echoes; to the session it is no signal
        seen += terminal.until("^C")  # only now has it thrown away what was not yet read
        terminal.process.send_signal(signal.SIGINT)
        seen += terminal.until("KeyboardInterrupt", timeout=20)
    finally:
        terminal.close()
    screen = Screen(100, 24)
    screen.write(seen)
    lines = [line.removeprefix("^C") for line in screen.lines]
    shown = "\n".join(lines)
    for n in range(6):
        assert f"said {n}" in lines, shown
        assert f"WARNING:root:logged {n}" in lines, shown
    run_end = "say: 5 of 6 succeeded, 1 cancelled"
    assert any(line.startswith(run_end) for line in lines), shown
    assert not any("inst/s" in line for line in lines), shown


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
async def test_the_table_ends_with_the_latest_outputs():
    """Or errors; of a row that runs again there is none, and of secrets nothing."""

    class Answer(AsyncNode):
        async def exec_async(self, prepared):
            await asyncio.sleep(self.params["n"])
            if self.params["n"] == 3:
                raise ValueError("no\ncustomer")
            return f"answer {self.params['n']} by sk-12345678"

    rows = [{"n": n, "api_key": "sk-12345678"} for n in range(9)]
    run = flowmagic.batchflow(Answer(), rows, limit=9)
    progress = Progress(run)
    await asyncio.sleep(3.5)
    assert progress.table(60, 8)[-3:] == [
        "    1  n=1, api_key=••• → answer 1 by •••",
        "    2  n=2, api_key=••• → answer 2 by •••",
        "    3  n=3, api_key=••• → ValueError: no customer",
    ]
    await asyncio.sleep(1)
    assert progress.table(60, 8)[-1] == "    4  n=4, api_key=••• → answer 4 by •••"
    progress.close()
    await run.settled()
    assert not run.records.watchers


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


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
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
