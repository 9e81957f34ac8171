"""How a run ends."""

import pytest

from flowmagic.run.status import RunEnd, RunStatus


def test_a_run_finishes_unless_another_end_was_requested():
    """The last request counts."""
    run_end = RunEnd()
    assert not run_end.is_early
    assert run_end.status == "finished"
    run_end.requested = RunStatus.STOPPED
    assert run_end.is_early
    run_end.requested = RunStatus.CANCELLED
    assert run_end.status == "cancelled"


def test_the_first_error_is_kept_and_outweighs_a_requested_end():
    """A later error is often a consequence of it."""
    run_end = RunEnd()
    first = ValueError("first")
    run_end.requested = RunStatus.STOPPED
    run_end.keep(first)
    run_end.keep(ValueError("second"))
    assert run_end.error is first
    assert run_end.status == "failed"


def test_the_traceback_is_that_of_the_moment_when_the_run_broke():
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


def test_reopening_forgets_the_end_but_not_that_rows_never_started():
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
