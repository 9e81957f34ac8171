"""Every error that flowmagic raises.

    FlowmagicError
    ├── BatchError (TypeError)             the batch is not a list of param dicts
    ├── FlowError (TypeError)              the flow is not a PocketFlow flow or node
    ├── LimitError (ValueError)            a limit has a value that is not possible
    ├── NoRunningLoopError (RuntimeError)  batchflow() needs a running event loop
    ├── BlockedLoopError (RuntimeError)    a blocking wait would stop the event loop of its thread
    ├── JournalError (RuntimeError)        a journal cannot be written, read or resumed from
    ├── SharedError (TypeError)            the shared store cannot be shared in this way
    ├── EngineError (RuntimeError)         an engine cannot be reached, or cannot run this flow
    ├── InstanceLostError (RuntimeError)   the worker that ran an instance has died
    ├── OutputLostError (RuntimeError)     stands in place of an output that is not there any more
    ├── MissingExtraError (ImportError)    an optional package is not installed
    ├── InputError (EOFError)              a run asks for input where nobody can answer
    ├── OptionError (TypeError)            no such option, or an argument has the wrong type
    ├── MissingAttributeError (AttributeError)  a run, an instance or the package has no such attribute
    ├── MissingIndexError (IndexError)     a run has no such instance, or a journal no such run
    └── InstancesFailedError               raised by BatchRun.raise_for_failures()

    RateLimitHit (Exception)               to be raised by your nodes: a provider asks to slow down

    RemoteError (RuntimeError)             replaces an error of a node that is on a worker or in a journal

flowmagic does not wrap the errors of the user's nodes: they are the results of their instances.
`RemoteError` is the exception to this rule.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence


class FlowmagicError(Exception):
    """Base class of the errors that flowmagic raises."""

    def _render_traceback_(self) -> list[str]:
        """Return one line for IPython to show: the message says what to do, so no frames are needed."""
        return [f"{type(self).__name__}: {self}"]


class BatchError(FlowmagicError, TypeError):
    """The batch is not a list, or another iterable, of param dicts."""


class FlowError(FlowmagicError, TypeError):
    """An object that should be a PocketFlow flow or node is something else."""


class LimitError(FlowmagicError, ValueError):
    """A limit, or another number, has a value that is not possible."""


class NoRunningLoopError(FlowmagicError, RuntimeError):
    """A function that needs a running event loop was called where none is running."""


class BlockedLoopError(FlowmagicError, RuntimeError):
    """A blocking wait was requested in a thread whose event loop is running, and would block it."""


class JournalError(FlowmagicError, RuntimeError):
    """A journal cannot be written or read, or a run cannot be resumed from it."""


class SharedError(FlowmagicError, TypeError):
    """The shared store is not a plain dict where one is needed, or an option about it is not valid."""


class EngineError(FlowmagicError, RuntimeError):
    """An engine cannot be reached, has stopped, or cannot run this flow with these params."""


class InstanceLostError(FlowmagicError, RuntimeError):
    """The worker that ran an instance has died, and what the instance did there is not known."""


class OutputLostError(FlowmagicError, RuntimeError):
    """An output was dropped from memory, or could not be written or sent. It stands in its place."""


class MissingExtraError(FlowmagicError, ImportError):
    """A feature needs an optional package that is not installed."""


class InputError(FlowmagicError, EOFError):
    """A node has called `input()` in a run that no cell waits for."""


class OptionError(FlowmagicError, TypeError):
    """There is no option of this name, or an argument has the wrong type."""


class MissingAttributeError(FlowmagicError, AttributeError):
    """A run, an instance or the package has no attribute of this name."""


class MissingIndexError(FlowmagicError, IndexError):
    """A run has no instance with this index, or a journal no run with this number."""


class InstancesFailedError(FlowmagicError):
    """Some instances of a run failed.

    The message gives their number and the first three errors. The `__cause__` is the first error.

    Args:
        failures: the index and the exception of each failed instance.
        total: the number of instances of the run.
        error_line: returns one line of text for the exception of an instance, given its index.
    """

    SHOWN = 3

    def __init__(
        self,
        failures: Sequence[tuple[int, BaseException]],
        total: int,
        error_line: Callable[[int, BaseException], str] = lambda _, error: (
            f"{type(error).__name__}: {error}"
        ),
    ) -> None:
        self.failures = list(failures)
        self.total = total
        lines = [f"{len(self.failures)} of {total} instances failed:"]
        lines += [
            f"  instance {index}: {error_line(index, error)}"
            for index, error in self.failures[: self.SHOWN]
        ]
        more = len(self.failures) - self.SHOWN
        if more > 0:
            lines.append(f"  … and {more} more, all in `.failures`")
        super().__init__("\n".join(lines))


class RateLimitHit(Exception):  # noqa: N818 - the name that pocketflow-throttled gave it
    """Raise this in a node when a provider refuses a call because of a rate limit.

    Args:
        message: the message of the provider.
        retry_after: seconds after which the provider accepts calls again; None if it did not say.
        source: name of the provider.
    """

    def __init__(
        self,
        message: str = "Rate limit hit",
        retry_after: float | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.source = source

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({str(self)!r}, retry_after={self.retry_after!r}, "
            f"source={self.source!r})"
        )


class RemoteError(RuntimeError):
    """Replaces an error of a node that could not be sent from its worker, or is in a journal.

    It has the message of that error.
    """


_WIDTH = 40  # characters of a value in a message


def describe(value: object) -> str:
    """Return the type of a value, for an error message, and the value if it is short text or a number.

    >>> describe(5), describe("abc"), describe([1, 2])
    ('an int (5)', "a str ('abc')", 'a list')
    """
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    if isinstance(value, (str, int, float)):
        try:
            text = repr(value)
        except ValueError:  # an int with more digits than Python converts to text
            return f"{article} {name}"
        return f"{article} {name} ({text if len(text) <= _WIDTH else text[: _WIDTH - 1] + '…'})"
    return f"{article} {name}"


_PACKAGE = __name__.partition(".")[0]


def from_users_frame(error: BaseException) -> BaseException:
    """Remove the leading frames of flowmagic from the traceback of an error, and return the error."""
    entry = error.__traceback__
    while entry is not None and _is_ours(entry.tb_frame):
        entry = entry.tb_next
    return error if entry is None else error.with_traceback(entry)


def users_stack_level() -> int:
    """Return the `stacklevel` with which `warnings.warn` names the line that called flowmagic."""
    level, frame = 1, sys._getframe(1)
    while _is_ours(frame) and frame.f_back is not None:
        level, frame = level + 1, frame.f_back
    return level


def _is_ours(frame: types.FrameType) -> bool:
    return f"{frame.f_globals.get('__name__', '')}.".startswith(f"{_PACKAGE}.")
