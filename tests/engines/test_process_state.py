"""Whatever a run did to the working directory and os.environ, they are as before when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncBatchFlow, AsyncNode, Node

import flowmagic
from flowmagic.engines import process_state
from flowmagic.engines.process_state import ProcessState

from ..virtualtime import virtual


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch, tmp_path):
    """Every test begins in a folder of its own, and leaves nothing in place."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("FM_KEPT", "before")
    monkeypatch.delenv("FM_NEW", raising=False)
    yield
    assert os.chdir is process_state._stock_chdir
    assert type(os.environ) is os._Environ
    assert not process_state._active
    assert not process_state._changes


class Run:
    """A run that is in progress, with a Context for its code."""

    def __init__(self):
        self.state = ProcessState()
        self._context = contextvars.copy_context()
        self._context.run(self.state.enter)
        self.state.begin()

    def do(self, function, *arguments):
        self._context.run(function, *arguments)

    def set(self, value):
        self.do(os.environ.__setitem__, "FM_KEPT", value)

    def end(self):
        self._context.run(self.state.end)

    @property
    def said(self):
        return [each.text() for each in self.state.findings()]


def in_a_thread(function, *arguments):
    """Call a function in a thread that belongs to no run."""
    call = lambda: contextvars.Context().run(function, *arguments)
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_everything_that_nodes_change_is_put_back(tmp_path):
    """A variable that is set, changed or deleted, in any way, and the directory; with a note."""

    class Changes(Node):
        def exec(self, _):
            n = self.params["n"]
            os.environ["FM_KEPT"] = str(n)
            os.environ.update(FM_NEW="new", FM_OTHER="other")
            os.environ.setdefault("FM_DEFAULT", "default")
            os.environ.pop("HOME", None)
            os.chdir(tmp_path / "abc"[n])
            assert os.environ["FM_NEW"] == os.getenv("FM_NEW") == "new"

    before = dict(os.environ), os.getcwd()
    run = flowmagic.run_batch(Changes(), [{"n": n} for n in range(3)], limit=2)
    run.raise_for_failures()
    assert (dict(os.environ), os.getcwd()) == before
    cwd, environ = [each for each in run.audit() if each.note]
    assert cwd.what == "The run changed the working directory, which was put back when it ended."
    assert cwd.instead == "Use absolute paths, and cwd= for a subprocess."
    assert environ.what == (
        "The run changed os.environ (FM_DEFAULT, FM_KEPT, FM_NEW, FM_OTHER, HOME), which was put back "
        "when it ended."
    )
    assert environ.instead == "Pass values as arguments, and to a subprocess with env=."


@pytest.mark.parametrize("ending", ["cancelled", "failed", "stopped"])
@virtual
async def test_it_is_put_back_however_the_run_ends(ending):
    """Also after an error in its own post, a cancellation, a stop."""

    class Sets(AsyncNode):
        async def exec_async(self, _):
            os.environ["FM_KEPT"] = "node"
            await asyncio.sleep(1)

    class Raises(AsyncBatchFlow):
        async def prep_async(self, shared):
            os.environ["FM_NEW"] = "prep"
            return [{}]

        async def post_async(self, shared, prep_res, exec_res):
            raise ValueError("post")

    run = flowmagic.batchflow(Raises(start=Sets()), limit=1)
    await asyncio.sleep(0.5)
    assert (os.environ["FM_KEPT"], os.environ["FM_NEW"]) == ("node", "prep")
    if ending == "cancelled":
        run.cancel()
    elif ending == "stopped":
        run.stop()
    await run.settled()
    assert run.status == ("cancelled" if ending == "cancelled" else "failed")
    assert os.environ["FM_KEPT"] == "before"
    assert "FM_NEW" not in os.environ


@virtual
async def test_it_is_put_back_before_whoever_waits_goes_on_and_again_after_a_retry():
    """A run that is continued has a second end."""
    seen = []

    class Fails(AsyncNode):
        async def exec_async(self, _):
            seen.append(os.environ["FM_KEPT"])
            os.environ["FM_KEPT"] = "node"
            raise ValueError

    run = flowmagic.batchflow(Fails(), [{}])
    run.observe(lambda run: seen.append((run.status, os.environ["FM_KEPT"])))
    await run
    assert os.environ["FM_KEPT"] == "before"
    await run.retry_failed()
    assert os.environ["FM_KEPT"] == "before"
    assert seen == [
        "before", ("finished", "before"), ("running", "before"), "before", ("finished", "before"),
    ]  # fmt: skip
    assert len([each for each in run.audit() if "os.environ" in each.what]) == 1


@virtual
async def test_what_other_code_sets_meanwhile_stays():
    """A cell may set a variable, or change the directory, while a run is in progress."""
    changed, go_on = asyncio.Event(), asyncio.Event()

    class Changes(AsyncNode):
        async def exec_async(self, _):
            os.environ["FM_KEPT"] = os.environ["FM_NEW"] = "node"
            os.chdir("a")
            changed.set()
            await go_on.wait()

    run = flowmagic.batchflow(Changes(), [{}])
    await changed.wait()
    os.environ["FM_KEPT"] = "cell"
    os.environ["FM_OTHER"] = "cell"
    os.chdir("../b")
    here = os.getcwd()
    go_on.set()
    await run
    assert os.environ["FM_KEPT"] == os.environ.pop("FM_OTHER") == "cell"
    assert "FM_NEW" not in os.environ
    assert os.getcwd() == here
    assert [each.what for each in run.audit() if "changed" in each.what] == [
        "The run changed os.environ (FM_NEW), which was put back when it ended."
    ]


def test_a_node_that_puts_things_back_itself_is_not_mentioned(tmp_path):
    """Nothing is left to undo."""

    class Careful(Node):
        def exec(self, _):
            with contextlib.ExitStack() as stack:
                stack.callback(os.chdir, os.getcwd())
                os.chdir("a")
                os.environ["FM_NEW"] = "new"
                del os.environ["FM_NEW"]

    run = flowmagic.run_batch(Careful(), [{}, {}], limit=1)
    assert run.ok
    assert run.audit() == []
    assert os.getcwd() == str(tmp_path)


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_runs_each_keeps_its_changes_until_it_ends(first):
    """Whichever ends first; then the value from before the one, or from before both."""
    runs = [Run(), Run()]
    runs[0].set("first")
    runs[1].set("second")
    runs[first].end()
    assert os.environ["FM_KEPT"] == ("second", "first")[first]
    runs[1 - first].end()
    assert os.environ["FM_KEPT"] == "before"
    undone = ["The run changed os.environ (FM_KEPT), which was put back when it ended."]
    assert [[text[: len(undone[0])] for text in run.said] for run in runs] == (
        [[], undone] if first == 0 else [undone, undone]
    )


def test_a_run_within_a_run_ends_first():
    """What the outer one has set is there again."""
    outer = Run()
    outer.set("outer")
    inner = Run()
    inner.set("inner")
    inner.end()
    assert os.environ["FM_KEPT"] == "outer"
    outer.end()
    inner.end()  # changes nothing
    assert os.environ["FM_KEPT"] == "before"


actions = st.lists(st.tuples(st.sampled_from(["cell", 0, 1, 2]), st.sampled_from("uvwx-")))


@given(actions, st.permutations([0, 1, 2]))
def test_after_the_last_run_the_value_is_that_of_the_latest_cell(steps, order):
    """Whatever runs and cells set or delete, and in whichever order the runs end."""
    os.environ["FM_KEPT"] = expected = "before"
    runs = [Run() for _ in range(3)]
    for number, (who, value) in enumerate(steps):
        if value == "-":
            change, after = (lambda: os.environ.pop("FM_KEPT", None)), None
        else:
            after = f"{value}{number}"
            change = lambda after=after: os.environ.__setitem__("FM_KEPT", after)
        if who == "cell":
            if value == "-" and "FM_KEPT" not in os.environ:
                continue
            change()
            expected = after
        else:
            runs[who].do(change)
    for number in order:
        runs[number].end()
    assert os.environ.get("FM_KEPT") == expected
    assert all(not run.state.unknown for run in runs)


def test_code_of_a_run_that_has_ended_changes_nothing_of_another_one():
    """A thread that hangs goes on after its run."""
    ended, other = Run(), Run()
    ended.end()
    ended.set("late")
    other.end()
    assert os.environ["FM_KEPT"] == "late"
    [text] = other.said
    assert text.startswith("During the run, os.environ (FM_KEPT) changed, and it was not put back.")
    os.environ["FM_KEPT"] = "before"


def test_what_threads_of_no_instance_change_stays_and_is_reported(tmp_path):
    """Nothing tells whether a node has started them. The line to go back is in the report."""
    run = Run()
    in_a_thread(os.chdir, "a")
    in_a_thread(os.environ.__setitem__, "FM_NEW", "thread")
    in_a_thread(os.environ.__setitem__, "FM_OTHER", "thread")
    os.environ["FM_OTHER"] = "cell"
    run.end()
    assert os.getcwd() == str(tmp_path / "a")
    assert os.environ.pop("FM_NEW") == "thread"
    del os.environ["FM_OTHER"]
    cwd, environ = run.said
    assert cwd.startswith("During the run, the working directory changed, and it was not put back.")
    assert cwd.endswith(f"To go back, run os.chdir({str(tmp_path)!r}).")
    assert environ == (
        "During the run, os.environ (FM_NEW) changed, and it was not put back. It was changed in a "
        "thread that belongs to no instance, or by code in C."
    )


def test_so_does_what_they_change_after_the_run_has():
    """The value of the run is not there any more."""
    run = Run()
    run.set("node")
    in_a_thread(os.environ.__setitem__, "FM_KEPT", "thread")
    run.end()
    assert os.environ["FM_KEPT"] == "thread"
    [text] = run.said
    assert text.startswith("During the run, os.environ (FM_KEPT) changed, and it was not put back.")


def test_cells_may_run_in_another_thread_than_the_main_one():
    """As those of marimo do. What they change stays, and is not mentioned."""

    def notebook():
        run = Run()
        os.environ["FM_KEPT"] = "cell"
        run.end()
        said.extend(run.said)

    said = []
    in_a_thread(notebook)
    assert os.environ["FM_KEPT"] == "cell"
    assert said == []


def test_a_change_of_directory_that_goes_unnoticed_is_reported(tmp_path):
    """By os.fchdir, or by C code: it may be that of a cell."""
    run = Run()
    folder = os.open("a", os.O_RDONLY)
    run.do(os.fchdir, folder)
    os.close(folder)
    run.end()
    assert os.getcwd() == str(tmp_path / "a")
    [text] = run.said
    assert f"To go back, run os.chdir({str(tmp_path)!r})." in text


GONE = "The run changed the working directory, and the one from before does not exist any more."


def test_a_directory_that_is_gone_is_not_put_back(tmp_path):
    """The run ends all the same, and says so."""
    os.chdir("a")
    run = Run()
    run.do(os.chdir, "../b")
    (tmp_path / "a").rmdir()
    run.end()
    assert os.getcwd() == str(tmp_path / "b")
    [text] = run.said
    assert text.startswith(GONE)


def test_a_run_may_begin_in_a_directory_that_was_deleted(tmp_path):
    """Then there is none to go back to."""
    os.chdir("a")
    (tmp_path / "a").rmdir()
    run = Run()
    run.do(os.chdir, tmp_path)
    run.end()
    assert os.getcwd() == str(tmp_path)
    [text] = run.said
    assert text.startswith(GONE)


def test_a_refused_change_is_refused_as_ever():
    """With the error of Python's own functions, and nothing to undo."""
    run = Run()
    with pytest.raises(FileNotFoundError):
        run.do(os.chdir, "nowhere")
    with pytest.raises(TypeError, match="str expected, not int"):
        run.do(os.environ.__setitem__, "FM_KEPT", 1)
    with pytest.raises(KeyError, match="FM_NEW"):
        run.do(os.environ.__delitem__, "FM_NEW")
    run.end()
    assert run.said == []


def test_many_variables_are_counted():
    """The report names the first ones."""
    run = Run()
    for number in range(7):
        run.do(os.environ.__setitem__, f"FM_{number}", "x")
    run.end()
    [text] = run.said
    assert text.startswith(
        "The run changed os.environ (FM_0, FM_1, FM_2, FM_3, FM_4 and 2 more), which"
    )


def test_what_others_have_put_in_their_place_stays(monkeypatch):
    """Another library may replace os.chdir or the class of os.environ, before a run or during it."""
    stock = os.chdir

    class Other(os._Environ):
        pass

    os.environ.__class__ = Other
    run = Run()
    assert type(os.environ) is Other
    run.end()
    assert type(os.environ) is Other
    os.environ.__class__ = os._Environ

    run = Run()
    os.chdir = around = lambda path: stock(path)
    run.end()
    assert os.chdir is around
    os.chdir = stock
