"""Loading, unloading and reloading leave a shell as they found it."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter

from flowmagic.notebook.cell_panels import begin_cell


def _registered(ip):
    return (
        "batchflow" in ip.magics_manager.magics["cell"],
        "batchflow" in ip.magics_manager.magics["line"],
        len(ip.input_transformers_post),
        sum(
            getattr(each, "__name__", "") == "header_first"
            for each in ip.input_transformers_cleanup
        ),
        len(ip.Completer.custom_matchers),
        sum(type(each).__name__ == "BatchFlowMagics" for each in ip.configurables),
        "BatchFlowMagics" in ip.magics_manager.registry,
        ip.events.callbacks["pre_run_cell"].count(begin_cell),
    )


ONCE = (True, True, 1, 1, 1, 1, True, 1)
NEVER = (False, False, 0, 0, 0, 0, False, 0)


def test_loaded_twice_or_reloaded_it_is_there_once(shell):
    """A second %load_ext and %reload_ext leave no second magic."""
    assert _registered(shell.ip) == ONCE
    shell.run("%load_ext flowmagic")
    assert _registered(shell.ip) == ONCE
    assert shell.run("%reload_ext flowmagic").success
    assert _registered(shell.ip) == ONCE
    shell.run("import flowmagic; flowmagic.load_ipython_extension(get_ipython())")
    assert _registered(shell.ip) == ONCE
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert shell["run"].counts.total == 1


def test_unloaded_it_is_gone_and_can_come_back(shell):
    """%unload_ext takes everything back: magics, transformer, completion, configuration."""
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert shell.run("%unload_ext flowmagic").success
    assert _registered(shell.ip) == NEVER
    assert "not found" in shell.run("%%batchflow flow\n[{'n': 1}]").text
    assert shell.ip.display_formatter.format(shell["run"])[0].get("text/html") is None
    shell.run("%load_ext flowmagic")
    assert _registered(shell.ip) == ONCE
    assert shell.run("%%batchflow flow -o run\n[{'n': 2}]").success


def test_a_formatter_of_the_users_comes_back(shell):
    """What was registered for BatchRun before is restored on unload."""
    shell.run("%unload_ext flowmagic")
    shell.run("import flowmagic")
    html = shell.ip.display_formatter.formatters["text/html"]
    html.for_type(shell["flowmagic"].BatchRun, own := (lambda run: "mine"))
    shell.run("%load_ext flowmagic")
    assert html.lookup_by_type(shell["flowmagic"].BatchRun) is not own
    shell.run("%unload_ext flowmagic")
    assert html.lookup_by_type(shell["flowmagic"].BatchRun) is own
    html.type_printers.clear()
    hidden = shell.ip.display_formatter.ipython_display_formatter
    assert shell["flowmagic"].BatchRun not in hidden.type_printers


def test_nothing_of_ours_is_left_running(shell):
    """After a run and an unload, the shell's loop holds no task."""
    shell.run("%%batchflow flow -o run\n[{'n': n} for n in range(20)]")
    shell.run("%unload_ext flowmagic")
    shell.run(
        "await asyncio.sleep(0)\n"
        "left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]"
    )
    assert shell["left"] == []


def test_a_bad_setting_left_behind_does_not_keep_it_from_loading(shell):
    """%config keeps even a value it refused; loading again says so and uses the defaults."""
    shell.run("%config BatchFlowMagics.limit = 0")
    result = shell.run("%reload_ext flowmagic")
    assert result.success
    assert "flowmagic uses its defaults" in result.text
    assert _registered(shell.ip) == ONCE


def test_other_cells_are_left_as_they_are(shell):
    """The transformer touches only the cells of this magic, and nothing twice."""
    for cell in (
        "x = 1\n",
        "%%time\nx = 2\n",
        "get_ipython().run_cell_magic\n",
        "%who\n",
        "batchflow = 3\n",
    ):
        before = list(shell.ip.input_transformers_post)
        with_it = shell.ip.transform_cell(cell)
        shell.ip.input_transformers_post.clear()
        assert shell.ip.transform_cell(cell) == with_it
        shell.ip.input_transformers_post.extend(before)
    once = shell.ip.transform_cell("%%batchflow flow\n[]\n")
    assert once.startswith("await get_ipython().run_cell_magic('batchflow', 'flow'")
    assert shell.ip.transform_cell(once) == once


def test_a_task_of_the_users_is_not_touched(shell):
    """Tasks the user has on the loop survive a %%batchflow cell."""
    shell.run("mine = asyncio.ensure_future(asyncio.sleep(3600))\nawait asyncio.sleep(0)")
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    assert not shell["mine"].done()
    shell.run("mine.cancel()\nawait asyncio.sleep(0)\nawait asyncio.sleep(0)")
    assert shell["mine"].cancelled()


def _complete(shell, text):
    with provisionalcompleter():
        return [each.text for each in shell.ip.Completer.completions(text, len(text))]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%%batchflow fl", ["flow"]),
        ("%batchflow fl", ["flow"]),
        ("%%batchflow flow --l", ["--limit"]),
        (
            "%%batchflow flow --limit 3 --no",
            ["--no-capture", "--no-threads", "--no-track", "--no-wait"],
        ),
        ("%%batchflow flow --shared sto", ["store"]),
    ],
)
def test_options_and_names_complete(shell, text, offered):
    """Options by their beginning, flows and shared stores by name."""
    shell.run("store = {}\nflaw = 3")
    assert _complete(shell, text) == offered


def test_where_a_number_is_due_no_flow_is_offered(shell):
    """After --limit comes a number, which no name completes."""
    assert "flow" not in _complete(shell, "%%batchflow flow --limit f")


def test_files_complete_as_ipython_does(shell, tmp_path, monkeypatch):
    """After -f, IPython's own completion of files is left to work."""
    (tmp_path / "rows.csv").write_text("n\n1\n")
    monkeypatch.chdir(tmp_path)
    assert "rows.csv" in _complete(shell, "%%batchflow flow -f ro")


def test_other_lines_complete_as_before(shell):
    """The matcher speaks only for its own magic."""
    assert "flow" in _complete(shell, "flo")
    assert not any(each.startswith("--") for each in _complete(shell, "%time "))
