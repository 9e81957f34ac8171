"""How a run ends."""

import pytest

from flowmagic.run.status import Ending, RunStatus


def test_a_run_ends_as_it_was_asked_to_and_finishes_if_nothing_asked():
    """What it is asked last holds."""
    ending = Ending()
    assert ending.goes_on
    assert ending.status == "finished"
    ending.asked = RunStatus.STOPPED
    assert not ending.goes_on
    ending.asked = RunStatus.CANCELLED
    assert ending.status == "cancelled"


def test_what_broke_it_first_is_kept_and_counts_for_more_than_what_was_asked():
    """A later error is often a consequence of it."""
    ending = Ending()
    first = ValueError("first")
    ending.asked = RunStatus.STOPPED
    ending.keep(first)
    ending.keep(ValueError("second"))
    assert ending.error is first
    assert ending.status == "failed"


def test_the_traceback_is_that_of_the_moment_when_it_broke():
    """However often the error is raised again later."""
    ending = Ending()
    try:
        raise ValueError("x")
    except ValueError as error:
        ending.keep(error)
        seen = error.__traceback__
    with pytest.raises(ValueError, match="x"):
        raise ending.error
    assert ending.traceback is seen
    assert ending.error.__traceback__ is not seen


def test_taken_up_again_it_is_as_it_was_but_for_rows_that_never_started():
    """A stopped run whose failures succeed at last has still not run all its rows."""
    ending = Ending()
    ending.asked = RunStatus.STOPPED
    ending.reason = "too many failed"
    ending.keep(ValueError("post"))
    ending.reopen()
    assert (ending.goes_on, ending.error, ending.reason) == (True, None, "")
    assert ending.status == "stopped"


def test_a_source_that_broke_stays_broken():
    """What it did not give will never come, however often the run is taken up again."""
    ending = Ending()
    ending.keep(ValueError("source"))
    ending.source_is_broken = True
    ending.reopen()
    assert ending.status == "failed"
    assert str(ending.error) == "source"
