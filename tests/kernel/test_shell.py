"""Waiting or not, and interrupting, in real kernels."""

from __future__ import annotations

import time

import nbformat
import pytest
from nbclient import NotebookClient

from ..notebook.test_shell import GATE
from .conftest import FLOW, Kernel


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


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_command_arrives_while_a_cell_blocks_or_at_the_latest_after_it(is_replaced):
    """Without the replaced method of ipykernel the panel is only slower."""
    kernel = Kernel()
    try:
        kernel.run("%load_ext flowmagic\n" + GATE)
        if not is_replaced:
            kernel.run("import flowmagic\nflowmagic.notebook.shell._IPYKERNEL_WITH_REROUTING = ()")
        subshell = kernel.subshell()
        if is_replaced and subshell is None:
            pytest.skip("this ipykernel has no subshells: commands arrive after the cell")
        shown = kernel.run("%%batchflow hold --limit 1 -o run\n[{'n': n} for n in range(5)]")
        kernel.until("live == 1")
        # The cell runs the event loop itself: what has arrived is done at once.
        kernel.run(
            "import nest_asyncio2, time\nnest_asyncio2.apply()\n"
            "def block():\n"
            "    until = time.monotonic() + 2\n"
            "    while run.limit == 1 and time.monotonic() < until:\n"
            "        asyncio.get_running_loop().run_until_complete(asyncio.sleep(0.01))\n"
            "    return run.limit\n"
        )
        message = kernel.send("print('blocks', flush=True)\nprint('limit', block())")
        kernel.hear(message, "blocks")
        kernel.press(shown, subshell=subshell, type="limit", value=3)
        answer = kernel.finish(message)
        assert "limit" in answer.stdout, answer.error
        if is_replaced:
            assert "limit 3" in answer.stdout
        kernel.until("run.limit == 3")
        kernel.run("gate.set()\nawait run")
    finally:
        kernel.close()


def test_a_notebook_that_run_executes_runs_its_batchflow_cells(kernel, tmp_path):
    """In a kernel, where `%run` can await nothing; the cells after it run, and the run can be awaited."""
    cells = ["%%batchflow flow -o child\n[{'n': n} for n in range(3)]", "after = True"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    nbformat.write(notebook, tmp_path / "child.ipynb")
    kernel.run(FLOW)
    answer = kernel.run(f"%run {tmp_path / 'child.ipynb'}")
    assert answer.status == "ok", answer.error
    assert len(answer.widgets) > 0
    assert kernel.value("after")
    assert "True 3" in kernel.run("await child\nprint(child.ok, child.total)").stdout


def test_without_autoawait_a_cell_starts_its_run(kernel):
    """Where an `await` in a cell would be a syntax error."""
    kernel.run(FLOW)
    kernel.run("%autoawait off")
    answer = kernel.run("%%batchflow flow -o run\n[{'n': 1}]")
    kernel.run("%autoawait on")
    assert answer.status == "ok", answer.error
    assert "True" in kernel.run("await run\nprint(run.ok)").stdout


CLEARS = """
from IPython.display import clear_output
from pocketflow import AsyncNode, Node
class Clear(AsyncNode):
    async def exec_async(self, _):
        clear_output()
class ClearInThread(Node):
    def exec(self, _):
        clear_output(wait=True)
clear, clear_in_thread = Clear(), ClearInThread()
"""


@pytest.mark.parametrize("line", ["clear", "clear_in_thread", "clear --no-capture"])
def test_clear_output_in_a_node_wipes_neither_panel_nor_summary(kernel, line):
    """In the cell itself it still clears."""
    kernel.run(CLEARS)
    message = kernel.send(f"%%batchflow {line} --wait -o run\n[{{'n': 1}}]")
    heard = []
    while True:
        reply = kernel.client.get_iopub_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message:
            heard.append(reply["msg_type"])
            if reply["content"].get("execution_state") == "idle":
                break
    assert "display_data" in heard
    assert "clear_output" not in heard
    assert kernel.value("run.ok")


def test_a_line_with_a_file_opens_a_panel_that_runs_its_rows(kernel, tmp_path):
    """One % and -f: the list is there, and nothing runs before Run is pressed."""
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    kernel.run(FLOW)
    answer = kernel.run(f"%batchflow flow -f {tmp_path / 'rows.jsonl'} -o run")
    assert answer.status == "ok", answer.error
    assert not kernel.value("'run' in globals()")
    kernel.press(answer, type="run")
    kernel.until("'run' in globals() and run.ended")
    assert kernel.value("run.total, run.ok") == (2, True)
