"""What a node redirects, it redirects for itself; everybody else prints where they always did."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import io
import logging
import pickle
import sys
import threading
from types import ModuleType

import pytest
from pocketflow import AsyncBatchFlow, AsyncNode, Node

import flowmagic
from flowmagic.engines import redirects

from ..virtualtime import virtual

NAMES = ("stdin", "stdout", "stderr")


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    """Every test begins and ends with `sys` as it is without runs, whatever hangs in another test."""
    monkeypatch.setattr(redirects, "_installations", set())
    if type(sys) is redirects._Sys:
        sys.__class__ = ModuleType
    yield
    assert type(sys) is ModuleType
    assert not any(isinstance(vars(sys)[name], redirects._Dispatcher) for name in NAMES)


def two_rows():
    return [{"n": 0}, {"n": 1}]


class Redirects(Node):
    """Prints in a redirect, in turns with the node of another row in another thread."""

    def __init__(self, redirect=contextlib.redirect_stdout):
        super().__init__()
        self.redirect = redirect
        self.turn = threading.Barrier(2, timeout=20)

    def exec(self, _):
        n = self.params["n"]
        self.turn.wait()
        with self.redirect(io.StringIO()) as text:
            for step in "abc":
                self.turn.wait()
                print(
                    step,
                    n,
                    file=sys.stderr if self.redirect.__name__ == "redirect_stderr" else None,
                )
            if n:
                self.turn.wait()  # the first one to enter is not always the last one to leave
        if not n:
            self.turn.wait()
        return text.getvalue()


@pytest.mark.parametrize("redirect", [contextlib.redirect_stdout, contextlib.redirect_stderr])
def test_nodes_in_threads_capture_their_own_prints(redirect, capsys):
    """No text crosses, none is lost, and afterwards the notebook prints where it did."""
    streams = sys.stdout, sys.stderr
    run = flowmagic.run_batch(Redirects(redirect), two_rows())
    assert run.outputs == ["a 0\nb 0\nc 0\n", "a 1\nb 1\nc 1\n"]
    assert (sys.stdout, sys.stderr) == streams
    print("seen")
    assert capsys.readouterr() == ("seen\n", "")


class Awaits(AsyncNode):
    async def exec_async(self, _):
        n = self.params["n"]
        print("before", n)
        with contextlib.redirect_stdout(io.StringIO()) as text:
            for step in "abc":
                print(step, n)
                await asyncio.sleep(1 + n / 10)
            await asyncio.create_task(self.speak("task"))
            await asyncio.to_thread(print, "thread", n)
        print("after", n)
        return text.getvalue()

    async def speak(self, text):
        print(text, self.params["n"])


@virtual
async def test_async_nodes_capture_their_own_prints_across_awaits():
    """And those of the tasks and threads that they start."""
    with contextlib.redirect_stdout(io.StringIO()) as outside:
        run = flowmagic.batchflow(Awaits(), two_rows())
        await asyncio.sleep(0.5)
        print("the notebook")
        await run
    expected = "a {0}\nb {0}\nc {0}\ntask {0}\nthread {0}\n"
    assert run.outputs == [expected.format(n) for n in range(2)]
    assert sorted(outside.getvalue().splitlines()) == [
        "after 0", "after 1", "before 0", "before 1", "the notebook",
    ]  # fmt: skip


def test_a_stream_that_a_node_never_puts_back_is_its_own_loss(capsys):
    """It applies to the rest of its instance, and to nothing else."""
    kept = [io.StringIO(), io.StringIO()]

    class Forgets(Node):
        def exec(self, _):
            sys.stdout = kept[self.params["n"]]
            print("exec", self.params["n"])

        def post(self, shared, prep_res, exec_res):
            sys.stdout.write(f"post {self.params['n']}\n")

    before = sys.stdout
    assert flowmagic.run_batch(Forgets(), two_rows(), limit=1).ok
    assert [each.getvalue() for each in kept] == ["exec 0\npost 0\n", "exec 1\npost 1\n"]
    assert sys.stdout is before
    assert capsys.readouterr().out == ""


def in_a_node(function):
    """Return what a function returns when it is called in a node."""

    class Calls(AsyncNode):
        async def exec_async(self, _):
            return function()

    run = flowmagic.run_batch(Calls(), [{}])
    run.raise_for_failures()
    return run.outputs[0]


def test_redirects_nest():
    """Each ends at the one around it, in C code such as print and in Python."""

    def nested():
        texts = [io.StringIO() for _ in range(3)]
        seen = []
        with contextlib.redirect_stdout(texts[0]):
            for text in texts[1:]:
                with contextlib.redirect_stdout(text):
                    print("inner")
                    seen.append(sys.stdout is text)
                seen.append(sys.stdout is texts[0])
                print("outer")
            sys.stdout, former = texts[1], sys.stdout
            print("by hand")
            sys.stdout = former
            print("outer")
        return [each.getvalue() for each in texts], seen

    expected = ["outer\nouter\nouter\n", "inner\nby hand\n", "inner\n"]
    assert in_a_node(nested) == (expected, [True] * 4)


def test_a_node_reads_its_own_stdin():
    """As code does that runs a program of which the input is a text."""

    def asks():
        sys.stdin, former = io.StringIO("one\ntwo\n"), sys.stdin
        try:
            return input(), sys.stdin.readline()
        finally:
            sys.stdin = former

    assert in_a_node(asks) == ("one", "two\n")


def test_none_silences_a_node(capsys):
    """As it silences print in a process without streams."""

    def silent():
        sys.stdout = None
        print("nothing", flush=True)
        return sys.stdout

    assert in_a_node(silent) is None
    print("seen")
    assert capsys.readouterr().out == "seen\n"


def test_what_print_needs_besides_write_is_that_of_the_stream():
    """Whatever is in its place in the dict of sys, where C code looks."""

    def properties():
        sys.stdout = stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
        print("text", flush=True)
        in_dict = vars(sys)["stdout"]
        return stream.buffer.getvalue(), in_dict is stream, in_dict.encoding

    assert in_a_node(properties) == (b"text\n", False, "latin-1")


def test_a_stream_read_from_the_dict_of_sys_can_be_put_back():
    """It does not become its own target."""

    def puts_back():
        sys.stdout = io.StringIO()
        sys.stdout = vars(sys)["stdout"]
        return sys.stdout

    assert in_a_node(puts_back) is sys.stdout


def test_nothing_is_in_the_way_of_prints_if_no_node_redirects():
    """The stream itself stays where print finds it."""
    assert in_a_node(lambda: vars(sys)["stdout"]) is sys.stdout


@virtual
async def test_a_redirect_of_other_code_applies_to_the_process_as_ever():
    """One around the run, one in a cell meanwhile, and what a cell assigns for good."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Says(AsyncNode):
        async def exec_async(self, _):
            with contextlib.redirect_stdout(io.StringIO()) as own:
                print("own")
                entered.set()
                await go_on.wait()
                print("own")
            print("node")
            return own.getvalue()

    outer, cell, kept = io.StringIO(), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(outer):
        run = flowmagic.batchflow(Says(), [{}])
        await entered.wait()
        print("around")
        with contextlib.redirect_stdout(cell):
            print("cell")
        sys.stdout = kept
        go_on.set()
        await run
        assert sys.stdout is kept
        print("cell")
    assert run.outputs == ["own\nown\n"]
    assert outer.getvalue() == "around\n"
    assert cell.getvalue() == "cell\n"
    assert kept.getvalue() == "node\ncell\n"


@virtual
async def test_a_node_that_assigns_the_stream_of_the_process_follows_it():
    """Also one that a cell has put there since the node redirected its own."""
    reached, go_on = asyncio.Queue(), asyncio.Queue()
    outer, cell = io.StringIO(), io.StringIO()

    class Follows(AsyncNode):
        async def exec_async(self, _):
            sys.stdout = io.StringIO()
            reached.put_nowait(None)
            await go_on.get()
            sys.stdout = cell
            print("one")
            reached.put_nowait(None)
            await go_on.get()
            print("two")

    with contextlib.redirect_stdout(outer):
        run = flowmagic.batchflow(Follows(), [{}])
        await reached.get()
        with contextlib.redirect_stdout(cell):
            go_on.put_nowait(None)
            await reached.get()
        go_on.put_nowait(None)
        await run
    assert (cell.getvalue(), outer.getvalue()) == ("one\n", "two\n")


@virtual
async def test_a_run_that_ends_leaves_the_redirects_of_another_one():
    """Until the last has ended."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Long(AsyncNode):
        async def exec_async(self, _):
            with contextlib.redirect_stdout(io.StringIO()) as text:
                entered.set()
                await go_on.wait()
                print("long")
            return text.getvalue()

    before = sys.stdout
    long = flowmagic.batchflow(Long(), [{}])
    await entered.wait()
    await flowmagic.batchflow(Awaits(), two_rows())
    assert sys.stdout is before
    go_on.set()
    assert (await long).outputs == ["long\n"]


@virtual
async def test_a_redirect_in_a_node_applies_to_the_run_that_it_starts():
    """And ends with its block."""

    class Starts(AsyncNode):
        async def exec_async(self, _):
            with contextlib.redirect_stdout(io.StringIO()) as text:
                await flowmagic.batchflow(Says(), two_rows())
                print("outer")
            return text.getvalue()

    class Says(AsyncNode):
        async def exec_async(self, _):
            print("inner")

    run = await flowmagic.batchflow(Starts(), [{}])
    assert run.outputs == ["inner\ninner\nouter\n"]


@virtual
async def test_the_flows_own_prep_and_post_redirect_for_themselves():
    """They are code of the run, too. What prep leaves redirected ends with the run, if that continues."""
    kept = io.StringIO()

    class Own(AsyncBatchFlow):
        async def prep_async(self, shared):
            print("prep")
            sys.stdout = kept
            return two_rows()

        async def post_async(self, shared, prep_res, exec_res):
            print("post")

    class Fails(AsyncNode):
        async def exec_async(self, _):
            raise ValueError

    with contextlib.redirect_stdout(io.StringIO()) as outside:
        run = await flowmagic.batchflow(Own(start=Fails()))
        assert sys.stdout is outside
        await run.retry_failed()
    assert (outside.getvalue(), kept.getvalue()) == ("prep\npost\n", "post\n")


@pytest.mark.parametrize("leaves", [True, False])
def test_a_thread_that_outlives_its_run_within_a_redirect_prints_into_it(leaves, capsys):
    """When it has left, `sys` is as before; so it is when the thread ends without leaving."""
    go_on, left, text = threading.Event(), threading.Event(), io.StringIO()

    class Hangs(Node):
        def exec(self, _):
            before, sys.stdout = sys.stdout, text
            go_on.wait(20)
            print("still here")
            if leaves:
                sys.stdout = before
            left.set()

    run = flowmagic.run_batch(Hangs(), [{}], timeout=0.05)
    assert isinstance(run.results[0], TimeoutError)
    print("seen")
    assert type(sys) is not ModuleType
    go_on.set()
    assert left.wait(20)
    for thread in threading.enumerate():
        if thread.name.startswith("flowmagic"):
            thread.join(20)
    assert text.getvalue() == "still here\n"
    assert type(sys) is ModuleType
    assert capsys.readouterr().out == "seen\n"


def test_threads_without_the_context_of_an_instance_redirect_the_process():
    """As in Python without flowmagic: nothing tells to whom they belong."""
    text = io.StringIO()

    class Spawns(AsyncNode):
        async def exec_async(self, _):
            empty = contextvars.Context()
            thread = threading.Thread(target=empty.run, args=(setattr, sys, "stdout", text))
            thread.start()
            thread.join()
            print("process")

    before = sys.stdout
    try:
        assert flowmagic.run_batch(Spawns(), [{}]).ok
        assert sys.stdout is text
    finally:
        sys.stdout = before
    assert text.getvalue() == "process\n"


def test_log_handlers_that_a_node_makes_write_to_its_stream():
    """They take the stream that they read, not something that is gone after the run."""

    def makes():
        sys.stderr = io.StringIO()
        return logging.StreamHandler().stream is sys.stderr

    assert in_a_node(makes)


def test_sys_can_be_pickled_meanwhile():
    """By cloudpickle, as a global of a function that goes to a worker."""
    cloudpickle = pytest.importorskip("cloudpickle")

    def pickles():
        made = pickle.loads(cloudpickle.dumps(functools.partial(lambda: sys.path)))
        return made() is sys.path, pickle.loads(cloudpickle.dumps(sys)) is sys

    assert in_a_node(pickles) == (True, True)


def test_a_process_without_streams_has_none_in_its_nodes_either(monkeypatch):
    """As Python under pythonw; a node may redirect all the same."""
    monkeypatch.setattr(sys, "stdout", None)

    def redirected():
        print("nothing")
        with contextlib.redirect_stdout(io.StringIO()) as text:
            print("text")
        return text.getvalue(), sys.stdout

    assert in_a_node(redirected) == ("text\n", None)
    assert sys.stdout is None


def test_a_class_of_sys_that_somebody_else_has_set_stays():
    """Then redirects apply to the process, as ever."""

    class Other(ModuleType):
        pass

    sys.__class__ = Other
    try:
        assert in_a_node(lambda: type(sys)) is Other
        assert type(sys) is Other
    finally:
        sys.__class__ = ModuleType
