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


def test_the_latest_run_without_a_variable_is_kept():
    """Nothing else may keep it, where there is no panel. The one before it goes."""
    shell = Shell()
    for _ in range(2):
        run_list.add(shell, flowmagic.run_batch(Say(), [{}]), None)
    run_list.add(shell, flowmagic.run_batch(Say(), [{}]), "gone")
    gc.collect()
    assert list(run_list.runs(shell)) == [2]


def test_a_run_is_found_by_its_number_or_those_there_are_are_listed():
    """In one line; of many, the latest ten."""
    shell = Shell()
    shell.user_ns = {}
    with pytest.raises(UsageError, match=r"^There is no run 1\. No runs yet\. Start one: %%batch"):
        run_list.find(shell, 1)
    runs = [flowmagic.run_batch(Say(), [{}]) for _ in range(12)]
    for run in runs[:2]:
        run_list.add(shell, run, None)
    assert run_list.find(shell, 2) == ("", runs[1])
    run_list.bind(shell, 2, "second")
    assert run_list.find(shell, 2) == ("second", runs[1])
    assert shell.user_ns == {"second": runs[1]}
    with pytest.raises(UsageError, match=r"^There is no run 3\. .*: 1 \(Say\), 2 \(second\)\.$"):
        run_list.find(shell, 3)
    for run in runs[2:]:
        run_list.add(shell, run, "run")
    with pytest.raises(UsageError, match=r": …, 3 \(run\), .*, 12 \(run\)\.$"):
        run_list.find(shell, 0)


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
