"""A run at a terminal: what one sees while it goes on, and when it is over."""

import asyncio
import os
import signal
import sys
from contextlib import closing, redirect_stderr, redirect_stdout

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.limits.limits import Limits
from flowmagic.notebook.shell import wait_for_end
from flowmagic.notebook.terminal.terminal import TerminalDisplay, moves_cursor

from ...virtualtime import virtual
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
