"""%%batchflow and %batchflow in a real InteractiveShell."""

import gc

import pytest

from flowmagic.limits.calls.named import remove_limit
from flowmagic.run.options import Options


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


def test_a_failed_instance_does_not_fail_the_cell(shell):
    """The failure is said in words; run.ok is False; raise_for_failures raises."""
    result = shell.run("%%batchflow flow -o run\n[{'n': 13}, {'n': 1}]")
    assert result.success
    assert "1 failed" in result.text
    assert "ValueError: unlucky" in result.text
    assert not shell["run"].ok
    result = shell.run("run.raise_for_failures()")
    assert not result.success
    assert result.text.startswith("InstancesFailedError: 1 of 2 instances failed:")


def test_an_error_in_the_flows_own_post_surfaces_with_the_users_line(shell):
    """The results stay reachable."""
    shell.run(
        "from pocketflow import AsyncParallelBatchFlow\n"
        "class Bad(AsyncParallelBatchFlow):\n"
        "    async def post_async(self, shared, params, results):\n"
        "        raise KeyError('post')\n"
        "bad = Bad(start=Add())"
    )
    result = shell.run("%%batchflow bad -o run\n[{'n': 1}]")
    assert isinstance(result.error_in_exec, KeyError)
    assert "raise KeyError('post')" in result.text
    assert shell["run"].results == ["added"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Which flow? Write its name: %%batchflow flow --limit 5"),
        ("flwo", "There is no flow named 'flwo'. Did you mean flow?"),
        (
            "asyncio.nope",
            "There is no flow named 'asyncio.nope'. Make one in a cell above, flow = AsyncFlow(",
        ),
        ("Add", "Add is the class Add, not an object of it. Write Add(...)."),
        ("asyncio", "asyncio is a module, not a PocketFlow flow or node."),
        ("flow --engine dusk -o run", "There is no engine named 'dusk'. Did you mean dask?"),
        ("flow --engine flow -o run", "--engine flow is an AsyncFlow, not an engine."),
        (
            "flow --engine spark -o run",
            "There is no engine named 'spark'. Write local, dask, or the name of one that you made",
        ),
        (
            "flow --shared nope",
            "There is no shared store named 'nope'. Make one in a cell above, shared = {}, and",
        ),
        ("flow --shared __name__", "--shared __name__ is a str ('__main__'), not a dict. Make one"),
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


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{'n': 1}", "The batch is one dict, not a list of dicts."),
        ("'abc'", "The batch is a str ('abc'), not a list of dicts."),
        ("5", "The batch is an int (5), not a list of dicts."),
        ("None", "The batch is None, not a list of dicts."),
        ("[{'n': 1}, 5]", "Item 1 of the batch is an int (5), not a dict of params."),
        ("(x for x in [3])", "Item 0 of the batch is an int (3), not a dict of params."),
    ],
)
def test_a_wrong_batch_is_one_line_and_starts_nothing(shell, body, said):
    """The index and the type found are named before any node has run."""
    result = shell.run(f"%%batchflow flow -o run\n{body}")
    assert result.text.startswith(f"UsageError: {said}")
    assert result.text.count("\n") == 1
    assert "run" not in shell.ip.user_ns


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


def test_a_store_that_cannot_be_isolated_is_one_line(shell):
    """Said before anything runs."""
    shell.run("from collections import OrderedDict\nstore = OrderedDict()")
    result = shell.run("%%batchflow flow --isolate --shared store\n[{'n': 1}]")
    assert result.text.startswith("UsageError: The shared store is an OrderedDict, and isolate")
    assert result.text.count("\n") == 1


def test_params_come_from_a_file(shell, tmp_path):
    """-f reads .jsonl and .csv; quotes around a path with blanks are understood."""
    file = tmp_path / "my params.jsonl"
    file.write_text('{"n": 1}\n{"n": 2}\n')
    result = shell.run(f"%%batchflow flow -f '{file}' -o run\n# from the file")
    assert result.success, result.text
    assert shell["run"].shared == {"sums": [2, 3]}


def test_the_flows_post_gets_the_rows_of_the_file(shell, tmp_path):
    """As it does with every other kind of batch; not the file's name."""
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    shell.run(
        "from pocketflow import AsyncParallelBatchFlow\n"
        "class Posts(AsyncParallelBatchFlow):\n"
        "    async def post_async(self, shared, params, results):\n"
        "        shared['params'] = params\n"
        "posts = Posts(start=Add())"
    )
    shell.run(f"%%batchflow posts -f {tmp_path}/rows.jsonl -o run\n#")
    assert shell["run"].shared["params"] == [{"n": 1}, {"n": 2}]


def test_a_file_and_a_body_are_one_too_many(shell, tmp_path):
    """Which one is meant cannot be known."""
    result = shell.run(f"%%batchflow flow -f {tmp_path}/x.csv\n[{{'n': 1}}]")
    assert "the cell's body must be empty" in result.text


def test_a_missing_file_is_one_line(shell):
    """No traceback of ours."""
    result = shell.run("%%batchflow flow -f /nowhere/x.csv\n#")
    assert result.text.startswith("UsageError: --file: ")
    assert result.text.count("\n") == 1


def test_the_shared_store_can_be_the_users(shell):
    """--shared names a dict of the user's, which the nodes write to."""
    shell.run("store = {'sums': [100]}")
    shell.run("%%batchflow flow --shared store\n[{'n': 1}]")
    assert shell["store"] == {"sums": [100, 2]}


def test_a_flow_may_be_an_attribute(shell):
    """A dotted name is looked up, never evaluated."""
    shell.run("import types\nmy = types.SimpleNamespace(flow=flow)")
    assert shell.run("%%batchflow my.flow -o run\n[{'n': 1}]").success
    assert shell["run"].ok


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
        assert result.text.startswith(f"UsageError: %%{name} cannot stand over %%batchflow")
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


def test_bare_it_lists_the_runs(shell):
    """%batchflow is a table of this shell's runs."""
    assert "No runs yet" in shell.run("%batchflow").text
    shell.run("%%batchflow flow -o first\n[{'n': 1}]")
    shell.run("%%batchflow flow -o second\n[{'n': 13}]")
    text = shell.run("%batchflow").text
    assert "first" in text.splitlines()[0]
    assert "1 failed" in text.splitlines()[1]


def test_bare_it_lists_the_named_limits_too(shell):
    """With how far each is used."""
    try:
        shell.run("import flowmagic\nlimit = flowmagic.set_limit('openai', concurrency=10)")
        text = shell.run("%batchflow").text
    finally:
        remove_limit("openai")
    assert "No runs yet" in text.splitlines()[0]
    assert text.splitlines()[1].startswith("limit openai: 0 of 10 running, 0 waiting, ")


def test_a_panel_is_refused_where_none_can_be_shown(shell):
    """%batchflow FLOW needs a notebook."""
    assert "A panel needs a notebook" in shell.run("%batchflow flow").text


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


def test_a_journal_keeps_runs_and_the_next_one_takes_over_what_succeeded(shell, tmp_path):
    """By the option, or by the configuration; the runs are listed; quotes around a path do not count."""
    journal = f"'{tmp_path / 'my runs.journal'}'"
    cell = f"%%batchflow flow --journal {journal} -o run\n[{{'n': 1}}, {{'n': 13}}]"
    shell.run(cell)
    result = shell.run(cell.replace("-o run", "--resume -o run"))
    assert result.success
    assert "1 of them restored from the journal" in result.text
    assert [each.restored for each in shell["run"].instances] == [1, None]
    listed = shell.run(f"%batchflow --journal {journal}").text
    assert "2 runs" in listed
    assert "finished   2: 1 succeeded, 1 failed" in listed
    shell.run(f"%config BatchFlowMagics.journal = {journal}")
    shell.run("%%batchflow flow\n[{'n': 2}]")
    assert "3 runs" in shell.run("%batchflow").text
    shell.run("%config BatchFlowMagics.journal = ''")


def test_a_cell_without_a_param_list_goes_on_with_that_of_the_journal(shell, tmp_path):
    """With --resume; without, it has none."""
    cell = f"%%batchflow flow --journal {tmp_path / 'runs'} -o run\n"
    shell.run(f"{cell}[{{'n': 1}}, {{'n': 13}}]")
    assert "has no param list" in shell.run(f"{cell}#").text
    assert shell.run(cell.replace("-o run", "--resume -o run") + "#").success
    assert [each.params["n"] for each in shell["run"].instances] == [1, 13]
    assert [each.restored for each in shell["run"].instances] == [1, None]


def test_a_flow_that_has_changed_since_is_told_in_one_line(shell, tmp_path):
    """And nothing runs until the user has decided."""
    path = tmp_path / "runs"
    cell = f"%%batchflow flow --journal {path} --resume -o run\n[{{'n': 1}}]"
    shell.run(cell)
    shell.run("flow = AsyncFlow(start=Add(max_retries=2))")
    result = shell.run(cell.replace("-o run", "-o other"))
    assert not result.success
    assert "attributes or successors of Add have changed" in result.text
    assert "Traceback" not in result.text
    assert "other" not in shell.ip.user_ns
    shell.run(cell.replace("--resume -o run", "--resume-anyway -o other"))
    assert shell["other"][0].restored == 1


def test_check_says_what_is_likely_to_go_wrong_and_starts_nothing(shell):
    """Places are named as cells; a flow with nothing wrong is said to have none."""
    shell.run(
        "import time\n"
        "class Slow(AsyncNode):\n"
        "    async def exec_async(self, _):\n"
        "        time.sleep(self.params['m'])\n"
        "slow = AsyncFlow(start=Slow())"
    )
    text = shell.run("%%batchflow slow --check -o run\n[{'n': 1}]").text
    assert "exec_async calls time.sleep() on the event loop." in text
    assert 'No row has the param "m"' in text
    assert "Cell In[" in text
    assert "run" not in shell.ip.user_ns
    assert "time.sleep()" in shell.run("%batchflow slow --check").text
    assert "Nothing was found" in shell.run("%batchflow flow --check").text
