"""One call that has been let in, as its user holds it."""

from __future__ import annotations

from typing import Any, Protocol

from ...errors import LimitError, describe
from ..limits import plain_number
from ..pace import Entry, Pace


class CallOwner(Protocol):
    """What has let a call in."""

    def correct(self, call: Call, tokens: float) -> None:
        """Set how many tokens a call really used."""

    def leave(self, call: Call, error: BaseException | None) -> None:
        """Note that a call has ended, and by what error if by one."""


class Call:
    """One call that has been let in.

    Attributes:
        tokens: how many it counts for.
        began: when it was let in, by the limit's clock.
        waited: how many seconds it had waited until then.
        limit: what has let it in.
        outer: the call of the same task that it stands in, under the same limit; None: there is none.
        pace, entry: the pace of tokens that it began under, and what it counts for there.
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
        """Tell how many tokens it really used, within its block or after it; the last word counts.

        Raises:
            LimitError: that is no number of tokens.
        """
        self.limit.correct(self, check_tokens(tokens, "used"))


def check_tokens(value: Any, name: str = "tokens") -> float:
    """Return `value` if it is a number of tokens, not negative and finite; else raise LimitError."""
    number = plain_number(value)
    if number is None or number < 0:
        line = "call.used(1200)" if name == "used" else "limit.call(tokens=1200)"
        raise LimitError(
            f"{name} is {describe(value)}, not a number of tokens, 0 or more. Write for example {line}."
        )
    return int(number) if float(number).is_integer() else number
