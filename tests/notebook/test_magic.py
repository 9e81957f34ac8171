"""%%batchflow and %batchflow in a real InteractiveShell."""

import gc

import pytest


def test_a_cell_runs_the_flow_once_per_dict(shell):
    """The cell waits where nobody would watch a background run, and prints the summary."""
    result = shell.run("%%batchflow flow --limit 2 -o run\n[{'n': n} for n in range(3)]")
    assert result.success
    run = shell["run"]
    assert run.ok
    assert run.limit == 2
    assert sorted(run.shared["sums"]) == [1, 2, 3]
    assert "flow: 3 of 3 succeeded" in result.text


def test_the_cells_value_is_none_and_the_last_value_is_kept(shell):
    """`_` is what it was before the cell."""
    shell.run("1234")
    result = shell.run("%%batchflow flow\n[{'n': 1}]")
    assert result.result is None
    assert shell["_"] == 1234


def test_config_sets_the_defaults(shell):
    """%config BatchFlowMagics.limit is what a cell without --limit uses."""
    shell.run("%config BatchFlowMagics.limit = 8")
    shell.run("%config BatchFlowMagics.per_minute = 600")
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert shell["run"].limit == 8
    assert shell["run"].per_minute == 600
    shell.run("%%batchflow flow --limit 3 -o run\n[{'n': 1}]")
    assert shell["run"].limit == 3


@pytest.mark.parametrize(
    "setting", ["limit = 0", "limit = 'x'", "per_minute = -1", "wait = 'sometimes'"]
)
def test_config_refuses_what_no_run_could_keep(shell, setting, caplog):
    """A bad value is refused, and the one before it stays."""
    magics = next(m for m in shell.ip.configurables if type(m).__name__ == "BatchFlowMagics")
    before = (magics.limit, magics.per_minute, magics.wait)
    said = shell.run(f"%config BatchFlowMagics.{setting}").text + caplog.text
    assert setting.split()[0] in said
    assert (magics.limit, magics.per_minute, magics.wait) == before


def test_stacked_under_another_cell_magic_it_says_so(shell):
    """%%time and %%capture over it: one clear line, nothing started, never a silent ok."""
    for name, hint in [("time", "run.elapsed"), ("capture", "-o run"), ("bash", "first line")]:
        result = shell.run(f"%%{name}\n%%batchflow flow -o run\n[{{'n': 1}}]")
        assert result.text.startswith(f"UsageError: %%{name} cannot come before %%batchflow")
        assert hint in result.text
        assert not result.success
        assert "run" not in shell.ip.user_ns


def test_called_but_not_awaited_it_says_so(shell):
    """A run_cell_magic call inside an async cell's `if` is not awaited: said, never a silent ok."""
    result = shell.run(
        "await asyncio.sleep(0)\n"
        "if True:\n"
        "    get_ipython().run_cell_magic('batchflow', 'flow -o run', '[{\"n\": 1}]')"
    )
    gc.collect()
    assert "was called but not awaited, so nothing was started" in result.text
    assert "run" not in shell.ip.user_ns


def test_called_by_code_and_awaited_it_runs(shell):
    """`await get_ipython().run_cell_magic(...)` is the same as a cell."""
    shell.run(
        "if True:\n"
        "    await get_ipython().run_cell_magic('batchflow', 'flow -o run', '[{\"n\": 1}]')"
    )
    assert shell["run"].ok


def test_called_where_no_loop_runs_it_runs_to_the_end(shell):
    """From plain code outside any loop, the magic blocks."""
    shell.ip.run_cell_magic("batchflow", "flow -o run", "[{'n': 1}]")
    assert shell["run"].ok


def test_run_as_a_value_shows_its_summary(shell):
    """`run` in a cell shows counts and rows, in text and in HTML."""
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert "flow: 1 of 1 succeeded" in shell.run("run").text
    data, _ = shell.ip.display_formatter.format(shell["run"])
    assert data["text/html"].startswith("<details")


def test_sync_flows_run_too(shell):
    """A sync Flow's instances overlap in threads."""
    shell.run(
        "from pocketflow import Flow, Node\n"
        "import threading\n"
        "both = threading.Barrier(2, timeout=10)\n"
        "class Meet(Node):\n"
        "    def exec(self, _):\n"
        "        both.wait()\n"
        "        return 1\n"
        "meet = Flow(start=Meet())"
    )
    shell.run("%%batchflow meet --limit 2 -o run\n[{'n': 1}, {'n': 2}]")
    assert shell["run"].ok
