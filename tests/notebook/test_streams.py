"""What an instance prints goes to its own output, and all else where it always went."""

import contextlib
import contextvars
import copy
import functools
import inspect
import io
import logging
import sys

import pytest

from flowmagic.engines.redirects import owner
from flowmagic.notebook import streams as module
from flowmagic.notebook.streams import Stream
from flowmagic.records.printed import PrintedTexts, enter
from flowmagic.records.status import RUNNING

SAY = """
import asyncio, logging, sys, warnings
from pocketflow import AsyncFlow, AsyncNode, Flow, Node
class Say(AsyncNode):
    async def exec_async(self, _):
        n = self.params["n"]
        for step in range(3):
            print("step", step, "of", n)
            await asyncio.sleep(0.001 * n)
say = AsyncFlow(start=Say())
"""
STEPS = [f"step 0 of {n}\nstep 1 of {n}\nstep 2 of {n}\n" for n in range(5)]


# The replacement of a stream


class Bare:
    """A stream with what the streams of a kernel have, and what they lack."""

    encoding = "UTF-8"

    def __init__(self):
        self.texts = []
        self.flushed = 0

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"not {type(text)}")
        self.texts.append(text)
        return 77

    def flush(self):
        self.flushed += 1

    def isatty(self):
        return "of course"

    def fileno(self):
        return 42

    def set_parent(self, parent):
        self.parent = parent


class Inside:
    """An instance that runs, with a replaced stream to write to."""

    def __init__(self):
        self.bare = Bare()
        self.stream = Stream(self.bare)
        self.stream.active = True
        self.outputs = PrintedTexts(bytearray([RUNNING]))
        self._context = self.outputs.context(contextvars.copy_context())
        self._context.run(enter, 0)

    def run(self, function, *args):
        return self._context.run(function, *args)

    @property
    def text(self):
        return self.outputs.text(0, 0)


@pytest.fixture
def inside():
    return Inside()


def test_an_instance_writes_to_its_own_output_only(inside):
    """By `write`, by `writelines`, by print; `write` gives the length, as of any stream."""
    assert inside.run(inside.stream.write, "one\n") == 4
    inside.run(inside.stream.writelines, iter(["two\n", "three\n"]))
    inside.run(lambda: print("four", 4, file=inside.stream, flush=True))
    assert inside.text == "one\ntwo\nthree\nfour 4\n"
    assert (inside.bare.texts, inside.bare.flushed) == ([], 0)


def test_everybody_else_writes_to_the_stream_below(inside):
    """At once, in that order, with what it returns; and flushes it."""
    assert inside.stream.write("one") == 77
    inside.stream.writelines(["two", "three"])
    print("four", file=inside.stream, flush=True)
    assert inside.bare.texts == ["one", "two", "three", "four", "\n"]
    assert inside.bare.flushed == 1
    assert inside.text == ""


def test_what_is_no_text_is_refused_as_ever(inside):
    """By the stream below, whoever writes."""
    for write in (inside.stream.write, lambda data: inside.run(inside.stream.write, data)):
        with pytest.raises(TypeError, match="not <class 'bytes'>"):
            write(b"bytes")


def test_it_is_otherwise_as_the_stream_below(inside):
    """isatty, fileno, encoding, what only a kernel's stream has; and it lacks what that lacks."""
    stream = inside.stream
    assert (stream.isatty(), stream.fileno(), stream.encoding) == ("of course", 42, "UTF-8")
    stream.set_parent("cell")
    assert inside.bare.parent == "cell"
    assert not hasattr(stream, "buffer")
    text = io.TextIOWrapper(io.BytesIO())
    assert Stream(text).buffer is text.buffer
    stream.flush_interval = 1.5
    assert inside.bare.flush_interval == 1.5
    assert repr(stream).startswith("<flowmagic's replacement of <")


def test_a_write_that_somebody_patches_in_calls_the_one_before(inside):
    """IPython patches it on whatever stands at sys.stdout, for the duration of a cell."""
    seen = []
    for stream in (inside.stream, inside.bare):
        original = stream.write

        def write(text, original=original):
            seen.append(text)
            return original(text)

        stream.write = write
        inside.stream.write("text")
        stream.write = original
        inside.stream.write("text")
        assert seen.pop() == "text"
        assert not seen
    assert inside.bare.texts == ["text"] * 4


def test_when_it_only_passes_on_it_flushes_for_everybody(inside):
    """What an instance wrote may then be in the stream below."""
    inside.stream.active = False
    inside.run(lambda: print("text", file=inside.stream, flush=True))
    assert (inside.bare.texts, inside.bare.flushed) == (["text", "\n"], 1)


def test_a_copy_of_it_can_be_made(inside):
    """Without looking for its stream endlessly."""
    assert copy.copy(inside.stream).below is inside.bare


# In and out


def with_streams(test):
    """Give a test streams of its own, `streams`, which stand at sys.stdout and sys.stderr.

    No fixture: pytest changes them between a test's setup and its call.
    """
    parameters = [
        each for name, each in inspect.signature(test).parameters.items() if name != "streams"
    ]

    @functools.wraps(test)
    def run(**fixtures):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                test(streams=(out, err), **fixtures)
            finally:
                module.uninstall()

    run.__signature__ = inspect.Signature(parameters)
    return run


def in_place():
    return isinstance(sys.stdout, Stream), isinstance(sys.stderr, Stream)


@with_streams
def test_uninstalled_the_very_streams_are_back(streams):
    """However often it was installed."""
    module.install()
    first = sys.stdout
    module.install()
    assert sys.stdout is first
    assert (sys.stdout.below, sys.stderr.below) == streams
    module.uninstall()
    assert (sys.stdout, sys.stderr) == streams
    module.uninstall()
    assert (sys.stdout, sys.stderr) == streams


@with_streams
def test_who_holds_a_stand_in_goes_on_with_the_same_one_after_a_reload(streams, inside):
    """A library that took sys.stdout while it stood there: passed on, then routed again."""
    module.install()
    held = sys.stdout
    module.uninstall()
    inside.run(held.write, "passed on")
    assert streams[0].getvalue() == "passed on"
    module.install()
    assert sys.stdout is held
    inside.run(held.write, "routed")
    assert inside.text == "routed"


@with_streams
def test_a_stand_in_that_somebody_has_wrapped_stays_and_passes_on(streams, inside):
    """Taking it out would take the wrapper out with it."""

    class Wrapper:
        def __init__(self, around):
            self.around = around

        def write(self, text):
            return self.around.write(text.upper())

    module.install()
    sys.stdout = wrapper = Wrapper(sys.stdout)
    inside.run(sys.stdout.write, "kept\n")
    module.uninstall()
    assert sys.stdout is wrapper
    assert sys.stderr is streams[1]
    inside.run(sys.stdout.write, "passed on\n")
    assert streams[0].getvalue() == "PASSED ON\n"
    module.install()
    inside.run(sys.stdout.write, "kept again\n")
    module.uninstall()
    assert sys.stdout is wrapper
    assert inside.text == "KEPT\nkept again\n"


@with_streams
def test_who_took_the_bare_stream_before_still_writes_to_it(streams, inside):
    """As `print(..., file=stream)` of a library that was imported earlier."""
    module.install()
    inside.run(lambda: print("text", file=streams[0]))
    assert streams[0].getvalue() == "text\n"


@with_streams
def test_it_comes_back_where_another_has_put_the_old_stream_back(streams):
    """A `%%capture` over the %load_ext does; the next captured run sees to it."""
    sys.stdout = io.StringIO()
    module.install()
    sys.stdout = streams[0]
    assert in_place() == (False, True)
    module.ensure_installed()
    assert in_place() == (True, True)
    assert sys.stdout.below is streams[0]
    module.uninstall()
    assert (sys.stdout, sys.stderr) == streams


@with_streams
def test_put_back_by_another_after_the_unload_it_passes_on_and_can_be_used_again(streams, inside):
    """A `%%capture` over the %unload_ext."""
    module.install()
    ours = sys.stdout
    sys.stdout = io.StringIO()
    module.uninstall()
    sys.stdout = ours
    inside.run(sys.stdout.write, "passed on")
    assert streams[0].getvalue() == "passed on"
    module.ensure_installed()  # a run of an old panel
    assert not ours.active
    module.install()
    assert sys.stdout is ours
    assert ours.active


@with_streams
def test_where_there_is_no_stream_none_is_made(streams):
    """Python without a console has None there."""
    sys.stdout = None
    module.install()
    assert sys.stdout is None
    assert in_place() == (False, True)
    module.uninstall()
    assert sys.stdout is None


# Log records


@pytest.fixture
def logger():
    made = logging.getLogger("tests.notebook.output")
    made.propagate = False
    logging.getLogger("tests.notebook.output.of.nobody")  # leaves place holders in between
    yield made
    made.handlers.clear()
    made.propagate = True


@with_streams
def test_log_records_of_an_instance_end_in_its_output_once(streams, logger, inside):
    """Whether the handler was made before or after; in the handler's own format."""
    logger.addHandler(before := logging.StreamHandler(streams[1]))
    before.setFormatter(logging.Formatter("before: %(message)s"))
    module.install()
    logger.addHandler(after := logging.StreamHandler())
    after.setFormatter(logging.Formatter("after: %(message)s"))
    inside.run(logger.error, "no %s", "luck")
    assert inside.text == "before: no luck\nafter: no luck\n"
    assert streams[1].getvalue() == ""
    logger.error("of the notebook")
    assert streams[1].getvalue() == "before: of the notebook\nafter: of the notebook\n"


@with_streams
def test_handlers_get_their_streams_back(streams, logger):
    """And those that were made in between write to the bare one, too."""
    logger.addHandler(before := logging.StreamHandler(streams[1]))
    module.install()
    logger.addHandler(after := logging.StreamHandler(sys.stdout))
    assert before.stream is sys.stderr
    module.uninstall()
    assert (before.stream, after.stream) == (streams[1], streams[0])


@with_streams
def test_handlers_that_write_elsewhere_are_not_touched(streams, logger, inside, tmp_path):
    """Files, streams of the user's own: they get the records of all, as ever."""
    logger.addHandler(own := logging.StreamHandler(io.StringIO()))
    logger.addHandler(file := logging.FileHandler(tmp_path / "log"))
    written = file.stream
    module.install()
    inside.run(logger.error, "text")
    assert own.stream.getvalue() == "text\n"
    assert file.stream is written
    file.close()
    assert (tmp_path / "log").read_text() == "text\n"
    assert inside.text == ""


@with_streams
def test_root_has_no_handler_more(streams):
    """One would make `logging.basicConfig` do nothing, and silence warnings without a handler."""
    before = list(logging.root.handlers)
    module.install()
    assert logging.root.handlers == before


# In a shell


def test_without_a_kernel_the_streams_stay_as_they_are(shell):
    """At a terminal there is no panel: instances print there, as they always did."""
    shell.run("%reload_ext flowmagic")
    assert in_place() == (False, False)
    shell.run(SAY)
    result = shell.run("%%batchflow say -o run\n[{'n': 0}]")
    assert result.text.startswith(STEPS[0])
    assert shell["run"].options.capture is False
    assert shell["run"][0].printed == ""


def test_clear_output_in_an_instance_clears_nothing():
    """The outputs of the cell are the panel and the summary; in the cell itself it clears them."""

    class Publisher:
        cleared = 0

        def clear_output(self, wait=False):
            self.cleared += 1

    publisher = Publisher()
    module.keep_outputs(publisher)
    module.keep_outputs(publisher)  # as by %reload_ext
    publisher.clear_output(wait=True)
    assert publisher.cleared == 1
    contextvars.copy_context().run(lambda: (owner.set(object()), publisher.clear_output()))
    assert publisher.cleared == 1
    module.release_outputs(publisher)
    assert "clear_output" not in vars(publisher)
