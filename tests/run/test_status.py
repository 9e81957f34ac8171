"""How a run ends, and the observers of its status."""

from __future__ import annotations

import asyncio

import pytest

from flowmagic import batchflow
from flowmagic.records.batch import as_batch
from flowmagic.run.status import Observers, RunEnd, RunStatus, close_source, drain, finish_journal

from ..virtualtime import virtual
from .sleepers import Sleeper


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
    run_end.reopen(complete=False)
    assert (run_end.is_early, run_end.error, run_end.reason) == (False, None, "")
    assert run_end.status == "stopped"
    run_end.reopen(complete=True)
    assert run_end.status == "finished"


def test_a_source_that_broke_stays_broken():
    """What it did not give will never come, however often the run is continued."""
    run_end = RunEnd()
    run_end.keep(ValueError("source"))
    run_end.source_is_broken = True
    run_end.reopen(complete=False)
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


@virtual
async def test_an_error_in_closing_the_source_surfaces():
    """A `finally` that raises is the user's error."""

    def source():
        try:
            yield {"i": 0}
            yield {"i": 1}
        finally:
            raise OSError("disk")

    run = batchflow(Sleeper(), source(), limit=1)
    await asyncio.sleep(0.5)
    run.stop()
    with pytest.raises(OSError, match="disk"):
        await run
    assert run.status == "failed"


@virtual
async def test_cancel_reaches_a_source_that_closes_slowly():
    """A second cancel, or a retry, while the source closes: the run ends, and nothing is lost."""

    async def source():
        try:
            yield {"i": 0}
            yield {"i": 1}
        finally:
            await asyncio.sleep(50)

    node = Sleeper(failing=[0])
    run = batchflow(node, source(), limit=1)
    await asyncio.sleep(0.5)
    run.stop()
    await asyncio.sleep(1)
    run.cancel()
    await run
    assert run.status == "cancelled"
    assert asyncio.get_running_loop().time() < 1002


# Directly


class Runner:
    """Its `drain` raises what it is given, after a second."""

    def __init__(self, error=None):
        self.error = error
        self.drained = False

    async def drain(self):
        await asyncio.sleep(1)
        if self.error is not None:
            raise self.error
        self.drained = True


class Journal:
    """Notes in what order it is written; one of its steps may be cancelled."""

    def __init__(self, cancelled=None):
        self.written = []
        self.cancelled = cancelled

    async def all_rows(self):
        await self._step("rows")

    async def settled(self):
        await self._step("on disk")

    async def _step(self, name):
        await asyncio.sleep(1)
        if name == self.cancelled:
            raise asyncio.CancelledError
        self.written.append(name)


async def raising(error):
    try:
        yield {"i": 0}
        yield {"i": 1}
    finally:
        raise error


@virtual
async def test_closing_a_source_runs_its_finally_blocks():
    """Of a generator; a list has nothing to close."""
    closed = []

    async def source():
        try:
            yield {"i": 0}
        finally:
            closed.append(True)

    run_end, batch = RunEnd(), as_batch(source())
    await batch.draw_async()
    await close_source(batch, run_end)
    assert closed == [True]
    await close_source(as_batch([{"i": 0}]), run_end)
    assert run_end.status == "finished"


@pytest.mark.parametrize("error", [OSError("disk"), SystemExit(1), KeyboardInterrupt()])
@virtual
async def test_what_a_source_raises_when_it_is_closed_is_kept(error):
    """Whatever its class: the run has yet to be taken to its end."""
    run_end, batch = RunEnd(), as_batch(raising(error))
    await batch.draw_async()
    await close_source(batch, run_end)
    assert run_end.error is error
    assert run_end.status == "failed"


@virtual
async def test_a_cancellation_while_the_source_is_closed_cancels_the_run():
    """It is a request of the user, and no error."""
    run_end, batch = RunEnd(), as_batch(raising(asyncio.CancelledError()))
    await batch.draw_async()
    await close_source(batch, run_end)
    assert run_end.error is None
    assert run_end.requested == RunStatus.CANCELLED


@virtual
async def test_the_engine_is_waited_for():
    """The run has not ended before nothing of its instances is left."""
    run_end, runner = RunEnd(), Runner()
    await drain(runner, run_end)
    assert runner.drained
    assert run_end.status == "finished"


@virtual
async def test_an_engine_that_cannot_release_what_it_used_breaks_the_run():
    """Its error is raised to whoever awaits the run; a loop that is being closed is no error."""
    run_end, error = RunEnd(), OSError("cluster is gone")
    await drain(Runner(asyncio.CancelledError()), run_end)
    assert run_end.error is None
    await drain(Runner(error), run_end)
    assert run_end.error is error


@virtual
async def test_the_first_of_several_errors_is_kept():
    """What broke the run, not what follows from it."""
    run_end, first = RunEnd(), OSError("first")
    await drain(Runner(first), run_end)
    await drain(Runner(OSError("second")), run_end)
    assert run_end.error is first


@virtual
async def test_the_end_is_written_after_all_rows_and_waited_for():
    """A run that is reported to have ended is on disk."""
    journal = Journal()
    await finish_journal(journal, lambda: journal.written.append("end"))
    assert journal.written == ["rows", "end", "on disk"]


@pytest.mark.parametrize("cancelled", ["rows", "on disk"])
@virtual
async def test_the_end_is_written_though_the_loop_is_being_closed(cancelled):
    """Then the rest is written without waiting for it."""
    journal = Journal(cancelled)
    await finish_journal(journal, lambda: journal.written.append("end"))
    assert "end" in journal.written
    assert cancelled not in journal.written
