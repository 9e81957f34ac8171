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
OUTPUTS = "[each.printed for each in run.instances]"
FIVE = "\n[{'n': n} for n in range(5)]"


# The stand-in


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
    """An instance that runs, with a stand-in to write to."""

    def __init__(self):
        self.bare = Bare()
        self.stream = Stream(self.bare)
        self.stream.topology = True
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
    assert repr(stream).startswith("<flowmagic's stand-in for <")


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
    inside.stream.topology = False
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
    module.stand_in()
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
    module.stand_in()  # a run of an old panel
    assert not ours.topology
    module.install()
    assert sys.stdout is ours
    assert ours.topology


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


@pytest.mark.kernel
def test_instances_that_run_at_once_are_kept_apart(kernel):
    """And out of the cell."""
    kernel.run(SAY)
    answer = kernel.run("%%batchflow say --wait -o run" + FIVE)
    assert (answer.status, answer.stdout) == ("ok", "")
    assert kernel.value(OUTPUTS) == STEPS


@pytest.mark.kernel
def test_the_notebooks_own_prints_are_untouched(kernel):
    """Of cells before, during and after a run, in their order, with those of its prep and post."""
    kernel.run(
        SAY + "from pocketflow import AsyncBatchFlow\n"
        "class Own(AsyncBatchFlow):\n"
        "    async def prep_async(self, shared):\n"
        "        print('prep')\n"
        "        return [{'n': n} for n in range(5)]\n"
        "    async def post_async(self, shared, prep_res, exec_res):\n"
        "        print('post')\n"
        "own = Own(start=Say())\n"
    )
    assert kernel.run("%%batchflow own --wait -o run\n#").stdout == "prep\npost\n"
    kernel.run("%%batchflow say -o run\nprint('body')" + FIVE)
    during = (
        "print('one', flush=True); sys.stderr.write('two\\n'); sys.stderr.flush()\n"
        "task = asyncio.create_task(asyncio.to_thread(print, 'three'))\n"
        "await task\nawait run\nprint('four')"
    )
    assert kernel.run(during).stdout == "one\ntwo\nthree\nfour\n"
    assert kernel.value(OUTPUTS) == STEPS


@pytest.mark.kernel
def test_prints_land_in_the_cell_if_so_asked_or_set(kernel):
    """By --no-capture, by %config."""
    kernel.run(SAY)
    ask = "%%batchflow say --wait --limit 1 -o run {}\n[{{'n': 0}}, {{'n': 1}}]"
    assert kernel.run(ask.format("--no-capture")).stdout == STEPS[0] + STEPS[1]
    kernel.run("%config BatchFlowMagics.capture = False")
    assert kernel.run(ask.format("")).stdout == STEPS[0] + STEPS[1]
    assert kernel.value(OUTPUTS) == ["", ""]
    kernel.run("%config BatchFlowMagics.capture = True")
    assert kernel.run(ask.format("")).stdout == ""


@pytest.mark.kernel
def test_where_a_program_executes_the_notebook_prints_stay_in_the_cell(kernel):
    """Nobody could open an instance there, and a saved notebook would lose them."""
    kernel.run(SAY)
    answer = kernel.run("%%batchflow say -o run\n[{'n': 0}]", live=False)
    assert answer.stdout == STEPS[0]


@pytest.mark.kernel
def test_a_run_without_a_panel_prints_into_the_cell(kernel):
    """`flowmagic.batchflow` in a cell has none."""
    kernel.run(SAY)
    assert (
        kernel.run("import flowmagic\nawait flowmagic.batchflow(say, [{'n': 0}]);").stdout
        == STEPS[0]
    )


@pytest.mark.kernel
def test_all_that_goes_by_the_standard_streams_is_kept(kernel):
    """stderr, warnings, log records without a handler; of sync nodes, tasks, `asyncio.to_thread`."""
    kernel.run(
        SAY + "class Loud(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        print('error', file=sys.stderr)\n"
        "        warnings.warn('careful', stacklevel=1)\n"
        "        logging.getLogger('loud').warning('logged')\n"
        "        await asyncio.create_task(asyncio.to_thread(print, 'thread'))\n"
        "        loop = asyncio.get_running_loop()\n"
        "        with ThreadPoolExecutor(1) as own:\n"  # older kernels print where a thread began
        "            await loop.run_in_executor(own, print, 'executor')\n"
        "class Sync(Node):\n"
        "    def exec(self, _):\n"
        "        print('sync', flush=True)\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "loud = Loud()\n"
        "loud >> Sync()\n"
        "loud = AsyncFlow(start=loud)\n"
    )
    answer = kernel.run("%%batchflow loud --wait -o run\n[{'n': 0}]")
    assert answer.stdout == "executor\n"  # it has no context, and so is nobody's
    [text] = kernel.value(OUTPUTS)
    lines = text.splitlines()
    assert lines[0] == "error"
    assert lines[1].endswith("UserWarning: careful")
    assert lines[-3:] == ["logged", "thread", "sync"]


@pytest.mark.kernel
def test_logging_of_the_notebook_is_untouched(kernel):
    """`basicConfig` works while the extension is loaded, and no record is doubled or lost."""
    kernel.run(
        SAY + "class Log(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        logging.getLogger('node').info('of %s', self.params['n'])\n"
        "log = AsyncFlow(start=Log())\n"
    )
    assert kernel.run("logging.warning('bare')").stdout.endswith("bare\n")
    kernel.run("logging.root.handlers.clear()")
    kernel.run("logging.basicConfig(level=logging.INFO, format='<%(message)s>')")
    ask = "%%batchflow log --wait -o run\nlogging.info('body')\n[{'n': 0}, {'n': 1}]"
    for load in ("", "%unload_ext flowmagic\n%load_ext flowmagic"):
        kernel.run(load)
        assert kernel.run(ask).stdout == "<body>\n"
        assert kernel.value(OUTPUTS) == ["<of 0>\n", "<of 1>\n"]
    kernel.run("logging.root.handlers.clear(); logging.root.setLevel(logging.WARNING)")


@pytest.mark.kernel
def test_unloaded_the_kernels_own_streams_are_back(kernel):
    """The very objects, whatever IPython did to them in the cells between; and they work."""
    kernel.run("import sys")
    kinds = "type(sys.stdout).__name__, type(sys.stderr).__name__"
    assert kernel.value(kinds) == ("Stream", "Stream")
    kernel.run("bare = sys.stdout.below, sys.stderr.below")
    assert kernel.run("%load_ext flowmagic\n%reload_ext flowmagic").status == "ok"
    assert kernel.value("sys.stdout.below is bare[0], sys.stderr.below is bare[1]") == (True, True)
    assert kernel.run("%unload_ext flowmagic\nprint('text')").stdout == "text\n"
    assert kernel.value("sys.stdout is bare[0], sys.stderr is bare[1]") == (True, True)
    assert kernel.run("%%capture\n%load_ext flowmagic").status == "ok"
    kernel.run(SAY)
    assert kernel.run("%%batchflow say --wait -o run\n[{'n': 0}]").stdout == ""
    assert kernel.value(OUTPUTS) == STEPS[:1]
    assert kernel.value("sys.stdout.below is bare[0]")
    assert kernel.run("print('no recursion')").stdout == "no recursion\n"


@pytest.mark.kernel
def test_the_streams_do_for_libraries_what_they_did(kernel):
    """They answer as the kernel's own do, and fail as these do."""
    kernel.run(
        "import sys\n"
        "def outcome(stream, name):\n"
        "    try:\n"
        "        value = getattr(stream, name)\n"
        "        return value() if callable(value) else value\n"
        "    except Exception as error:\n"
        "        return repr(error)\n"
    )
    names = "isatty", "fileno", "encoding", "errors", "closed", "name", "writable", "buffer", "mode"
    ask = f"[outcome(sys.stdout{{}}, name) for name in {names}]"
    assert kernel.value(ask.format("")) == kernel.value(ask.format(".below"))
    assert kernel.run("sys.stdout.writelines(['one\\n', 'two\\n'])").stdout == "one\ntwo\n"


@pytest.mark.kernel
def test_a_run_that_goes_on_after_the_unload_prints_into_the_cell(kernel):
    """It is the user's; what it had printed before is still there."""
    kernel.run(
        SAY + "gate = asyncio.Event()\n"
        "class Hold(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        print('before')\n"
        "        await gate.wait()\n"
        "        print('after')\n"
        "hold = AsyncFlow(start=Hold())\n"
    )
    message = kernel.send("%%batchflow hold -o run\n[{'n': 0}]")
    kernel.finish(message)
    kernel.until("run[0].printed == 'before\\n'")
    kernel.run("%unload_ext flowmagic")
    kernel.send("gate.set()")
    kernel.hear(message, "after")
    assert kernel.value(OUTPUTS) == ["before\n"]
    kernel.run("%load_ext flowmagic")
