"""Waiting or not, and interrupting, also at a real terminal."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import time
import types

import pytest

from flowmagic.notebook.shell import encodable, keep_on_subshell, must_wait, name_of

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
    requested, configured, environment = words
    monkeypatch.delenv("FLOWMAGIC_WAIT", raising=False)
    if environment:
        monkeypatch.setenv("FLOWMAGIC_WAIT", environment)
    assert must_wait(shell, requested=requested, configured=configured) is waits


@pytest.mark.parametrize(
    ("version", "replaced"),
    [
        ((7, 4, 0), True),
        ((7, 4, 3), True),
        ((7, 3, 0), False),
        ((7, 5, 0), False),
        ((6, 29, 5), False),
    ],
)
def test_the_routing_of_a_comm_is_replaced_only_in_the_versions_known_to_need_it(
    monkeypatch, version, replaced
):
    """Another version may have another method of that name, or none."""

    class Comm:
        def _reply_subshell_for(self, data, default):
            return "the main shell"

    monkeypatch.setitem(sys.modules, "ipykernel", types.SimpleNamespace(version_info=version))
    comm = Comm()
    keep_on_subshell(comm)
    routed = comm._reply_subshell_for({}, "its subshell")
    assert routed == ("its subshell" if replaced else "the main shell")


def test_without_ipykernel_a_comm_is_left_alone(monkeypatch):
    """In marimo, for example."""
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    comm = object()
    keep_on_subshell(comm)


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


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("cp1252", "+ x ! … é ?"),
        ("ascii", "+ x ! ? ? ?"),
        ("utf-8", "✓ ✗ ⚠ … é 字"),
        (None, "✓ ✗ ⚠ … é 字"),
    ],
)
def test_what_stdout_cannot_encode_is_replaced(monkeypatch, encoding, shown):
    """Our own characters by plain ones."""
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(encoding=encoding))
    assert encodable("✓ ✗ ⚠ … é 字") == shown


SCRIPT = """
%load_ext flowmagic
from pocketflow import AsyncNode
class Divide(AsyncNode):
    async def exec_async(self, _):
        return 1 / self.params["n"]
flow = Divide()
get_ipython().run_cell_magic("batchflow", "flow -o run", "[{'n': n} for n in range(2)]")
%batchflow flow --check
%batchflow
run
"""


def test_a_script_prints_its_summary_whatever_the_encoding_of_the_file(tmp_path):
    """`ipython script.ipy > log` on Windows, where a file has the code page."""
    (tmp_path / "script.ipy").write_text(SCRIPT)
    env = {**os.environ, "PYTHONIOENCODING": "cp1252", "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "script.ipy"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        check=True,
    )
    assert "x 0  n=0  Divide: ZeroDivisionError: division by zero" in done.stdout.decode("cp1252")
    assert b"UnicodeEncodeError" not in done.stdout + done.stderr
