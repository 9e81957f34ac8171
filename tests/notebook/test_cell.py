"""A cell of the magic: where its batch comes from, and how its run ends."""

import pytest


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
    assert "attributes or successors of Add have changed" in result.text
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
