"""A journal in a real notebook, where classes live in cells."""

from __future__ import annotations

import subprocess
import sys

import pytest
from jupyter_client.manager import start_new_kernel

CELL = """
class Ask(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        return f"{PROMPT} {self.params['i']}"

flow = AsyncFlow(start=Ask())
"""
RUN = "run = await flowmagic.batchflow(flow, [{{'i': 1}}], journal={path!r}, resume=True)"


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)

    def run(code):
        said = []
        client.execute_interactive(
            code, timeout=60, output_hook=lambda message: said.append(message["content"])
        )
        return "".join(each.get("text", "") + "".join(each.get("traceback", [])) for each in said)

    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_cell_that_was_changed_is_another_flow_and_the_script_names_what_to_paste(
    kernel, tmp_path
):
    """The source of a class in a cell is found, though its module has no file."""
    path = str(tmp_path / "j")
    kernel("import flowmagic; from pocketflow import AsyncFlow, AsyncNode; PROMPT = 'answer'")
    kernel(CELL)
    kernel(RUN.format(path=path))
    kernel(CELL)
    assert kernel(RUN.format(path=path) + "\nprint(run[0].restored, run.results)") == (
        "1 ['answer 1']\n"
    )
    kernel(CELL.replace("return f", "return 'new ' + f"))
    said = kernel(RUN.format(path=path))
    assert "ran: Ask.post_async has changed." in said, said
    script = tmp_path / "again.py"
    kernel(f"flowmagic.open_journal({path!r})[1].to_script({str(script)!r})")
    named = "# Ask, PROMPT\n"
    assert named in script.read_text()
    pasted = f"from pocketflow import AsyncNode\nPROMPT = 'answer'\n{CELL.partition('flow =')[0]}"
    script.write_text(script.read_text().replace(named, named + pasted))
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "finished, 1 succeeded" in ended.stdout, ended.stderr
