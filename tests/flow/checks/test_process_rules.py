"""What rows share because they run in one process is found; what is harmless is a note."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import io
import os
import random
import signal
import sys
from types import ModuleType

import pytest
from pocketflow import AsyncNode, AsyncParallelBatchNode, Node

from flowmagic.flow.checks import check

plt = ModuleType("matplotlib.pyplot")
np = ModuleType("numpy")


def node(method, name="exec", base=Node):
    return type("Made", (base,), {name: method})()


def found(flow, **options):
    """Return each finding, with whether it is a note."""
    return [(each.what, each.note) for each in check(flow, **options)]


def once(method, name="exec", base=Node, **options):
    """Return the only finding about a method."""
    [finding] = check(node(method, name, base), **options)
    return finding


# The standard streams


def redirects(self, _):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(None):
        pass


def test_a_redirect_is_a_note():
    """In a run it captures the prints of its own row, so that nothing is wrong."""
    finding = once(redirects)
    assert finding.what == "exec uses redirect_stdout()."
    assert finding.note
    assert "That applies to this row alone" in finding.why
    assert finding.place.line == redirects.__code__.co_firstlineno + 1


def assigns(self, _):
    sys.stdout, former = io.StringIO(), sys.stdout
    sys.stdout.encoding = former


def test_so_is_an_assignment_to_a_stream():
    """Also among others."""
    assert found(node(assigns)) == [("exec assigns sys.stdout.", True)]
    assert found(node(lambda self, _: sys.stdout.write("x"))) == []


# The working directory


def changes_directory(self, _):
    os.chdir("/")


def test_a_change_of_directory_is_found_in_threads():
    """Each row there resolves its paths in the folder of another one."""
    finding = once(changes_directory)
    assert (finding.what, finding.note) == ("exec changes the working directory.", False)
    assert finding.instead == "Use absolute paths, and cwd= for a subprocess."


@pytest.mark.parametrize("options", [{"limit": 1}, {"threads": False}])
def test_it_is_a_note_if_no_other_row_runs_meanwhile(options):
    """One row at a time, or without threads; then exec blocks the loop, which is another finding."""
    assert ("exec changes the working directory.", True) in found(
        node(changes_directory), **options
    )


def test_it_is_a_note_in_sync_code_on_the_loop():
    """Which nothing interrupts."""
    assert found(node(changes_directory, "prep")) == [("prep changes the working directory.", True)]


async def awaits_in_directory(self, _):
    with contextlib.chdir("/"):
        await asyncio.sleep(1)


def test_it_is_found_in_coroutines():
    """Other rows run while one awaits; also those of a parallel batch, in a run with limit 1."""
    assert found(node(awaits_in_directory, "exec_async", AsyncNode)) == [
        ("exec_async changes the working directory.", False)
    ]
    parallel = node(awaits_in_directory, "exec_async", AsyncParallelBatchNode)
    assert ("exec_async changes the working directory.", False) in found(parallel, limit=1)


def into_folder():
    os.chdir("/")


async def calls_helper(self, _):
    into_folder()


def test_a_sync_helper_of_a_coroutine_is_a_note_and_of_a_thread_a_finding():
    """The former runs to its end before other rows do. The line is that of the method."""
    what = "{} calls into_folder(), which changes the working directory."
    assert found(node(calls_helper, "exec_async", AsyncNode)) == [(what.format("exec_async"), True)]

    def exec_(self, _):
        into_folder()

    finding = once(exec_)
    assert (finding.what, finding.note) == (what.format("exec"), False)
    assert finding.place.line == exec_.__code__.co_firstlineno + 1


# os.environ


def constant(self, _):
    os.environ["FM_CHECKED"] = "1"
    os.environ.setdefault("FM_CHECKED", "1")


def test_a_variable_that_each_row_sets_alike_is_a_note():
    """Nothing crosses there."""
    assert found(node(constant)) == [("exec changes os.environ.", True)]


def of_row(self, key):
    os.environ["FM_CHECKED"] = "1"
    os.environ["FM_CHECKED"] = key


def deletes(self, key):
    del os.environ["FM_CHECKED"]


def appends(self, key):
    os.environ["PATH"] += key


def updates(self, key):
    os.environ.update(FM_CHECKED=key)


def replaces(self, key):
    os.environ |= {"FM_CHECKED": key}


@pytest.mark.parametrize("method", [of_row, deletes, appends, updates, replaces])
def test_any_other_change_of_os_environ_is_found(method):
    """A row reads what another one has set. One finding for each method, the gravest."""
    finding = once(method)
    assert (finding.what, finding.note) == ("exec changes os.environ.", False)
    assert finding.instead == "Pass values as arguments, and to a subprocess with env=."


def test_reading_os_environ_is_fine():
    """As most code does."""
    assert (
        found(node(lambda self, _: os.environ["HOME"] + os.environ.get("A") + os.getenv("A"))) == []
    )


# Signals


def handles(self, _):
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_signal_handler_in_a_thread_is_found_with_any_limit():
    """It raises there."""
    for limit in (1, 5):
        finding = once(handles, limit=limit)
        assert (finding.what, finding.note) == ("exec calls signal.signal() in a thread.", False)
        assert "ValueError" in finding.why


def test_on_the_loop_a_signal_handler_replaces_that_of_all():
    """A note in code that nothing interrupts."""
    assert found(node(handles, "prep")) == [("prep calls signal.signal().", True)]


async def handles_and_awaits(self, _):
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_coroutine_replaces_that_of_other_rows():
    """They run while it awaits."""
    finding = once(handles_and_awaits, "exec_async", AsyncNode)
    assert (finding.what, finding.note) == ("exec_async calls signal.signal().", False)


# pyplot


def draws(self, _):
    plt.plot([1])
    plt.savefig("x.png")


def closes(self, _):
    plt.close("all")


def test_drawing_into_the_current_figure_is_found():
    """Once, with what to write instead; so is closing the figures of other rows."""
    finding = once(draws)
    assert (finding.what, finding.note) == (
        "exec uses pyplot's current figure in plt.plot().",
        False,
    )
    assert "matplotlib.figure.Figure()" in finding.instead
    assert once(draws, limit=1).note
    assert once(closes).what == "exec uses pyplot's current figure in plt.close()."


def draws_its_own(self, _):
    fig, ax = plt.subplots()
    ax.plot([1])
    fig.savefig("x.png")
    plt.close(fig)


def test_a_figure_of_the_rows_own_is_fine():
    """With its axes, until it is closed."""
    assert found(node(draws_its_own)) == []


# Random numbers


def seeds(self, _):
    random.seed(1)


def seeds_numpy(self, _):
    np.random.seed(1)


def test_seeding_the_generator_of_the_process_is_found():
    """That of Python and that of numpy; a generator of its own is fine."""
    finding = once(seeds)
    assert (finding.what, finding.note) == ("exec calls random.seed().", False)
    assert finding.instead == "Make one for the row: rng = random.Random(...)."
    assert "default_rng" in once(seeds_numpy).instead
    assert found(node(lambda self, _: random.Random(1).seed(2))) == []


# Input


def asks(self, _):
    return input("Go on? ")


def asks_in_secret(self, _):
    return getpass.getpass()


@pytest.mark.parametrize("limit", [1, 5])
def test_a_question_is_found_with_any_limit(limit):
    """Nobody can answer it in the background. On the loop, all rows wait for the answer."""
    finding = once(asks, limit=limit)
    assert (finding.what, finding.note) == ("exec calls input().", False)
    assert "--wait" in finding.instead
    assert "no other row" not in finding.why
    assert once(asks_in_secret, limit=limit).what == "exec calls getpass()."
    assert "no other row runs until it is answered" in once(asks, "prep", limit=limit).why


async def asks_in_thread(prompt):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, input, prompt)


async def awaits_answer(self, _):
    return await asks_in_thread("Go on? ")


def asks_if_it_fails(self, prep_res, exc):
    return getpass.getpass()


def test_a_question_is_found_anywhere():
    """In another thread, in a coroutine, and where it is seldom asked."""
    [(what, note)] = found(node(awaits_answer, "exec_async", AsyncNode))
    assert (what, note) == ("exec_async calls asks_in_thread(), which calls input().", False)
    assert found(node(asks_if_it_fails, "exec_fallback")) == [
        ("exec_fallback calls getpass().", False)
    ]


# Event loops


def runs(self, _):
    asyncio.run(work())


def completes(self, _):
    return asyncio.new_event_loop().run_until_complete(work())


async def runs_in_coroutine(self, _):
    asyncio.run(work())


async def work():
    pass


def test_asyncio_run_in_an_async_node_is_found():
    """It raises, since a loop runs there."""
    finding = once(runs_in_coroutine, "exec_async", AsyncNode, limit=1)
    assert (finding.what, finding.note) == ("exec_async calls asyncio.run().", False)
    assert finding.instead == "Await the coroutine instead."


@pytest.mark.parametrize("method", [runs, completes])
def test_in_a_sync_node_it_is_found_on_the_loop_and_fine_in_a_thread(method):
    """Where no loop runs."""
    assert found(node(method)) == []
    assert once(method, "prep").instead == "Move the call to exec, which runs in a thread."
    findings = check(node(method), threads=False)
    assert any("make" not in each.instead and "AsyncNode" in each.instead for each in findings)


def test_where_nest_asyncio_allows_it_it_is_fine(monkeypatch):
    """It says so in asyncio."""
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    assert found(node(runs, "prep")) == []
