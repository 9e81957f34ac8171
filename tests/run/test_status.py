"""How a run ends, and the observers of its status."""

from __future__ import annotations

import pytest

from flowmagic.run.status import Observers, RunEnd, RunStatus


def test_a_run_ends_as_requested_and_finishes_if_nothing_was():
    """The last request counts."""
    run_end = RunEnd()
    assert not run_end.is_early
    assert run_end.status == "finished"
    run_end.requested = RunStatus.STOPPED
    assert run_end.is_early
    run_end.requested = RunStatus.CANCELLED
    assert run_end.status == "cancelled"


def test_what_broke_it_first_is_kept_and_outweighs_what_was_requested():
    """A later error is often a consequence of it."""
    run_end = RunEnd()
    first = ValueError("first")
    run_end.requested = RunStatus.STOPPED
    run_end.keep(first)
    run_end.keep(ValueError("second"))
    assert run_end.error is first
    assert run_end.status == "failed"


def test_the_traceback_is_that_of_the_moment_when_it_broke():
    """However often the error is raised again later."""
    run_end = RunEnd()
    try:
        raise ValueError("x")
    except ValueError as error:
        run_end.keep(error)
        seen = error.__traceback__
    with pytest.raises(ValueError, match="x"):
        raise run_end.error
    assert run_end.traceback is seen
    assert run_end.error.__traceback__ is not seen


def test_reopened_it_is_as_new_but_for_rows_that_never_started():
    """A stopped run whose failures succeed at last has still not run all its rows."""
    run_end = RunEnd()
    run_end.requested = RunStatus.STOPPED
    run_end.reason = "too many failed"
    run_end.keep(ValueError("post"))
    run_end.reopen()
    assert (run_end.is_early, run_end.error, run_end.reason) == (False, None, "")
    assert run_end.status == "stopped"


def test_a_source_that_broke_stays_broken():
    """What it did not give will never come, however often the run is continued."""
    run_end = RunEnd()
    run_end.keep(ValueError("source"))
    run_end.source_is_broken = True
    run_end.reopen()
    assert run_end.status == "failed"
    assert str(run_end.error) == "source"


class Loop:
    """Stands in for an event loop: keeps what its exception handler would get."""

    def __init__(self):
        self.errors = []

    def call_exception_handler(self, context):
        self.errors.append(context["exception"])


def test_all_observers_are_called_with_the_run_and_one_that_raises_only_once():
    """The others hear of each change; the loop's exception handler gets the error."""
    loop, error = Loop(), RuntimeError()
    observers, heard = Observers("the run", loop), []

    def broken(run):
        heard.append("broken")
        raise error

    observers.add(heard.append)
    observers.add(broken)
    observers.add(heard.append)
    observers.notify()
    observers.notify()
    assert heard == ["the run", "broken", "the run", "the run", "the run"]
    assert loop.errors == [error]


def test_an_observer_that_is_added_by_another_one_is_called_from_the_next_change_on():
    """The change that is being reported came before it."""
    observers, heard = Observers("the run", Loop()), []
    observers.add(lambda run: None if heard else observers.add(heard.append))
    observers.notify()
    assert heard == []
    observers.notify()
    assert heard == ["the run"]
