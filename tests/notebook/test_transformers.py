"""The text of a cell before it runs: what is awaited, what is put right, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.notebook.transformers import await_batchflow, header_first

CALL = "get_ipython().run_cell_magic('batchflow', 'flow', \"[{'n': 1}]\\n\")\n"


def test_a_cell_is_awaited_and_other_cells_are_left_as_they_are():
    """Also a cell that only mentions the magic."""
    assert await_batchflow([CALL]) == [f"await {CALL}"]
    for cell in (
        "x = 1\n",
        "print('%%batchflow')\n",
        "batchflow = 3\n",
        "get_ipython().run_cell_magic('time', '', 'batchflow()\\n')\n",
        "get_ipython().run_line_magic('batchflow', '')\n",
        "get_ipython().run_line_magic('batchflow', 'flow')\nx = 1\n",
    ):
        assert await_batchflow([cell]) == [cell]


def test_comments_above_the_line_move_below_it_and_all_other_lines_stay():
    """So that the lines of a traceback are those of the cell."""
    lines = ["# why\n", "\n", "# and how\n", "%%batchflow flow\n", "rows = 1/0\n", "[]\n"]
    assert header_first(lines) == [lines[3], *lines[:3], *lines[4:]]
    assert header_first(["# why\n", "%%batchflow flow"]) == ["%%batchflow flow\n", "# why\n"]


@given(
    st.lists(
        st.sampled_from(
            ["# c\n", "\n", "x = 1\n", "%%time\n", "%%batchflow flow\n", " %%batchflow\n"]
        )
    )
)
def test_only_the_first_line_that_is_no_comment_moves(lines):
    """No line is lost, and a cell that begins with anything else is left as it is."""
    moved = header_first(lines)
    assert sorted(moved) == sorted(lines)
    first = next((each for each in lines if each.strip() and not each.startswith("#")), "")
    assert (moved != lines) == (first.startswith("%%batchflow") and lines[0] != first)


def test_a_comment_may_stand_above_the_line(shell):
    """The lines of a traceback are those of the cell."""
    assert shell.run("# a word on it\n\n%%batchflow flow -o run\n[{'n': 1}]").success
    assert shell["run"].ok
    text = shell.run("# a word on it\n%%batchflow flow\n1 / 0").text
    assert "line 3" in text


@pytest.mark.parametrize(
    "cell",
    [
        "touched = True\n%%batchflow flow -o run\n[{'n': 1}]",
        "%%batchflow flow -o other\ntouched = True\n[{'n': 1}]\n%%batchflow flow -o run\n[{'n': 2}]",
        "%%batchflow flow -o other\n%%batchflow flow -o run\n[{'n': 2}]",
        "%%batchflow flow -o other\n# twice\n%%batchflow flow -o run\n[{'n': 2}]",
    ],
)
def test_the_magic_is_the_first_line_of_its_cell_or_the_line_to_move_is_named(shell, cell):
    """After code, and for a second one in the same cell; neither it nor the code runs."""
    result = shell.run(cell)
    assert result.text == (
        "UsageError: %%batchflow must be the first line of its cell, so nothing was started. "
        "Begin a new cell with this line: %%batchflow flow -o run\n"
    )
    assert not {"touched", "run", "other"} & set(shell.ip.user_ns)


def test_a_list_under_one_percent_sign_is_refused_with_the_right_line(shell):
    """It would open a panel, or fail, and the list would go nowhere."""
    for rows in ("[{'n': 1}]", "[]", "n = 3\n[{'n': n} for n in range(n)]"):
        text = shell.run(f"%batchflow flow --limit 2 -o run\n{rows}").text
        assert text == (
            "UsageError: A line with one % takes no param list, so nothing was started. "
            "Write two: %%batchflow flow --limit 2 -o run\n"
        )
    assert shell.run("%batchflow\n[1]").success


def test_a_file_needs_no_body(shell, tmp_path):
    """IPython would refuse a cell magic without one."""
    (tmp_path / "rows.csv").write_text("n\n1\n2\n")
    shell.run("class Read(AsyncNode):\n    pass\nread = Read()")
    for end in ("", "\n", "\n\n# the rows come from the file\n"):
        shell.ip.user_ns.pop("run", None)
        assert shell.run(f"%%batchflow read -f {tmp_path}/rows.csv -o run{end}").success
        assert shell["run"].total == 2


def test_without_autoawait_a_cell_still_runs(shell):
    """At a terminal the shell then runs it to its end all the same."""
    shell.run("%autoawait off")
    assert shell.run("%%batchflow flow -o run\n[{'n': 1}]").success
    assert shell["run"].ok
    shell.run("%autoawait on")


async def test_where_a_loop_runs_that_nothing_can_await_the_cell_starts_its_run(shell):
    """As in a notebook that %run executes in a kernel; here the test's loop is the kernel's."""
    result = shell.run("%%batchflow flow -o run --no-wait\n[{'n': 1}]")
    assert result.success, result.text
    assert not shell["run"].ended
    assert (await shell["run"]).ok
    text = shell.run("%%batchflow flow -o waits\n[{'n': 1}]").text
    assert text == "This cell cannot wait for its run here. Write in the next one: await waits\n"
    await shell["waits"]
    text = shell.run("%%batchflow flow -o none\nawait asyncio.sleep(0)\n[{'n': 1}]").text
    assert text.startswith(
        "UsageError: The body of this cell awaits something, which neither %run nor"
    )
    assert "none" not in shell.ip.user_ns
