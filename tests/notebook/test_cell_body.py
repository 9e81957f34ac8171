"""The body of a %%batchflow cell is Python like any cell's."""

import pytest


def test_names_set_in_the_body_stay(shell):
    """The body runs in the user's namespace."""
    shell.run("%%batchflow flow -o run\nrows = [{'n': 1}]\nrows")
    assert shell["rows"] == [{"n": 1}]
    assert shell["run"].shared == {"sums": [2]}


def test_top_level_await_works(shell):
    """The body may await, before its last line and in it."""
    shell.run(
        "%%batchflow flow -o run\nn = await asyncio.sleep(0, 5)\n[{'n': await asyncio.sleep(0, n)}]"
    )
    assert shell["run"][0].params == {"n": 5}


def test_magics_inside_the_body_work(shell):
    """IPython's own syntax is understood in the body."""
    result = shell.run("%%batchflow flow -o run\nnames = %who_ls AsyncFlow\n[{'n': len(names)}]")
    assert result.success, result.text
    assert shell["run"][0].params == {"n": 1}


def test_braces_in_dicts_survive(shell):
    """IPython's expansion of {names} in magic cells does not touch the dicts."""
    shell.run("n = 41\n")
    shell.run("%%batchflow flow -o run\n[{'n': n, 'text': '{n} $n'}]")
    assert shell["run"][0].params == {"n": 41, "text": "{n} $n"}


def test_an_error_in_the_body_shows_the_users_line(shell):
    """The traceback names the cell's number, and the line counted from the cell's first."""
    number = shell.ip.execution_count
    result = shell.run("%%batchflow flow -o run\nx = 1\n\n1 / 0\n[]")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert f"Cell In[{number}], line 4" in result.text
    assert "----> 4 1 / 0" in result.text
    assert "magic.py" not in result.text
    assert "run" not in shell.ip.user_ns


def test_a_syntax_error_in_the_body_shows_no_frame_of_ours(shell):
    """Only the user's own line is shown, numbered as in the cell."""
    number = shell.ip.execution_count
    result = shell.run("%%batchflow flow\nx = 1\n[1,,2]")
    assert not result.success
    assert f"Cell In[{number}], line 3" in result.text
    assert "SyntaxError" in result.text
    assert "flowmagic" not in result.text


def test_a_body_that_ends_in_a_statement_is_refused_with_the_mend(shell):
    """A last line without a value is the commonest slip: the message names the line to add."""
    result = shell.run("%%batchflow flow\nrows = [{'n': 1}]")
    assert result.text == (
        "UsageError: The cell ends in a statement (line 2), but must end in the param "
        "list: add a line with just rows.\n"
    )
    result = shell.run("%%batchflow flow\nfor x in []: pass")
    assert 'for example [{"user_id": 1}]' in result.text


@pytest.mark.parametrize("body", ["\n", "   \n\n", "# nothing here", "\n# nothing\n\n"])
def test_an_empty_body_asks_the_flows_own_prep(shell, body):
    """A body of blanks and comments leaves the batch to the flow's prep."""
    shell.run(
        "class Own(AsyncFlow):\n"
        "    async def prep_async(self, shared):\n"
        "        return [{'n': 7}, {'n': 8}]\n"
        "own = Own(start=Add())"
    )
    result = shell.run(f"%%batchflow own -o run\n{body}")
    assert result.success, result.text
    assert [each.params for each in shell["run"].instances] == [{"n": 7}, {"n": 8}]


def test_an_empty_body_without_a_prep_is_refused(shell):
    """Nothing can give the batch: said in one line."""
    result = shell.run("%%batchflow flow\n# nothing")
    assert "The cell has no param list, and AsyncFlow has no prep that returns one." in result.text
    assert result.text.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "lines", "corrected"),
    [
        ('{"n": 1},\n{"n": 2},', "2 to 3 of the cell are 2", '[{"n": 1}, {"n": 2}]'),
        ('{"n": 1}\n{"n": 2}', "2 to 3 of the cell are 2", '[{"n": 1}, {"n": 2}]'),
        ('x = 1\n{"n": x},\n\n({"n": 2}),', "3 to 5 of the cell are 2", '[{"n": x}, {"n": 2}]'),
        ("dict(n=1),\ndict(n=2),  # two", "2 to 3 of the cell are 2", "[dict(n=1), dict(n=2)]"),
        ('{"n": 1}, {"n": 2},\n{"n": 3}', "2 to 3", '[{"n": 1}, {"n": 2}, {"n": 3}]'),
        ('{"n": 1},\n' * 9, "2 to 10 of the cell are 9", '[{"n": 1}, {"n": 1}, {"n": 1}, ...]'),
        ('{\n"n": 1\n},\n{"n": 2},', "2 to 5", "[{...}, {...}]"),
        ('{"n": "' + "x" * 200 + '"},\n{"n": 2},', "2 to 3", "[{...}, {...}]"),
    ],
)
def test_rows_on_lines_of_their_own_are_refused_with_the_list(shell, body, lines, corrected):
    """Python would run the last one only, without a word about the others."""
    result = shell.run(f"%%batchflow flow -o run\n{body}")
    assert result.text.startswith(f"UsageError: Lines {lines}")
    assert result.text.endswith(f"only the last one would run. Write one list: {corrected}\n")
    assert result.text.count("\n") == 1
    assert "run" not in shell.ip.user_ns


def test_rows_that_are_refused_show_no_secret(shell):
    """A saved notebook keeps the message."""
    result = shell.run('%%batchflow flow\n{"n": 1, "api_key": "sk-123456"},\n{"n": 2},')
    assert "Write one list: " in result.text
    assert "sk-123456" not in result.text


@pytest.mark.parametrize(
    "body", ['{"n": 1}, {"n": 2}', '({"n": 1}, {"n": 2})', '"rows"\n{"n": 1},\n[{"n": 2}]']
)
def test_one_statement_of_rows_is_a_batch(shell, body):
    """A tuple is a list of rows, too; what stands before a list is not looked at."""
    result = shell.run(f"%%batchflow flow -o run\n{body}")
    assert result.success, result.text
    assert shell["run"].ok
