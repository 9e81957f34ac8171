"""Lines that stay below what others write."""

import os
import shutil
import sys
import threading
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest

from flowmagic.notebook.terminal.live_block import Block, column_after, terminal_size

from .screen import Screen


@pytest.fixture(autouse=True)
def _size(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "10")


@contextmanager
def terminal(*, moves=True):
    """A terminal of 20 columns, which both standard streams lead to, and an open block on it."""
    screen = Screen(20, 10)
    with redirect_stdout(screen), redirect_stderr(screen):
        block = Block(moves=moves)
        block.open()
        yield screen, block
        block.close()
        assert sys.stdout is screen
        assert sys.stderr is screen


def test_a_terminal_that_knows_no_size_has_the_usual_one(monkeypatch):
    """Python 3.10 says 0 columns of it, and a line of no columns would be empty."""
    assert terminal_size() == (20, 10)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((0, 0)))
    assert terminal_size() == (80, 24)


def test_the_lines_are_drawn_in_place():
    """However often; longer ones, fewer ones."""
    with terminal() as (screen, block):
        sys.stdout.write("before\n")
        for lines in (["one", "two", "three"], ["a longer one", "two"], ["1"]):
            block.draw(lines, 3)
            assert screen.lines == ["before", "", *lines]
        block.close()
        assert screen.lines == ["before"]
        sys.stdout.write("after\n")
        assert screen.lines == ["before", "after"]


def test_what_others_print_stands_above():
    """On both streams, in any thread, in one piece."""
    with terminal() as (screen, block):
        block.draw(["block"], 5)
        sys.stdout.write("hello\n")
        assert screen.lines == ["hello"]
        block.draw(["block"], 5)
        thread = threading.Thread(target=lambda: sys.stderr.write("from a thread\n"))
        thread.start()
        thread.join()
        sys.stdout.writelines(["a\n", "b\n"])
        block.draw(["block"], 5)
        assert screen.lines == ["hello", "from a thread", "a", "b", "", "block"]


@pytest.mark.parametrize("start", ["begun", "\x1b[31m", "x" * 20, "x" * 25, "日本", "50%\r60%"])
def test_a_line_that_was_begun_is_gone_on_with(start):
    """The block stands below it meanwhile, and no line is lost or comes twice."""
    with terminal() as (screen, block):
        by_itself = Screen(20, 10)
        for part in ("first\n", start, " and", " on", "\nlast\n"):
            sys.stdout.write(part)
            by_itself.write(part)
            for _ in range(3):
                block.draw(["block", "rows"], 5)
                assert screen.lines[-2:] == ["block", "rows"]
        block.close()
        expected = by_itself.lines
        if len(start) == 20:  # at the edge nobody can tell where the cursor is: a line of its own
            expected = ["first", start, " and on", "last"]
        assert screen.lines == expected


def test_lines_too_long_for_the_terminal_do_not_go_on_below():
    """Where it counts otherwise than we do, or has just become narrower."""
    with terminal() as (screen, block):
        for _ in range(3):
            block.draw(["x" * 50, "y" * 50], 50)
        assert screen.lines == ["", "x" * 20, "y" * 20]
        assert screen.wraps


def test_at_the_end_of_the_screen_it_scrolls_what_is_above():
    """Nothing of the block is left behind."""
    with terminal() as (screen, block):
        for number in range(30):
            sys.stdout.write(f"{number}\n")
            block.draw(["block", "rows"], 5)
        assert screen.lines == [*map(str, range(30)), "", "block", "rows"]


def test_what_comes_past_the_streams_can_be_read_too():
    """A log handler holds a stream of its own: its line stands where the block began."""
    with terminal() as (screen, block):
        block.draw(["block", "rows"], 5)
        screen.write("WARNING: by itself\n")
        block.draw(["block", "rows"], 5)
        assert screen.lines == ["WARNING: by itself", "", "block", "rows"]


def test_without_moves_there_is_one_line():
    """No sequence at all is sent, and what others print has a line of its own."""
    with terminal(moves=False) as (screen, block):
        written = []
        keep, screen.write = screen.write, lambda text: written.append(text) or keep(text)
        block.draw(["a long line", "rows"], 11)
        block.draw(["short"], 5)
        assert screen.lines == ["short"]
        sys.stdout.write("hello\n")
        block.draw(["short"], 5)
        sys.stdout.write("begun")
        block.draw(["short"], 5)
        assert screen.lines == ["hello", "begun", "short"]
        sys.stdout.write("and on\n")
        block.close()
        assert screen.lines == ["hello", "begun", "and on"]
        assert "\x1b" not in "".join(written)
        assert sys.stdout is screen


def test_a_stream_that_leads_elsewhere_is_left_alone():
    """What goes to a file cannot stand in the way."""
    screen = Screen(20, 10)
    with redirect_stdout(screen), redirect_stderr(screen):

        class File(Screen):
            def isatty(self):
                return False

        file = File()
        sys.stderr = file
        block = Block(moves=True)
        block.open()
        assert sys.stderr is file
        assert sys.stdout is not screen
        block.close()


def test_who_keeps_a_stand_in_writes_on_after_the_end():
    """And who has replaced it meanwhile is not undone."""
    screen = Screen(20, 10)
    with redirect_stdout(screen), redirect_stderr(screen):
        block = Block(moves=True)
        block.open()
        kept = sys.stdout
        other = sys.stdout = Screen()
        block.draw(["block"], 5)
        block.close()
        block.close()
        assert sys.stdout is other
        kept.write("hello\n")
        assert kept.columns == 20
        assert screen.lines == ["hello"]


def test_characters_that_the_terminal_has_not_do_not_break_it():
    """They are replaced."""
    with terminal() as (screen, block):
        screen.encoding = "ascii"
        block.draw(["━━ 50%"], 6)
        assert screen.lines == ["", "?? 50%"]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("", 0), ("abc", 3), ("\x1b[1mabc\x1b[0m", 3), ("50%\r100%", 4), ("a\tb", 9), ("日", 2),
        ("x" * 10, 10), ("x" * 11, 1), ("x" * 25, 5), ("\x1b[31m", 0),
    ],
)  # fmt: skip
def test_where_the_cursor_is_after_a_line_is_known(line, column):
    """In a terminal of ten columns; at its edge the cursor waits there."""
    assert column_after(line, 10) == column
