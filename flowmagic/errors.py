"""Every error flowmagic raises.

    FlowmagicError
    ├── BatchError (TypeError)          the param list is no list of dicts
    ├── FlowError (TypeError)           what was given is no PocketFlow flow or node
    ├── LimitError (ValueError)         a limit that cannot be kept
    ├── NoRunningLoopError (RuntimeError)  batchflow() was called where no event loop runs
    ├── BlockedLoopError (RuntimeError)    a wait would block the event loop of this thread
    ├── JournalError (RuntimeError)     a journal cannot be written, read, or resumed from
    ├── SharedError (TypeError)         the shared store cannot be shared as asked
    ├── EngineError (RuntimeError)      an engine cannot be reached, or cannot take what it is given
    ├── InstanceLostError (RuntimeError)   the worker that ran an instance is gone
    ├── MissingExtraError (ImportError)    an optional package is needed
    └── InstancesFailedError            raised by BatchRun.raise_for_failures()

    RateLimitHit (Exception)            for your nodes to raise: the provider refused, slow down

    RemoteError (RuntimeError)          stands for an error that could not travel from a worker

Errors of the user's own nodes are never wrapped, but for those that cannot travel: they are results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class FlowmagicError(Exception):
    """Base of all errors that flowmagic itself raises."""

    def _render_traceback_(self) -> list[str]:
        """Show one line in IPython: the message says what to do, our frames would not."""
        return [f"{type(self).__name__}: {self}"]


class BatchError(FlowmagicError, TypeError):
    """The batch is not a list (or another iterable) of param dicts."""


class FlowError(FlowmagicError, TypeError):
    """What should be a PocketFlow flow or node is something else."""


class LimitError(FlowmagicError, ValueError):
    """A limit has a value that no run could keep to."""


class NoRunningLoopError(FlowmagicError, RuntimeError):
    """A call that needs a running event loop was made where there is none."""


class BlockedLoopError(FlowmagicError, RuntimeError):
    """A blocking wait was asked for on a thread whose event loop would stand still meanwhile."""


class JournalError(FlowmagicError, RuntimeError):
    """A journal cannot be written or read, or a run cannot be resumed from it."""


class SharedError(FlowmagicError, TypeError):
    """The shared store, or how it is to be shared, is not of a form that a run can take."""


class EngineError(FlowmagicError, RuntimeError):
    """An engine cannot be reached, is gone, or cannot take what it is given."""


class InstanceLostError(FlowmagicError, RuntimeError):
    """The worker that ran an instance is gone, and what the instance did there is not known."""


class MissingExtraError(FlowmagicError, ImportError):
    """A feature needs a package that is not installed."""


class InstancesFailedError(FlowmagicError):
    """Some instances failed; `failures` holds (index, exception) of every one.

    The message names the count and shows the first three; the first exception is the `__cause__`.

    Args:
        failures: index and exception of each.
        total: how many instances there are.
        say: gives what an instance's exception is called in the message, on one line.
    """

    SHOWN = 3

    def __init__(
        self,
        failures: Sequence[tuple[int, BaseException]],
        total: int,
        say: Callable[[int, BaseException], str] = lambda _, error: (
            f"{type(error).__name__}: {error}"
        ),
    ) -> None:
        self.failures = list(failures)
        self.total = total
        lines = [f"{len(self.failures)} of {total} instances failed:"]
        lines += [
            f"  instance {index}: {say(index, error)}"
            for index, error in self.failures[: self.SHOWN]
        ]
        more = len(self.failures) - self.SHOWN
        if more > 0:
            lines.append(f"  … and {more} more, all in `.failures`")
        super().__init__("\n".join(lines))


class RateLimitHit(Exception):  # noqa: N818 - the name that pocketflow-throttled gave it
    """Raise it in a node to say that a provider refused because of a rate limit.

    Args:
        message: what it said.
        retry_after: after how many seconds it may be asked again, if it said so.
        source: who refused.
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
    """Stands for the error of a node on a worker that could not travel: it says what that said."""


_WIDTH = 40  # of a value in a message


def describe(value: object) -> str:
    """Name what was found, for the first half of an error message: its type, and a short value."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    if isinstance(value, (str, int, float)):
        try:
            text = repr(value)
        except ValueError:  # an int of more digits than Python writes
            return f"{article} {name}"
        return f"{article} {name} ({text if len(text) <= _WIDTH else text[: _WIDTH - 1] + '…'})"
    return f"{article} {name}"


_PACKAGE = __name__.partition(".")[0]


def from_users_frame(error: BaseException) -> BaseException:
    """Take our frames off the top of an error's traceback, so that it begins in the user's code."""
    entry = error.__traceback__
    while entry is not None:
        module = entry.tb_frame.f_globals.get("__name__", "")
        if module != _PACKAGE and not module.startswith(f"{_PACKAGE}."):
            return error.with_traceback(entry)
        entry = entry.tb_next
    return error
