"""A cell of the magic: where its batch comes from, and how its run ends."""

from __future__ import annotations

import pytest

from flowmagic.limits.calls.named import remove_limit
from flowmagic.notebook import cell, run_list
from flowmagic.notebook.cell import origin_of
from flowmagic.run.options import Options


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


def test_what_became_of_the_rows_of_a_frame_goes_back_beside_them(shell):
    """Of a filtered DataFrame, with the names of its columns and the labels of its index."""
    shell.run("import pandas as pd\ndf = pd.DataFrame({'n': [13, 2, 3]}, index=[5, 1, 3])")
    result = shell.run(
        "%%batchflow flow -o run\ndf[df['n'] < 10].sort_values('n', ascending=False)"
    )
    assert result.success, result.text
    shell.run("df['status'] = run.to_frame()['status']")
    assert list(shell["df"]["status"].fillna("")) == ["", "succeeded", "succeeded"]


def test_a_run_from_the_panel_of_an_earlier_run_has_its_index(shell, monkeypatch):
    """The panel runs the same rows, of the same DataFrame."""
    shell.run("import pandas as pd")
    shell.run("%%batchflow flow -o run\npd.DataFrame({'n': [1]}, index=['label'])")
    batches = []

    class Display:
        def __init__(self, *args, **options):
            batches.append(args[3])

        def attach(self, run):
            pass

    monkeypatch.setattr(cell, "NotebookDisplay", Display)
    monkeypatch.setattr(shell.ip, "kernel", None, raising=False)  # as in a notebook
    [number] = run_list.runs(shell.ip)
    assert shell.run(f"%batchflow {number}").success
    assert [(list(batch.rows), list(batch.index)) for batch in batches] == [([{"n": 1}], ["label"])]


def test_a_file_and_a_body_are_one_too_many(shell, tmp_path):
    """Which one is meant cannot be known."""
    result = shell.run(f"%%batchflow flow -f {tmp_path}/x.csv\n[{{'n': 1}}]")
    assert "the cell's body must be empty" in result.text


def test_a_missing_file_is_one_line(shell):
    """No traceback of ours."""
    result = shell.run("%%batchflow flow -f /nowhere/x.csv\n#")
    assert result.text.startswith("UsageError: --file: ")
    assert result.text.count("\n") == 1


def test_a_store_that_cannot_be_isolated_is_one_line(shell):
    """Said before anything runs."""
    shell.run("from collections import OrderedDict\nstore = OrderedDict()")
    result = shell.run("%%batchflow flow --isolate --shared store\n[{'n': 1}]")
    assert result.text.startswith("UsageError: The shared store is an OrderedDict, and isolate")
    assert result.text.count("\n") == 1


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
    assert "ran: Add().max_retries has changed." in result.text
    assert "Traceback" not in result.text
    assert "other" not in shell.ip.user_ns
    shell.run(cell.replace("--resume -o run", "--resume-anyway -o other"))
    assert shell["other"][0].restored == 1


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


def test_rows_are_put_into_shared(shell):
    """Dicts, and with a name strings; without the name, one line says how to write it."""
    shell.run("from pocketflow import Node\nclass Reads(Node):\n    def exec(self, _): return 1\n"
              "    def post(self, shared, *_): shared['out'] = shared['question'].upper()\n"
              "reads = Reads()")  # fmt: skip
    for line, rows in (("--fill-shared", [{"question": "a"}]), ("--fill-shared question", ["a"])):
        result = shell.run(f"%%batchflow reads {line} --limit 2 -o run\n{rows}")
        assert result.success, result.text
        assert shell["run"].shared == {0: {"out": "A"}}
    result = shell.run("%%batchflow reads\n['a']")
    assert result.text.endswith(
        'or put each string into shared["question"] with --fill-shared question.\n'
    )


def test_a_flows_own_prep_may_return_strings(shell):
    """In a run without a body, as in the body."""
    shell.run("from pocketflow import AsyncBatchFlow, Node\nclass Own(AsyncBatchFlow):\n"
              "    async def prep_async(self, shared): return ['a', 'b']\n"
              "own = Own(start=Node())")  # fmt: skip
    assert shell.run("%%batchflow own --fill-shared question -o run\n#").success
    assert [each.row for each in shell["run"].instances] == [{"question": "a"}, {"question": "b"}]


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


def test_a_run_that_has_no_name_can_be_reached_by_its_number(shell):
    """Assigned, or with -o; without a panel, `%batchflow 1` shows its summary."""
    shell.run("%%batchflow flow\n[{'n': 1}]")
    shell.run("import gc; gc.collect()")
    assert shell.run("first = %batchflow 1").text == ""
    assert shell["first"].ok
    assert "1 of 1 succeeded" in shell.run("%batchflow 1").text
    shell.run("%batchflow 1 -o again")
    assert shell["again"] is shell["first"]
    assert shell.run("%batchflow").text.split()[2] == "again"


def test_a_run_that_is_not_there_is_one_line_that_lists_those_there_are(shell):
    """And a name that the run uses is refused here, too."""
    shell.run("%%batchflow flow\n[{'n': 1}]")
    assert shell.run("%batchflow 7").text == (
        "UsageError: There is no run 7. The runs of this kernel: 1 (flow).\n"
    )
    before = shell["flow"]
    assert "-o flow would replace flow" in shell.run("%batchflow 1 -o flow").text
    assert "-o max would replace Python's own max" in shell.run("%batchflow 1 -o max").text
    assert shell["flow"] is before
    assert "max" not in shell.ip.user_ns


def test_the_manual_is_printed_and_nothing_runs(shell):
    """For a cell and for a line; the cell's body is not run."""
    result = shell.run("%%batchflow flow --help -o run\ntouched = True\n[{'n': 1}]")
    assert result.success
    assert "--per-minute N" in result.text
    assert not {"touched", "run"} & set(shell.ip.user_ns)
    for text in ("%batchflow -h", "%%batchflow flow --help", "%%batchflow -h\n"):
        line = shell.run(text)
        assert line.text == result.text
        assert line.result is None
    assert "The cell has no param list" in shell.run("%%batchflow flow").text


def test_a_panel_is_refused_where_none_can_be_shown(shell):
    """%batchflow FLOW needs a notebook."""
    assert "A panel needs a notebook" in shell.run("%batchflow flow").text


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


def test_check_knows_the_options_of_the_line(shell):
    """What is right with them is no finding, and what they bring with them is one."""
    shell.run("from pocketflow import BatchFlow, Node\n"
              "class Ask(Node):\n"
              "    def post(self, shared, *_): shared['answer'] = shared['question']\n"
              "class All(BatchFlow):\n"
              "    def post(self, shared, *_): return str(shared['answer'])\n"
              "ask = Ask()\nall_ = All(start=ask)")  # fmt: skip
    rows = "\n[{'question': 1}]"
    assert "Add --fill-shared" in shell.run(f"%%batchflow ask --check{rows}").text
    assert "Nothing was found" in shell.run(f"%%batchflow ask --check --fill-shared{rows}").text
    text = shell.run("%%batchflow ask --check --fill-shared question\n['a']").text
    assert "Nothing was found" in text
    assert "Pass merge=" in shell.run(f"%%batchflow all_ --check --isolate{rows}").text
    assert "Pass merge=" not in shell.run(f"%%batchflow all_ --check{rows}").text


def test_check_finds_params_by_which_a_journal_recognises_no_row(shell, tmp_path):
    """Without a journal, such a param is as good as any other."""
    cell = "%%batchflow flow --check {}\n[{{'user_id': 1, 'client': object()}}]"
    text = shell.run(cell.format(f"--journal {tmp_path / 'j'}")).text
    assert "No row can be recognised by the param 'client', which holds an object of" in text
    assert "recognised" not in shell.run(cell.format("")).text


def test_an_object_that_isolated_instances_share_is_said_before_the_run(shell):
    """By a cell that runs, and by --check; not if it is shared on purpose, or nothing is isolated."""
    shell.run("import threading\nstore = {'client': threading.Lock()}")
    said = "note: Isolated instances use one and the same object in shared['client'] (lock)."
    cell = "%%batchflow flow --shared store {} -o run\n[{{'n': 1}}]"
    assert said in shell.run(cell.format("--isolate --check")).text
    assert "run" not in shell.ip.user_ns
    assert said in shell.run("%batchflow flow --shared store --isolate --check").text
    assert shell.run(cell.format("--isolate")).text.startswith(said)
    for options in ("", "--isolate --allow-shared client"):
        result = shell.run(cell.format(options))
        assert result.success
        assert said not in result.text


def test_an_empty_list_is_said(shell):
    """The cell succeeds: a filter may have left no row."""
    for body in ("[]", "[{'n': n} for n in range(0)]"):
        result = shell.run(f"%%batchflow flow -o run\n{body}")
        assert result.success
        assert "The param list is empty, so no instance runs." in result.text
        assert shell["run"].ok
    assert "is empty" not in shell.run("%%batchflow flow\n[{'n': 1}]").text
