"""Waiting or not, and interrupting, in real kernels and at a real terminal."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbclient import NotebookClient

from flowmagic.notebook.shell import must_wait, name_of

from .conftest import FLOW, Kernel

GATE = """
import asyncio
from pocketflow import AsyncFlow, AsyncNode
gate = asyncio.Event()
live = peak = 0
class Hold(AsyncNode):
    async def exec_async(self, _):
        global live, peak
        live += 1
        peak = max(peak, live)
        print("holding", flush=True)
        try:
            await gate.wait()
        finally:
            live -= 1
hold = AsyncFlow(start=Hold())
"""


class _Shell:
    def __init__(self, allow_stdin=None):
        if allow_stdin is not None:
            content = {"allow_stdin": allow_stdin}
            self.kernel = type("K", (), {"get_parent": lambda *_: {"content": content}})()


@pytest.mark.parametrize(
    ("words", "shell", "waits"),
    [
        ((None, "auto", None), _Shell(), True),
        ((None, "auto", None), _Shell(allow_stdin=False), True),
        ((None, "auto", None), _Shell(allow_stdin=True), False),
        ((None, "auto", "always"), _Shell(allow_stdin=True), True),
        ((None, "auto", "never"), _Shell(allow_stdin=False), False),
        ((None, "never", "always"), _Shell(), False),
        ((None, "always", "never"), _Shell(allow_stdin=True), True),
        ((True, "never", "never"), _Shell(allow_stdin=True), True),
        ((False, "always", "always"), _Shell(), False),
    ],
)
def test_the_option_beats_the_setting_beats_the_environment_beats_the_guess(
    words, shell, waits, monkeypatch
):
    """Whether a cell waits is decided by the nearest word."""
    asked, configured, environment = words
    monkeypatch.delenv("FLOWMAGIC_WAIT", raising=False)
    if environment:
        monkeypatch.setenv("FLOWMAGIC_WAIT", environment)
    assert must_wait(shell, asked=asked, configured=configured) is waits


@pytest.mark.kernel
def test_in_a_live_notebook_the_cell_returns_at_once(kernel):
    """The run is bound, goes on in the kernel's own loop, and `await run` is the barrier."""
    kernel.run(GATE)
    answer = kernel.run("%%batchflow hold --limit 3 -o run\n[{'n': n} for n in range(5)]")
    assert answer.status == "ok", answer.error
    assert not kernel.value("run.ended")
    kernel.until("live == 3")
    kernel.run("run.limit = 4")
    kernel.until("live == 4")
    assert kernel.value("run._loop is get_ipython().kernel.io_loop.asyncio_loop")
    answer = kernel.run("gate.set()\nawait run\nprint(run.ok, peak)")
    assert "True 4" in answer.stdout


@pytest.mark.kernel
def test_wait_waits_and_gives_the_partial_results_on_interrupt(kernel):
    """The notebook's stop button: the batch ends soon, with what it has, and the cell fails."""
    kernel.run(GATE)
    message = kernel.send(
        "%%batchflow hold --limit 2 -o run --wait --no-capture\n[{'n': n} for n in range(5)]"
    )
    kernel.hear(message, "holding")
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    answer = kernel.finish(message)
    took = time.monotonic() - began
    assert answer.status == "error"
    assert answer.error["ename"] == "KeyboardInterrupt"
    assert kernel.value("str(run.status), run.counts.cancelled, live") == ("cancelled", 5, 0)
    assert took < 5, took  # how long it takes is measured by `python -m benchmarks interrupt`


@pytest.mark.kernel
def test_run_all_stops_at_an_interrupted_cell(kernel):
    """The cells queued behind it are not run, as after any error."""
    kernel.run(GATE)
    message = kernel.send("%%batchflow hold --wait --no-capture\n[{'n': 1}]")
    behind = kernel.send("went_on = True")
    kernel.hear(message, "holding")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(message).status == "error"
    reply = kernel.client.get_shell_msg(timeout=20)
    while reply["parent_header"].get("msg_id") != behind:
        reply = kernel.client.get_shell_msg(timeout=20)
    assert reply["content"]["status"] == "aborted"
    assert not kernel.value("'went_on' in globals()")


@pytest.mark.kernel
def test_interrupting_await_run_ends_that_wait_only(kernel):
    """The run is not the waiting cell's."""
    kernel.run(GATE)
    kernel.run("%%batchflow hold -o run --limit 1\n[{'n': 1}]")
    message = kernel.send("print('waiting', flush=True)\nawait run")
    kernel.hear(message, "waiting")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(message, timeout=40).status == "error"
    assert kernel.value("live, run.ended") == (1, False)
    assert "True" in kernel.run("gate.set()\nawait run\nprint(run.ok)").stdout


@pytest.mark.kernel
def test_run_wait_blocks_in_plain_code_inside_the_kernels_loop():
    """`run.wait()` in a cell without await: the loop is entered again, the run goes on under it."""
    kernel = Kernel()
    try:
        kernel.run("%load_ext flowmagic\n" + FLOW)
        kernel.run("%%batchflow flow -o run\n[{'n': n} for n in range(10)]")
        answer = kernel.run("def plain():\n    return run.wait().ok\nprint(plain())")
        assert "True" in answer.stdout, answer.error
        assert kernel.value("1 + 1") == 2
    finally:
        kernel.close()


def _notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


@pytest.mark.kernel
def test_executed_by_a_program_the_cell_waits_by_itself():
    """Nbclient (and so nbconvert and papermill): results are there when the next cell runs."""
    book = _notebook(
        "%load_ext flowmagic\n" + FLOW,
        "%%batchflow flow -o run\n[{'n': n} for n in range(10)]",
        "print(run.ended, run.ok)",
    )
    NotebookClient(book, timeout=60).execute()
    assert book.cells[2].outputs[0].text == "True True\n"
    mimes = [set(each.data) for each in book.cells[1].outputs]
    assert any("application/vnd.jupyter.widget-view+json" in each for each in mimes)
    final = [each for each in book.cells[1].outputs if "text/html" in each.data][-1]
    assert "10 of 10 succeeded" in final.data["text/html"]
    assert "10 of 10 succeeded" in final.data["text/plain"]


@pytest.mark.kernel
@pytest.mark.parametrize(("word", "ended"), [("never", "False"), ("always", "True")])
def test_the_environment_overrides_the_guess(monkeypatch, word, ended):
    """FLOWMAGIC_WAIT decides where the guess would be wrong."""
    monkeypatch.setenv("FLOWMAGIC_WAIT", word)
    book = _notebook(
        "%load_ext flowmagic\n" + GATE,
        "asyncio.get_running_loop().call_later(1, gate.set)",
        "%%batchflow hold -o run\n[{'n': 1}]",
        "print(run.ended)",
    )
    NotebookClient(book, timeout=60).execute()
    assert book.cells[3].outputs[0].text == f"{ended}\n"


class Terminal:
    """A person at terminal IPython, on a pseudo-terminal."""

    def __init__(self, term="dumb"):
        self.fd, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": term, "FLOWMAGIC_WAIT": "auto"},
        )
        os.close(theirs)
        self.seen = ""

    def until(self, text, timeout=30):
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 65536).decode("utf-8", "replace")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_at_a_terminal_the_cell_waits_and_ctrl_c_cancels_the_run(tmp_path, monkeypatch):
    """A progress line; on Ctrl-C all is cancelled, the prompt is back and the handler restored."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    (tmp_path / "hold.py").write_text(GATE)
    terminal = Terminal()
    try:
        terminal.until("In [1]: ")
        terminal.type(f"%run -i {tmp_path}/hold.py\n")
        terminal.until("In [2]: ")
        terminal.type("%load_ext flowmagic\n")
        terminal.until("In [3]: ")
        terminal.type("before = __import__('signal').getsignal(2)\n")
        terminal.until("In [4]: ")
        terminal.type("rows = [{'n': n} for n in range(5)]\n")
        terminal.until("In [5]: ")
        # The prompt that a pipe gets has no multi-line cells; this is what one is turned into.
        cell = "get_ipython().run_cell_magic('batchflow', 'hold --limit 2 -o run', 'rows')\n"
        terminal.type(cell)
        terminal.until("2 running, 3 pending")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("5 cancelled; run cancelled")
        terminal.until("KeyboardInterrupt")
        terminal.until("In [6]: ")
        terminal.type("print('handler', __import__('signal').getsignal(2) is before, live)\n")
        terminal.until("handler True 0")
    finally:
        terminal.close()


async def test_a_second_interrupt_leaves_at_once():
    """Interrupted again while the run is ending, the wait ends all the same."""
    from pocketflow import AsyncNode

    import flowmagic
    from flowmagic.notebook.shell import wait_for_end

    stubborn = asyncio.Event()

    class Stubborn(AsyncNode):
        async def exec_async(self, _):
            while not stubborn.is_set():
                try:
                    await stubborn.wait()
                except asyncio.CancelledError:
                    continue

    run = flowmagic.batchflow(Stubborn(), [{"n": 1}])
    outcome = []

    async def cell():
        try:
            await wait_for_end(run, lambda: None)
        except KeyboardInterrupt as interrupt:
            outcome.append(type(interrupt))

    waiting = asyncio.create_task(cell())
    for _ in range(2):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
    await waiting
    assert outcome == [KeyboardInterrupt]
    assert not run.ended
    stubborn.set()
    await run.settled()


def test_a_failure_in_a_cells_code_names_the_cell(shell):
    """What one can find again: Cell In[2], and the line in it."""
    number = shell.ip.execution_count - 1  # the cell that defined the flow
    shell.run("%%batchflow flow -o run\n[{'n': 13}]")
    shell.run(
        "from flowmagic.notebook.panel.detail import detail_of\ndetail = detail_of(run.records, 0)"
    )
    text = shell["detail"]["traceback"]
    assert f'File "Cell In[{number}]", line 11, in post_async' in text  # its first line is blank
    assert 'raise ValueError("unlucky")' in text


def test_other_files_keep_their_names(shell):
    """Only cells of this shell are renamed."""
    assert name_of("/home/me/nodes.py") == "/home/me/nodes.py"


def test_without_a_shell_names_stay():
    """In a script there are no cells."""
    assert name_of("<stdin>") == "<stdin>"
