"""What a cell starts: a run with its options, bound to its variable."""

from flowmagic.notebook.starter import origin_of
from flowmagic.run.options import Options


def test_all_options_of_a_run_reach_it(shell):
    """As if they had been given to batchflow()."""
    line = (
        "flow --adaptive 2-10-50 --per-minute 600 --burst 3 --timeout 60 --retries 2 "
        "--max-errors 20%/50 --keep 7 --no-threads -o run"
    )
    result = shell.run(f"%%batchflow {line}\n[{{'n': 1}}]")
    assert result.success, result.text
    assert shell["run"].options == Options.of(
        adaptive="2-10-50",
        per_minute=600,
        burst=3,
        timeout=60,
        retries=2,
        max_errors=(0.2, 50),
        keep=7,
        threads=False,
    )
    assert shell["run"].limit == 10


def test_the_options_of_the_shared_store_reach_the_run(shell):
    """Keys that are meant to be shared may be several, and quoted."""
    line = "flow --isolate --allow-shared sums --allow-shared 'a b' --no-track -o run"
    result = shell.run(f"%%batchflow {line}\n[{{'n': 1}}]")
    assert result.success, result.text
    assert shell["run"].options == Options.of(
        isolate=True, allow_shared=("sums", "a b"), track_shared=False
    )
    assert shell["run"].shared == {0: {"sums": [2]}}


def test_the_variable_holds_the_newest_run_and_the_list_has_all(shell):
    """Each run is listed with the variable that it was bound to."""
    shell.run("%%batchflow flow -o run\n[{'n': 1}]")
    shell.run("first = run")  # the list does not keep a run alive
    shell.run("%%batchflow flow -o run\n[{'n': 2}]")
    assert [shell[name][0].params["n"] for name in ("first", "run")] == [1, 2]
    lines = shell.run("%batchflow").text.splitlines()
    assert [line.split()[2] for line in lines] == ["run", "run"]


def test_a_panel_writes_cells_with_the_line_but_without_name_and_file(shell):
    """Another run of one row must not take over the variable."""
    magics = shell.ip.magics_manager.registry["BatchFlowMagics"]
    arguments = magics._arguments("flow --limit 3 -o run -f rows.csv")
    origin = origin_of(shell.ip, arguments)
    assert (origin.flow, origin.line, origin.output) == ("flow", "flow --limit 3", "run")
    assert origin.names is shell.ip.user_ns
