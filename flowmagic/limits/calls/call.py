"""A call that a limit has let in, as the user's code holds it."""

from __future__ import annotations

from typing import Any, Protocol

from ...errors import LimitError, describe
from ..limits import plain_number
from ..pace import Entry, Pace


class CallOwner(Protocol):
    """What a call reports to: the limit that let it in."""

    def correct(self, call: Call, tokens: float) -> None:
        """Replace the estimated tokens of a call by the true number."""

    def leave(self, call: Call, error: BaseException | None) -> None:
        """Record that a call has ended, with the error that it raised, if any."""


class Call:
    """A call that a limit has let in.

    Attributes:
        tokens: how many tokens it counts for.
        began: when it was let in, in seconds of the limit's clock.
        waited: how many seconds it waited before that.
        limit: the limit that let it in.
        outer: the enclosing call of the same task under the same limit, if there is one.
        pace, entry: the token pace that it counts against, and its entry there.
    """

    __slots__ = ("began", "entry", "limit", "outer", "pace", "tokens", "waited")

    def __init__(self, limit: CallOwner, tokens: float, began: float, waited: float) -> None:
        self.limit = limit
        self.outer: Call | None = None
        self.tokens = tokens
        self.began = began
        self.waited = waited
        self.pace: Pace | None = None
        self.entry: Entry | None = None

    def used(self, tokens: float) -> None:
        """Report how many tokens the call really used, in its block or after it.

        It replaces the estimate; of several reports, the last one counts.

        Raises:
            LimitError: `tokens` is not a number, or is negative.
        """
        self.limit.correct(self, check_tokens(tokens, "used"))


def check_tokens(value: Any, name: str = "tokens") -> float:
    """Return `value` if it is a finite number of tokens, 0 or more; else raise LimitError."""
    number = plain_number(value)
    if number is None or number < 0:
        line = "call.used(1200)" if name == "used" else "limit.call(tokens=1200)"
        raise LimitError(
            f"{name} is {describe(value)}, not a number of tokens, 0 or more. Write for example {line}."
        )
    return int(number) if float(number).is_integer() else number
