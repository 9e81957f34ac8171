"""A real InteractiveShell to run cells in."""

import atexit

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

FLOW = """
import asyncio
from pocketflow import AsyncFlow, AsyncNode

class Add(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(0)
        return self.params["n"] + 1
    async def post_async(self, shared, prep_res, exec_res):
        shared.setdefault("sums", []).append(exec_res)
        if self.params["n"] == 13:
            raise ValueError("unlucky")
        return "added"

flow = AsyncFlow(start=Add())
"""


class Shell:
    """A shell without a kernel, as a person at a terminal has; keeps what it printed."""

    def __init__(self, capsys):
        config = Config()
        config.HistoryManager.enabled = False
        self.ip = InteractiveShell.instance(config=config)
        self._capsys = capsys
        for cell in ("%colors nocolor", "%load_ext flowmagic", FLOW):
            result = self.run(cell)
            assert result.success, result.text

    def run(self, cell):
        """Run a cell; return IPython's result, with the text it printed as `.text`."""
        self._capsys.readouterr()
        result = self.ip.run_cell(cell, store_history=True)
        printed = self._capsys.readouterr()
        result.text = printed.out + printed.err
        return result

    def __getitem__(self, name):
        return self.ip.user_ns[name]


@pytest.fixture
def shell(capsys, monkeypatch):
    """A shell with the extension loaded and `flow` defined."""
    monkeypatch.delenv("FLOWMAGIC_WAIT", raising=False)
    made = Shell(capsys)
    yield made
    made.ip.run_cell("%unload_ext flowmagic")
    made.ip.restore_sys_module_state()
    InteractiveShell.clear_instance()
    # Each would be kept until Python exits, and then collect all garbage there is: minutes, in all.
    atexit.unregister(made.ip.atexit_operations)
