"""The places where it runs beside a notebook's page: consoles, programs, pages, no threads at all."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ipywidgets.embed import embed_data
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel.widget import Panel
from flowmagic.notebook.shell import runs_in_background

ROOT = Path(__file__).parent.parent
JS = ROOT / "flowmagic" / "notebook" / "panel" / "js"
CSS = JS.parent / "panel.css"

FLOW = """
import asyncio
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

class Double(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(0)
        return 2 * self.params["n"]
    async def post_async(self, shared, _, doubled):
        return doubled

class Triple(Node):
    def exec(self, _):
        return 3 * self.params["n"]
    def post(self, shared, _, tripled):
        return tripled

flow = AsyncFlow(start=Double())
rows = [{"n": n} for n in range(5)]
"""

NO_THREADS = """
import _thread, threading

def refuse(*_, **__):
    raise RuntimeError("can't start new thread")

threading.Thread.start = _thread.start_new_thread = refuse
"""

JOURNAL_REFUSED = (
    "A journal is written by a thread, and none can be started here (can't start new thread). "
    "Leave journal out."
)
WITHOUT_THREADS = """
import flowmagic, os
from doubling import *

async def main():
    run = await flowmagic.batchflow(flow, rows, per_minute=60_000, timeout=5, retries=1)
    print(run.results, str(run.status))
    flowmagic.set_limit("service", concurrency=1)
    async with flowmagic.limit("service"):
        print("within the limit")
    run = await flowmagic.batchflow(Flow(start=Triple()), rows, threads=False)
    print(run.results)
    try:
        flowmagic.batchflow(flow, rows, journal="runs.journal")
    except flowmagic.JournalError as error:
        print(error, os.path.exists("runs.journal"))

asyncio.run(main())
"""


JUPYTERLITE = """
import sys, types

null = "the null of JavaScript"
sys.modules["tornado"] = types.ModuleType("tornado")  # mocked, as by its kernel
sys.modules["pyodide"] = types.ModuleType("pyodide")
sys.modules["pyodide.ffi"] = types.SimpleNamespace(jsnull=null)
sys.stderr = sys.stdout

import comm
from comm.base_comm import BaseComm

sent = []

class Comm(BaseComm):
    def publish_msg(self, kind, data=None, metadata=None, buffers=None, **keys):
        sent.append((self, data))

comm.create_comm = Comm

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

class Kernel:
    def get_parent(self):
        return {}

class Shell(InteractiveShell):
    kernel = Kernel()

# Its history is kept without a thread, too.
quiet = Config({"HistoryManager": {"enabled": False}})
shell = Shell.instance(config=quiet, display_pub_class=CapturingDisplayPublisher)

async def cell(text):
    await shell.run_cell_async(text, transformed_cell=shell.transform_cell(text))

async def press(name):
    panel, _ = sent[-1]
    command = {"type": name, "text": null, "client": "page", "n": 1}
    data = {"method": "custom", "content": command}
    panel.handle_msg({"content": {"data": data}, "buffers": []})
    await asyncio.sleep(0)

def holds_none(value):
    if isinstance(value, dict):
        value = list(value.values())
    return any(map(holds_none, value)) if isinstance(value, list) else value is None
"""
IN_JUPYTERLITE = """
import asyncio

async def main():
    await cell("%load_ext flowmagic\\nfrom doubling import *\\nfrom pathlib import Path")
    await cell("%%batchflow flow -o run\\nrows")
    await cell("print(run.ended); await run; print(run.results); run = None")
    await press("run")
    await cell("await run; print(run.results)")
    await cell("%%batchflow flow --wait -o waited\\nrows")
    await cell("print(waited.ended)")
    await cell("%%batchflow flow --journal runs.journal\\nrows")
    await cell("print(Path('runs.journal').exists())")
    panels = [data for _, data in sent if "header" in data.get("state", {}) or "content" in data]
    print(any(map(holds_none, panels)), any("state" in data for data in panels))

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a module `doubling` in it, that has a flow and its rows."""
    (tmp_path / "doubling.py").write_text(FLOW)
    return tmp_path


def printed(folder, *command, text=None, **variables):
    """Run Python in a folder; return what it printed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "FLOWMAGIC_WAIT": "auto", **variables},
        input=text,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_without_threads_async_flows_run_as_ever(folder):
    """As in a browser (pyodide): limits and retries too; a journal is refused before anything runs."""
    said = printed(folder, "-c", NO_THREADS + WITHOUT_THREADS)
    assert said.splitlines() == [
        "[0, 2, 4, 6, 8] finished",
        "within the limit",
        "[0, 3, 6, 9, 12]",
        f"{JOURNAL_REFUSED} False",
    ]


def test_in_jupyterlite_the_magic_and_the_panel_need_no_threads(folder):
    """In a shell like its own: Run acts, a journal is refused in one line, no None is sent."""
    code = NO_THREADS + JUPYTERLITE + IN_JUPYTERLITE
    said = printed(folder, "-c", code, IPYTHONDIR=str(folder / "ipython"))
    assert said.splitlines() == [
        "False",
        "[0, 2, 4, 6, 8]",
        "[0, 2, 4, 6, 8]",
        "True",
        f"UsageError: {JOURNAL_REFUSED}",
        "False",
        "False True",
    ]


def test_in_the_console_of_asyncio_a_run_is_awaited_at_the_prompt(folder):
    """`python -m asyncio` has a loop that goes on between two lines."""
    lines = """
from doubling import *
import flowmagic
run = flowmagic.batchflow(flow, rows, limit=2)
(await run).results
run.ok, run.limit
"""
    said = printed(folder, "-m", "asyncio", text=lines, TERM="dumb")
    assert "[0, 2, 4, 6, 8]" in said
    assert "(True, 2)" in said


def test_in_a_shell_that_is_none_of_a_kernel_or_a_terminal_the_magic_waits(folder):
    """A program that drives an InteractiveShell has the results when the cell is over."""
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("%load_ext flowmagic")
shell.run_cell("from doubling import *")
shell.run_cell("%%batchflow flow -o run\\nrows")
print(shell.user_ns["run"].results)
"""
    said = printed(folder, "-c", code, IPYTHONDIR=str(folder / "ipython"))
    assert said.splitlines()[-1] == "[0, 2, 4, 6, 8]"


MARIMO = """
import marimo

app = marimo.App()

@app.cell
async def _():
    from doubling import flow, rows
    from flowmagic.notebook import start_in_panel

    panel = start_in_panel(flow, rows, limit=2)
    await panel.run
    print(panel.run.results)
    panel

if __name__ == "__main__":
    app.run()
"""


def test_a_notebook_of_marimo_runs_as_a_script_and_is_exported_with_its_panel(folder):
    """`python notebook.py` and `marimo export html`: its cell waits, and the panel shows the end."""
    pytest.importorskip("marimo", reason="no marimo: pip install marimo")
    (folder / "batch.py").write_text(MARIMO)
    assert printed(folder, "batch.py") == "[0, 2, 4, 6, 8]\n"
    command = ("-m", "marimo", "-y", "export", "html", "batch.py", "-o", "batch.html")
    printed(folder, *command, HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    page = (folder / "batch.html").read_text(encoding="utf-8")
    assert "[0, 2, 4, 6, 8]" in page
    [counts] = set(re.findall(r'"counts": (\[[\d, ]+\])', page))
    assert json.loads(counts) == [0, 0, 5, 0, 0]


class Waits(AsyncNode):
    async def exec_async(self, _):
        return self.params["n"]


async def test_a_panel_can_be_embedded_in_a_page_of_its_own():
    """`ipywidgets.embed` stores it whole: script, style, and the state at the end."""
    run = await flowmagic.batchflow(AsyncFlow(start=Waits()), [{"n": n} for n in range(3)])
    panel = Panel("flow", lambda *_: run)
    panel.show(run)
    data = json.loads(json.dumps(embed_data([panel])))
    [state] = [
        each["state"]
        for each in data["manager_state"]["state"].values()
        if each["state"].get("panel_id") == panel.panel_id  # other tests leave theirs
    ]
    assert state["header"]["counts"] == [0, 0, 3, 0, 0]
    assert "export default" in state["_esm"]
    assert ".fm-panel" in state["style_sheet"]
    panel.close()


def test_in_jupyterlite_somebody_watches():
    """Its kernel says of no cell who sent it: `get_parent` takes no channel there."""
    shell = type("Shell", (), {"kernel": type("Kernel", (), {"get_parent": lambda _: None})()})
    assert runs_in_background(shell)


def test_the_panel_asks_the_network_for_nothing():
    """VS Code, Colab and a machine behind a firewall load no script, style or font for it."""
    for path in [*JS.rglob("*.js"), CSS]:
        text = path.read_text(encoding="utf-8")
        text = text.replace("http://www.w3.org/2000/svg", "a name, which nobody fetches")
        found = re.search(r"https?:|\bfetch\(|XMLHttpRequest|WebSocket|EventSource|url\(", text)
        assert not found, f"{path.name}: {found[0]}"
        # Absent where a page came over plain http.
        assert "randomUUID" not in text, path.name


def test_the_panels_looks_follow_the_theme_of_jupyterlab_and_of_vs_code():
    """What is taken from one is taken from the other, VS Code's first, and has a value without both.

    VS Code's widgets set JupyterLab's light colours on every page, whatever its theme.
    """
    css = CSS.read_text(encoding="utf-8")
    taken = re.findall(r"[^\n;]*var\(--jp-[^;]*;", css)
    assert len(taken) >= 8
    for line in taken:
        assert re.search(r"var\(--vscode-[\w-]+, var\(--jp-[\w-]+, .+\)\)", line), line
        assert line.count("var(--jp-") == 1, line
