"""Who may ask for input, and who is refused; the shell is a fake."""

from __future__ import annotations

import contextvars
import copy
import io
import sys
import threading
from types import SimpleNamespace

import pytest

from flowmagic import InputError
from flowmagic.engines.process_state import ProcessState
from flowmagic.notebook.stdin import InputGuard, _Stdin
from flowmagic.records.printed import enter, key


class Kernel:
    def raw_input(self, prompt=""):
        return f"asked {prompt}"

    def getpass(self, prompt="", stream=None):
        return f"asked in secret {prompt}"


class Events:
    """The callbacks of a shell."""

    def __init__(self):
        self.called = {"pre_run_cell": [], "post_run_cell": []}

    def register(self, event, function):
        self.called[event].append(function)

    def unregister(self, event, function):
        self.called[event].remove(function)


class Shell:
    """A shell of which cells begin and end as a test says, each in a Context of its own."""

    def __init__(self, kernel=None):
        self.kernel = Kernel() if kernel is None else kernel
        self.events = Events()

    def begin(self, cell):
        """Begin a cell; return the Context that a run which it starts has."""
        context = contextvars.copy_context()
        for each in self.events.called["pre_run_cell"]:
            context.run(each, cell)
        run = context.copy()
        run.run(ProcessState().enter)
        return run

    def end(self, cell):
        """End a cell; None: it was cancelled."""
        for each in self.events.called["post_run_cell"]:
            each(None if cell is None else SimpleNamespace(info=cell))


@pytest.fixture
def shell(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    return Shell()


def guarded(shell):
    guard = InputGuard(shell)
    contextvars.copy_context().run(guard.install)
    shell.end(object())
    return guard


def test_a_run_may_ask_while_its_cell_runs_and_not_after(shell):
    """By input, by getpass, and by reading stdin."""
    guarded(shell)
    run = shell.begin("cell")
    assert run.run(shell.kernel.raw_input, "word? ") == "asked word? "
    assert run.run(lambda: shell.kernel.getpass(prompt="key? ")) == "asked in secret key? "
    assert run.run(lambda: sys.stdin.readline()) == "one\n"
    shell.end("cell")
    for ask in (
        shell.kernel.raw_input,
        shell.kernel.getpass,
        lambda: sys.stdin.read(),
        lambda: sys.stdin.readlines(),
        lambda: next(sys.stdin),
        lambda: list(sys.stdin),
    ):
        with pytest.raises(InputError, match="Nobody can answer input"):
            run.run(ask)
    assert sys.stdin.encoding == run.run(lambda: sys.stdin.encoding)
    assert list(sys.stdin) == ["two\n"]


def test_rows_that_ask_at_the_same_time_take_turns(shell):
    """A kernel would hang. Each question names its row; plain code of the cell need not wait."""
    asking, most = [], []
    begun, go_on = threading.Event(), threading.Event()

    def raw_input(prompt=""):
        asking.append(prompt)
        most.append(len(asking))
        begun.set()
        go_on.wait(10)
        asking.remove(prompt)
        return prompt

    shell.kernel.raw_input = raw_input
    guarded(shell)
    context = shell.begin("cell")

    def ask(row):
        mine = context.copy()
        mine.run(enter, key(row, 1))
        answers[row] = mine.run(shell.kernel.raw_input, "word? ")

    answers = {}
    threads = [threading.Thread(target=ask, args=[row]) for row in range(4)]
    for each in threads:
        each.start()
    assert begun.wait(10)
    assert shell.kernel.getpass("key? ") == "asked in secret key? "
    go_on.set()
    for each in threads:
        each.join()
    assert answers == {row: f"row {row}: word? " for row in range(4)}
    assert max(most) == 1


def in_thread(context, function):
    """Call a function in a thread, with a copy of a Context; return the thread, and what it returns."""
    results = []

    def call():
        try:
            results.append(function())
        except InputError as error:
            results.append(error)

    thread = threading.Thread(target=context.copy().run, args=[call])
    thread.start()
    return thread, results


def test_a_row_that_waits_for_its_turn_is_refused_when_the_cell_has_ended(shell):
    """Though the one that asks never ends; and the next cell's rows do not wait for that one."""
    held, go_on = threading.Event(), threading.Event()

    def raw_input(prompt=""):
        if not held.is_set():
            held.set()
            go_on.wait(20)
        return "answer"

    shell.kernel.raw_input = raw_input
    guarded(shell)
    context = shell.begin("cell")
    hangs, _ = in_thread(context, shell.kernel.raw_input)
    assert held.wait(10)
    waits, refused = in_thread(context, shell.kernel.raw_input)
    shell.end("cell")
    waits.join(10)
    assert "Add --wait --limit 1" in str(refused[0])
    asks, answers = in_thread(shell.begin("next"), shell.kernel.raw_input)
    asks.join(5)
    assert answers == ["answer"]
    go_on.set()
    hangs.join()


def test_a_row_whose_turn_comes_when_the_cell_has_ended_does_not_ask(shell):
    """Its question would appear in another cell."""
    guard = guarded(shell)
    context = shell.begin("cell")

    class Turn:
        def acquire(self, timeout):
            shell.end("cell")
            return True

        def release(self):
            pass

    guard._turn = Turn()
    with pytest.raises(InputError):
        context.run(shell.kernel.raw_input)


def test_while_another_cell_runs_the_run_is_refused_and_that_cell_may_ask(shell):
    """Also if both run at once, in subshells."""
    guarded(shell)
    run, other = shell.begin("cell"), shell.begin("other")
    assert run.run(shell.kernel.raw_input) == other.run(shell.kernel.raw_input) == "asked "
    shell.end("cell")
    with pytest.raises(InputError):
        run.run(shell.kernel.raw_input)
    assert other.run(shell.kernel.raw_input) == shell.kernel.raw_input() == "asked "


def test_a_run_of_a_cancelled_cell_is_refused(shell):
    """IPython does not say then which cell has ended."""
    guarded(shell)
    run = shell.begin("cell")
    shell.end(None)
    with pytest.raises(InputError):
        run.run(shell.kernel.raw_input)


def test_a_run_of_no_cell_is_refused(shell):
    """A panel has started it."""
    guarded(shell)
    context = contextvars.copy_context()
    context.run(ProcessState().enter)
    with pytest.raises(InputError):
        context.run(shell.kernel.raw_input)


def test_runs_of_the_cell_that_loads_the_extension_may_ask(shell):
    """It begins before there is a guard."""
    context = contextvars.copy_context()
    context.run(InputGuard(shell).install)
    context.run(ProcessState().enter)
    assert context.run(shell.kernel.raw_input) == "asked "
    shell.end("loading")
    with pytest.raises(InputError):
        context.run(shell.kernel.raw_input)


def test_uninstalled_everything_is_as_before(shell):
    """A stdin that somebody else has put in its place stays."""
    below, own = sys.stdin, io.StringIO()
    guard = guarded(shell)
    guard.uninstall()
    assert sys.stdin is below
    assert vars(shell.kernel) == {}
    assert shell.events.called == {"pre_run_cell": [], "post_run_cell": []}
    guard = guarded(shell)
    sys.stdin = own
    guard.uninstall()
    assert sys.stdin is own


def test_a_kernel_without_these_methods_and_a_process_without_stdin_are_left_alone(shell):
    """As in JupyterLite, and under pythonw."""
    sys.stdin = None
    bare = Shell(SimpleNamespace())
    guard = guarded(bare)
    assert (sys.stdin, vars(bare.kernel)) == (None, {})
    guard.uninstall()
    assert sys.stdin is None


def test_a_copy_of_stdin_can_be_made(shell):
    """Without looking for its stream endlessly."""
    assert copy.copy(_Stdin(sys.stdin, InputGuard(shell))).below is sys.stdin
