"""The runs of a shell, and of a journal, as a table."""

import gc

import pytest
from IPython.core.error import UsageError
from pocketflow import Node

import flowmagic
from flowmagic.notebook import run_list


class Shell:
    pass


class Say(Node):
    pass


def test_runs_are_listed_as_they_were_started_with_the_names_they_were_bound_to():
    """A dash where there was none; each shell has its own."""
    shell = Shell()
    runs = [flowmagic.run_batch(Say(), [{}] * n) for n in (1, 2)]
    run_list.add(shell, runs[0], "first")
    run_list.add(shell, runs[1], None)
    first, second = run_list.table(shell, None).splitlines()
    assert first.split()[0::2][:2] == ["1", "first"]
    assert "1 of 1 succeeded" in first
    assert second.split()[0::2][:2] == ["2", "-"]
    assert run_list.table(Shell(), None) == "No runs yet. Start one: %%batchflow FLOW"


def test_a_run_that_nobody_has_any_more_is_not_kept_for_the_list():
    """The numbers of the others stay."""
    shell = Shell()
    kept, gone = (flowmagic.run_batch(Say(), [{}]) for _ in range(2))
    run_list.add(shell, gone, "gone")
    run_list.add(shell, kept, "kept")
    del gone
    gc.collect()
    [line] = run_list.table(shell, None).splitlines()
    assert line.split()[0::2][:2] == ["2", "kept"]


def test_the_runs_of_a_journal_stand_above_those_of_the_kernel(tmp_path):
    """With what tells them apart; a file that is none is refused in one line."""
    path = tmp_path / "runs.journal"
    flowmagic.run_batch(Say(), [{"n": 1}], journal=path)
    past, here = run_list.table(Shell(), path).split("\n\nthis kernel:\n")
    assert "Say" in past
    assert here.startswith("No runs yet")
    (tmp_path / "other").write_text("no journal")
    with pytest.raises(UsageError, match="other"):
        run_list.table(Shell(), tmp_path / "other")
