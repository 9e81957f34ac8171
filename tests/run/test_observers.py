"""The functions that are called when the status of a run has changed."""

from flowmagic.run.observers import Observers


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
