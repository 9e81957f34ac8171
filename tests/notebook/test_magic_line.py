"""The line of a cell: the values that it is parsed into, and the errors of wrong lines."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from IPython.core.error import UsageError

from flowmagic.notebook.arguments import line_arguments
from flowmagic.notebook.magic_line import MagicArguments, read_line
from flowmagic.run.options import Options


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("flow --limit 0", "argument --limit: '0' is not a positive integer, like 5"),
        ("flow --limit 2.5", "argument --limit: '2.5' is not a positive integer, like 5"),
        ("flow --limit many", "argument --limit: 'many' is not a positive integer, like 5"),
        ("flow --per-minute -3", "argument --per-minute: '-3' is not a positive number, like 5"),
        ("flow --per-minute nan", "argument --per-minute: 'nan' is not a positive number, like 5"),
        ("flow --burst 0", "argument --burst: '0' is not a positive integer, like 5"),
        (
            "flow --adaptive 2-10",
            "argument --adaptive: '2-10' is not MIN-START-MAX, like 2-10-50",
        ),
        (
            "flow --adaptive 50-10-2",
            "argument --adaptive: '50-10-2' is not MIN-START-MAX, like 2-10-50",
        ),
        (
            "flow --limit 3 --adaptive 2-10-50",
            "--limit 3 and --adaptive 2-10-50 both set how many instances run at once. Write only one",
        ),
        (
            "flow --timeout 0",
            "argument --timeout: '0' is not a positive number of seconds, like 5",
        ),
        (
            "flow --retries -1",
            "argument --retries: '-1' is not a number of further attempts, like 2",
        ),
        (
            "flow --max-errors 150%",
            "argument --max-errors: '150%' is not a count or a share of failures, like 10 or 20%\n",
        ),
        ("flow --keep some", "argument --keep: 'some' is not a number of rows, like 1000"),
        ("flow --colour red", "There is no option --colour. %%batchflow? lists all options."),
        ("flow --limt 3", "There is no option --limt. Did you mean --limit?"),
        ("flow --pre-minute=3", "There is no option --pre-minute=3. Did you mean --per-minute?"),
        (
            "flow 5",
            "'5' is not an option. Only options may follow the flow's name, like --limit 5.\n",
        ),
        (
            "flow --burst 3",
            "--burst 3 needs --per-minute. Write for example --per-minute 60 --burst 3.\n",
        ),
        ("flow --limit", "argument --limit: expected one argument"),
        ("flow -o 3x", "-o takes a variable name, not '3x'. Write for example -o run.\n"),
        (
            "flow -o flow",
            "-o flow would replace flow, which this run uses. Write for example -o flow_run.",
        ),
        (
            "flow --shared data.store -o data",
            "-o data would replace data, which this run uses. Write for example -o data_run.",
        ),
        ("flow --engine mine -o mine", "-o mine would replace mine, which this run uses."),
        ("my.flow -o my", "-o my would replace my, which this run uses."),
        ("flow -o list", "-o list would replace Python's own list. Write for example -o list_run."),
        ("flow -o class", "-o takes a variable name, not 'class'. Write for example -o run.\n"),
    ],
)
def test_a_wrong_call_is_one_line_and_starts_nothing(shell, line, said):
    """A UsageError of the exact type, which IPython prints as one line; the body does not run."""
    result = shell.run(f"%%batchflow {line}\ntouched = True\n[{{'n': 1}}]")
    assert result.text.startswith(f"UsageError: {said}")
    assert result.text.count("\n") == 1
    assert not result.success
    assert not {"touched", "run"} & set(shell.ip.user_ns)


def test_without_distributed_the_line_to_install_it_is_said(shell, monkeypatch):
    """As an extra of this package."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = shell.run("%%batchflow flow --engine dask\n[{'n': 1}]")
    assert result.text.startswith(
        "UsageError: --engine dask needs dask.distributed: pip install distributed"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("flow --resume", "--journal runs.journal"),
        ("flow --journal /nowhere/runs", "There is no folder"),
        ("flow --journal runs --sync often", "invalid choice"),
    ],
)
def test_a_journal_that_cannot_be_is_refused_before_anything_runs(shell, line, said):
    """One line, as any wrong option."""
    result = shell.run(f"%%batchflow {line} -o refused\n[{{'n': 1}}]")
    assert not result.success
    assert said in result.text
    assert "Traceback" not in result.text
    assert "refused" not in shell.ip.user_ns


@line_arguments
def magic(line):
    """A magic that has the options."""


def read(text, names=None, **defaults):
    """Return what a line comes to, with the defaults of the magic."""
    settings = {"limit": 5, "per_minute": None, "capture": True, **defaults}
    return read_line(magic, text, names or {}, **settings)


def test_an_empty_line_asks_for_nothing():
    """The magic then lists the runs; all that is known is its defaults."""
    assert read("") == MagicArguments(
        flow=None,
        options=replace(Options.of(), capture=True),
        shared=None,
        file=None,
        output=None,
        wait=None,
        check=False,
        rerun_line="",
    )


def test_the_manual_is_asked_for_as_anywhere():
    """With --help or -h, whatever else the line says; it is the help of the magic."""
    for line in ("flow --help", "-h", "flow --limit 3 --help -o run"):
        manual = read(line).manual
        assert "-o NAME, --output NAME" in manual
        assert not manual.startswith(":")
    assert read("flow -o run").manual == ""


def test_what_the_line_says_of_the_cell_is_apart_from_the_run():
    """Names are not looked up here; quotes around a path are taken off."""
    arguments = read("my.flow --shared store -f 'my params.csv' -o run --no-wait --check --limit 3")
    assert (arguments.flow, arguments.shared, arguments.file) == (
        "my.flow",
        "store",
        "my params.csv",
    )
    assert (arguments.output, arguments.wait, arguments.check) == ("run", False, True)
    assert arguments.options == replace(Options.of(limit=3), capture=True)
    assert read("flow --wait").wait is True


def test_where_the_line_is_silent_the_configuration_holds():
    """And the line goes before it."""
    config = {"limit": 8, "per_minute": 600.0, "journal": "/tmp/kept"}
    silent = read("flow", **config).options
    assert (silent.limits.concurrency, silent.limits.per_minute) == (8, 600)
    assert str(silent.journal.path) == "/tmp/kept"
    said = read("flow --limit 2 --per-minute 60 --journal '/tmp/my runs'", **config).options
    assert (said.limits.concurrency, said.limits.per_minute) == (2, 60)
    assert str(said.journal.path) == "/tmp/my runs"
    assert read("flow --adaptive 2-10-50", **config).options == replace(
        Options.of(adaptive="2-10-50", per_minute=600, journal="/tmp/kept"), capture=True
    )


@pytest.mark.parametrize(
    ("text", "configured", "captures"),
    [("flow", True, True), ("flow --no-capture", True, False), ("flow", False, False)],
)
def test_prints_are_captured_unless_somebody_says_no(text, configured, captures):
    """In the line or in the configuration."""
    assert read(text, capture=configured).options.capture is captures


def test_an_engine_of_ours_is_an_option_and_any_other_a_name():
    """The magic looks that up where the cell's names are."""
    arguments = read("flow --engine local")
    assert arguments.engine is None
    assert arguments.options.engine == Options.of(engine="local").engine
    assert read("flow --engine cluster").engine == "cluster"


@pytest.mark.parametrize(
    ("text", "resume"),
    [
        ("flow --journal j", False),
        ("flow --journal j --resume", True),
        ("flow --journal j --resume-anyway", "anyway"),
        ("flow --journal j --resume --resume-anyway", "anyway"),
    ],
)
def test_to_resume_anyway_is_more_than_to_resume(text, resume, tmp_path, monkeypatch):
    """Whoever writes both means the stronger one."""
    monkeypatch.chdir(tmp_path)
    assert read(text).options == replace(Options.of(journal="j", resume=resume), capture=True)


@pytest.mark.parametrize(
    ("text", "rerun_line"),
    [
        ("flow --limit 3 -o run", "flow --limit 3"),
        ("flow -orun --limit 3", "flow --limit 3"),
        ("flow --output run --check", "flow --check"),
        ("flow --output=run --check", "flow --check"),
        ("flow --out run --check", "flow --check"),
        ("flow -f 'my params.csv' --wait", "flow --wait"),
        ("flow --file=my.csv --file my.csv", "flow"),
        ("flow --journal 'my runs' -o run", "flow --journal 'my runs'"),
        ('flow --allow-shared "a b" --no-track', 'flow --allow-shared "a b" --no-track'),
    ],
)
def test_the_line_for_one_more_run_has_neither_its_name_nor_its_file(text, rerun_line):
    """However they are written; all else is as it was, with its quotes."""
    assert read(text).rerun_line == rerun_line


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("flow --limit 2  # try", "flow --limit 2"),
        ("flow --limit 2 # it's a try", "flow --limit 2"),
        ("flow -f 'rows #1.csv' # try", "flow -f 'rows #1.csv'"),
        ("flow -f rows#1.csv", "flow -f rows#1.csv"),
        ("# nothing", ""),
    ],
)
def test_a_comment_may_follow_the_options(text, rest):
    """A number sign within quotes, or within a word, begins none."""
    assert read(text) == read(rest)


@pytest.mark.parametrize(
    "value", ["3", '"3"', "'3'", "$n", "{n}", "{box.n}", "$box.n", '{counts["n"]}', "{listed[-1]}"]
)
@pytest.mark.parametrize("join", [" ", "="])
def test_a_value_may_be_quoted_or_a_variable(value, join):
    """`$n` and `{n}`, as in IPython's own magics; a variable is looked up, never evaluated."""
    names = {"n": 3, "box": SimpleNamespace(n=3), "counts": {"n": 3}, "listed": [1, 3]}
    arguments = read(f"flow --limit{join}{value} -o run", names)
    assert arguments.options.limits.concurrency == 3
    assert arguments.output == "run"


@pytest.mark.parametrize("value", ["$m", "{m}", "{n * 2}", "{print(n)}", "{n.real()}", "{n[0]}"])
def test_a_variable_that_is_none_is_refused(value):
    """With what to write."""
    name = value.strip("${}")
    with pytest.raises(UsageError) as caught:
        read(f'flow --limit "{value}" --per-minute={value.replace(" ", "")}', {"n": 3})
    assert str(caught.value) == (
        f"There is no variable named {name.replace(' ', '')!r}. "
        "Assign it in an earlier cell, n = 5, and write {n}."
    )


def test_a_flow_may_be_an_item(shell):
    """Of a dict or a list; the run has that name, and -o may not replace what holds it."""
    shell.run("flows = {'a': flow, 'b': [flow]}")
    assert shell.run("%%batchflow flows[\"a\"] -o run\n[{'n': 1}]").success
    assert (shell["run"].ok, shell["run"].name) == (True, 'flows["a"]')
    assert shell.run("%%batchflow flows['b'][-1]\n[{'n': 1}]").success
    said = "-o flows would replace flows, which this run uses."
    assert said in shell.run("%%batchflow flows['a'] -o flows\n[{'n': 1}]").text
    said = "There is no flow named \"flows['c']\"."
    assert said in shell.run("%%batchflow flows['c']\n[{'n': 1}]").text


def test_wait_and_no_wait_contradict_each_other():
    """The later one does not win in silence."""
    for text in ("flow --wait --no-wait", "flow --no-wait --limit 3 --wait"):
        with pytest.raises(
            UsageError, match="contradict each other. Write only one of them: --wait"
        ):
            read(text)


def test_what_is_wrong_is_a_usage_error():
    """Which IPython prints as one line."""
    with pytest.raises(UsageError, match="Did you mean --limit"):
        read("flow --limt 3")


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
