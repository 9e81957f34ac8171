"""What a preset is made of: how many calls or instances, and where the figures are from.

A config checks itself when it is made; what a file holds is checked before, so that the message
shows the corrected line as it would stand in the file.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date as calendar_date
from numbers import Real
from typing import Any, NamedTuple

from ..errors import LimitError, describe

Written = Callable[[str, Any], str]
"""How a field and its value are written where a preset is given."""


class _Rule(NamedTuple):
    expected: str
    fits: Callable[[Any], bool]
    example: Any


def _number(value: Any) -> bool:
    real = isinstance(value, Real) and not isinstance(value, bool)
    return real and bool(-math.inf < value < math.inf)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _day(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        # Python 3.11 reads more forms than that one.
        return value == "" or str(calendar_date.fromisoformat(value)) == value
    except ValueError:
        return False


_COUNT = _Rule("a positive integer", _whole, 5)
_PACE = _Rule("a positive number", lambda value: _number(value) and value > 0, 60)
_TEXT = _Rule("text", lambda value: isinstance(value, str), "our gateway's manual")
_RULES = {
    "max_concurrent": _COUNT,
    "max_per_minute": _PACE,
    "tokens_per_minute": _PACE._replace(example=30000),
    "initial_concurrent": _COUNT,
    "min_concurrent": _COUNT._replace(example=1),
    "max_concurrent_flows": _COUNT,
    "max_flows_per_minute": _PACE,
    "initial_concurrent_flows": _COUNT,
    "min_concurrent_flows": _COUNT._replace(example=1),
    "backoff_factor": _Rule(
        "a number between 0 and 1", lambda value: _number(value) and 0 < value < 1, 0.5
    ),
    "recovery_threshold": _COUNT._replace(example=10),
    "recovery_factor": _Rule("a number above 1", lambda value: _number(value) and value > 1, 1.2),
    "description": _TEXT,
    "provider": _TEXT,
    "source": _TEXT,
    "date": _Rule("a day as YYYY-MM-DD", _day, "2026-01-31"),
    "same_as": _Rule("the name of a preset", lambda value: isinstance(value, str), "MODERATE"),
}


def in_python(name: str, value: Any) -> str:
    """Write a field as the argument of a call."""
    return f"{name}={value!r}"


def in_json(name: str, value: Any) -> str:
    """Write a field as it stands in a file."""
    return f"{json.dumps(name)}: {json.dumps(value)}"


def near(name: str, among: Iterable[str]) -> str:
    """Say which name was probably meant, or else which there are."""
    names = list(among)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(names)}."


def require(name: str, value: Any, written: Written) -> None:
    """Raise LimitError if a field's value is not what it should be."""
    rule = _RULES[name]
    if not rule.fits(value):
        raise LimitError(
            f"{name} is {describe(value)}, not {rule.expected}. "
            f"Write for example {written(name, rule.example)}."
        )


def check(kind: type[Any], given: Mapping[str, Any], written: Written) -> None:
    """Raise LimitError about the first field of a preset that is not what it should be."""
    known = {field.name: field for field in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise LimitError(f"{name!r} is no field of a preset. {near(str(name), known)}")
        if value is not None or known[name].default is not None:
            require(name, value, written)
    for name, field in known.items():
        if field.default is MISSING and name not in given:
            raise LimitError(f"{name} is missing. Add {written(name, _RULES[name].example)}.")


@dataclass(frozen=True)
class RateLimitConfig:
    """How much a service takes, and where that is known from.

    Attributes:
        max_concurrent: how many calls at once.
        max_per_minute: how many calls within any 60 seconds; None: no such limit.
        tokens_per_minute: how many tokens within any 60 seconds; None: no such limit.
        source: where the figures are from.
        date: the day they were taken from there, as YYYY-MM-DD.

    Raises:
        LimitError (a ValueError): a value is not what it should be.
    """

    max_concurrent: int
    max_per_minute: float | None = None
    description: str = ""
    tokens_per_minute: float | None = None
    provider: str = ""
    source: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        check(type(self), vars(self), in_python)

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments for a throttled node; without those that set no limit."""
        return {name: value for name, value in self.arguments().items() if value is not None}

    def limits(self) -> dict[str, Any]:
        """Return the arguments for `flowmagic.set_limit`."""
        given = {"concurrency": self.max_concurrent, "per_minute": self.max_per_minute}
        if self.tokens_per_minute is not None:
            given["tokens_per_minute"] = self.tokens_per_minute
        return given

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for a throttled node, a limit of None among them."""
        return {"max_concurrent": self.max_concurrent, "max_per_minute": self.max_per_minute}


@dataclass(frozen=True)
class FlowRateLimitConfig:
    """How many instances of a flow may run; with an initial number, how that number adapts.

    Attributes:
        max_concurrent_flows: how many at once; of an adaptive flow, at the most.
        max_flows_per_minute: how many may start within any 60 seconds; None: no such limit.

    Raises:
        LimitError (a ValueError): a value is not what it should be.
    """

    max_concurrent_flows: int
    max_flows_per_minute: float | None = None
    description: str = ""
    initial_concurrent_flows: int | None = None
    min_concurrent_flows: int | None = None
    backoff_factor: float | None = None
    recovery_threshold: int | None = None
    recovery_factor: float | None = None
    source: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        check(type(self), vars(self), in_python)

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments for a throttled flow; without those that set no limit."""
        return {
            name: value
            for name, value in vars(self).items()
            if value is not None and _RULES[name] is not _TEXT and name != "date"
        }

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for a throttled flow, a pace of None among them."""
        given = self.to_dict()
        # What pocketflow-throttled gives: a preset that adapts says nothing of a pace.
        return given if len(given) > 1 else {**given, "max_flows_per_minute": None}
