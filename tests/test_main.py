"""The command `python -m flowmagic quickstart`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from flowmagic import __main__ as command

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))

FLOW = """%load_ext flowmagic
import asyncio
from pocketflow import AsyncNode

class Double(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(0.15)
        return 2 * self.params["n"]

double = Double()"""
RUN = "%%batchflow double --limit 1 -o run\n[{'n': n} for n in range(4)]"


def write_first(folder: Path, *cells: str) -> None:
    """Write a short notebook to a folder, under the name of the first one that would be copied there."""
    folder.mkdir()
    texts = [
        ("markdown", "# A short notebook\n\nwith few words"),
        *(("code", each) for each in cells),
    ]
    notebook = {"cells": [{"cell_type": kind, "source": [text]} for kind, text in texts]}
    (folder / NAMES[0]).write_text(json.dumps(notebook))


def quickstart(folder: Path, *options: str, out=subprocess.PIPE, **variables) -> subprocess.Popen:
    """Start the command for a folder, where there is no display unless a variable says so."""
    without = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"), "")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "flowmagic", "quickstart", "--folder", str(folder), *options],
        env={**os.environ, **without, "PYTHONPATH": path, "TERM": "xterm", **variables},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder.parent,
    )


def test_the_list_has_each_notebook_with_its_title(capsys):
    """And nothing is copied."""
    assert command.main(["quickstart", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] + ".ipynb" for line in lines] == NAMES
    assert lines[0].endswith(" Quickstart: run a flow over a list")


def test_the_notebooks_are_copied_except_those_that_are_there(tmp_path):
    """What a reader has changed in a notebook is still there after the next call."""
    folder = tmp_path / "new" / "folder"
    first = command.copy_notebooks(folder)
    assert first == folder / "01_quickstart.ipynb"
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    first.write_text("mine")
    (folder / NAMES[1]).unlink()
    command.copy_notebooks(folder)
    assert first.read_text() == "mine"
    assert (folder / NAMES[1]).read_bytes() == (ROOT / "notebooks" / NAMES[1]).read_bytes()


def programs(_items, folder):
    """The quickstart itself; it takes longer than all other tests here."""
    path = str(Path(folder, "quickstart"))
    module = [sys.executable, "-m", "flowmagic"]
    return {"quickstart": [*module, "quickstart", "--headless", "--folder", path]}


def test_headless_the_quickstart_prints_the_resulting_table(program):
    """The main job on a machine without a display: all modules are analysed, and the largest listed."""
    done = program("quickstart")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n## What came out?\n" in done.stdout
    assert re.search(r"^module +lines +functions +classes", done.stdout, re.MULTILINE)
    assert re.search(r"^(\d+) of \1 modules in ", done.stdout, re.MULTILINE)
    assert NAMES[0] in done.stdout.splitlines()[-1], "how to open it later"


def test_at_a_terminal_without_a_display_the_progress_is_shown(tmp_path):
    """A line with a bar, the count and the time, drawn while the run goes on; then the summary."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on Windows")
    write_first(tmp_path / "here", FLOW, RUN, "print('the sum is', sum(run.outputs))")
    controller, terminal = pty.openpty()
    process = quickstart(tmp_path / "here", out=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(controller, 4096)
        except OSError:  # on Linux, when the other end is closed
            break
    os.close(controller)
    text = shown.decode()
    assert process.wait() == 0, text
    assert "# A short notebook" in text
    assert re.search(r"double +\d+% .*\d/4 \[00:0\d < ", text)
    assert "double: 4 of 4 succeeded" in text
    assert "the sum is 12" in text


def test_a_cell_that_fails_ends_the_command(tmp_path):
    """Its traceback is shown, the cells after it do not run, and the exit code says so."""
    write_first(tmp_path / "here", "1 / 0", "print('not', 'reached')")
    process = quickstart(tmp_path / "here")
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ZeroDivisionError" in printed
    assert "not reached" not in printed


def test_with_a_display_the_first_notebook_is_open_in_jupyterlab(tmp_path):
    """On this machine only, and only with the token of the address: also for root."""
    pytest.importorskip("jupyterlab", reason="no JupyterLab")
    browser = tmp_path / "browser.py"
    browser.write_text(
        "import sys, urllib.request as r; print('OPENED', r.urlopen(sys.argv[1]).read())"
    )
    variables = {
        "BROWSER": f"{sys.executable} {browser} %s",
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    with quickstart(tmp_path / "here", **variables) as process:
        try:
            opened = next(line for line in process.stdout if line.startswith("OPENED"))
            address = r"http://127\.0\.0\.1:\d+/"
            found = re.search(
                rf"({address})lab/tree/01_quickstart\.ipynb\?token=(\w{{30,}})", opened
            )
            assert found, opened
            api = f"{found[1]}api/contents/01_quickstart.ipynb?content=0"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with pytest.raises(urllib.error.HTTPError, match="403"):
                opener.open(api)
            assert opener.open(f"{api}&token={found[2]}").status == 200
        finally:
            process.kill()


def test_what_is_missing_is_named_with_the_command(capsys, monkeypatch):
    """In one line, before anything is copied. Without a browser, nothing is needed."""
    monkeypatch.setenv("DISPLAY", ":0")
    nothing = types.SimpleNamespace(util=types.SimpleNamespace(find_spec=lambda name: None))
    monkeypatch.setattr(command, "importlib", nothing)
    monkeypatch.setattr(command, "copy_notebooks", lambda folder: folder)
    monkeypatch.setattr(command, "execute", lambda notebook: 0)
    assert command.main(["quickstart", "--folder=."]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"The notebooks need jupyterlab: {sys.executable} -m pip install jupyterlab"
    assert command.main(["quickstart", "--headless"]) == 0


def test_a_folder_that_cannot_be_made_is_named_in_one_line(tmp_path, capsys):
    """For example where a file has its name."""
    (tmp_path / "taken").write_text("")
    assert command.main(["quickstart", "--headless", "--folder", str(tmp_path / "taken")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"The notebooks cannot be copied to {tmp_path / 'taken'}: File exists"


@pytest.mark.parametrize(
    ("platform", "variables", "there"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"BROWSER": "/remote/browser.sh"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_whether_there_is_a_display(monkeypatch, platform, variables, there):
    """On Linux a variable says so; on a desktop system there always is one."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command.sys, "platform", platform)
    assert command.has_display() is there
