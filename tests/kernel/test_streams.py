"""What an instance prints goes to its own output, in a real kernel."""

from __future__ import annotations

from ..notebook.test_streams import SAY, STEPS

OUTPUTS = "[each.printed for each in run.instances]"
FIVE = "\n[{'n': n} for n in range(5)]"


def test_instances_that_run_at_once_are_kept_apart(kernel):
    """And out of the cell."""
    kernel.run(SAY)
    answer = kernel.run("%%batchflow say --wait -o run" + FIVE)
    assert (answer.status, answer.stdout) == ("ok", "")
    assert kernel.value(OUTPUTS) == STEPS


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


def test_where_a_program_executes_the_notebook_prints_stay_in_the_cell(kernel):
    """Nobody could open an instance there, and a saved notebook would lose them."""
    kernel.run(SAY)
    answer = kernel.run("%%batchflow say -o run\n[{'n': 0}]", live=False)
    assert answer.stdout == STEPS[0]


def test_a_run_without_a_panel_prints_into_the_cell(kernel):
    """`flowmagic.batchflow` in a cell has none."""
    kernel.run(SAY)
    assert (
        kernel.run("import flowmagic\nawait flowmagic.batchflow(say, [{'n': 0}]);").stdout
        == STEPS[0]
    )


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


def test_a_node_that_redirects_its_prints_captures_its_own_and_the_notebook_goes_on_printing(
    kernel,
):
    """As in PocketFlow's example of a code generator, which runs programs and reads what they print."""
    kernel.run(
        "import io, sys, threading\n"
        "from contextlib import redirect_stderr, redirect_stdout\n"
        "from pocketflow import Flow, Node\n"
        "turn = threading.Barrier(2, timeout=20)\n"
        "class RunCode(Node):\n"
        "    def exec(self, _):\n"
        "        out, n = io.StringIO(), self.params['n']\n"
        "        turn.wait()\n"
        "        with redirect_stdout(out), redirect_stderr(out):\n"
        "            for step in range(3):\n"
        "                turn.wait()\n"
        "                exec(f'print({step}, \"of\", {n})', {})\n"
        "            if n: turn.wait()\n"
        "        if not n: turn.wait()\n"
        "        print(f'ran {n}\\n', end='')\n"
        "        return out.getvalue()\n"
        "code = Flow(start=RunCode())\n"
    )
    before = kernel.value("id(sys.stdout), id(sys.stderr)")
    for capture, printed in (("", ["ran 0\n", "ran 1\n"]), ("--no-capture", ["", ""])):
        answer = kernel.run(f"%%batchflow code {capture} --wait -o run\n[{{'n': 0}}, {{'n': 1}}]")
        assert answer.status == "ok"
        assert sorted(answer.stdout.splitlines(keepends=True)) == (
            ["ran 0\n", "ran 1\n"] if capture else []
        )
        assert kernel.value("run.outputs") == [f"0 of {n}\n1 of {n}\n2 of {n}\n" for n in (0, 1)]
        assert kernel.value(OUTPUTS) == printed
        assert kernel.run("print('seen')").stdout == "seen\n"
        assert kernel.value("id(sys.stdout), id(sys.stderr)") == before
