"""Names on the line of a cell: flows, shared stores and engines."""

import pytest

from flowmagic.run.options import Options


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "The line names no flow. Write for example %%batchflow flow --limit 5."),
        ("flwo", "There is no flow named 'flwo'. Did you mean flow?"),
        (
            "asyncio.nope",
            "There is no flow named 'asyncio.nope'. Create one in an earlier cell, flow = AsyncFlow(",
        ),
        ("Add", "Add is the class Add, not an object of it. Write Add(...)."),
        ("asyncio", "asyncio is a module, not a PocketFlow flow or node."),
        ("flow --engine dusk -o run", "There is no engine named 'dusk'. Did you mean dask?"),
        ("flow --engine flow -o run", "--engine flow is an AsyncFlow, not an engine."),
        (
            "flow --engine spark -o run",
            "There is no engine named 'spark'. Write local, dask, or the name of an engine that you cr",
        ),
        (
            "flow --shared nope",
            "There is no shared store named 'nope'. Create one in an earlier cell, shared = {}, and",
        ),
        (
            "flow --shared __name__",
            "--shared __name__ is a str ('__main__'), not a dict. Create one",
        ),
        ("flow --shared In", "--shared In is a list, not a dict."),
        ("__import__('os')", "There is no flow named \"__import__('os')\"."),
    ],
)
def test_a_wrong_name_is_one_line_and_starts_nothing(shell, line, said):
    """A UsageError of the exact type, which IPython prints as one line; the body does not run."""
    result = shell.run(f"%%batchflow {line}\ntouched = True\n[{{'n': 1}}]")
    assert result.text.startswith(f"UsageError: {said}")
    assert result.text.count("\n") == 1
    assert not result.success
    assert not {"touched", "run"} & set(shell.ip.user_ns)


def test_a_flow_may_be_an_attribute(shell):
    """A dotted name is looked up, never evaluated."""
    shell.run("import types\nmy = types.SimpleNamespace(flow=flow)")
    assert shell.run("%%batchflow my.flow -o run\n[{'n': 1}]").success
    assert shell["run"].ok


def test_the_engine_is_one_of_ours_or_has_a_name(shell):
    """A word for ours; else the name of an object, on which the run then is."""
    assert shell.run("%%batchflow flow --engine local -o run\n[{'n': 1}]").success
    assert shell["run"].options == Options.of()
    shell.run(
        "class Elsewhere:\n"
        "    name, isolates = 'elsewhere', True\n"
        "    def begin(self, work):\n"
        "        from flowmagic.engines.local import LocalEngine\n"
        "        return LocalEngine().begin(work)\n"
        "mine = Elsewhere()"
    )
    result = shell.run("%%batchflow flow --engine mine -o run\n[{'n': 1}]")
    assert result.success, result.text
    assert shell["run"].options.engine is shell["mine"]
    said = shell.run("%batchflow flow --engine mine --check").text
    assert said.startswith("Nothing was found")
    assert "note: Each instance has its own snapshot of the shared store" in said
    assert shell["run"].options.sharing.isolate
    assert shell["run"].ok


def test_the_shared_store_can_be_the_users(shell):
    """--shared names a dict of the user's, which the nodes write to."""
    shell.run("store = {'sums': [100]}")
    shell.run("%%batchflow flow --shared store\n[{'n': 1}]")
    assert shell["store"] == {"sums": [100, 2]}
