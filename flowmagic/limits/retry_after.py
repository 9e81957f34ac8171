"""Reads how long a refusal asks to wait, from its headers or from its text.

Providers say it in many ways: `Retry-After` in seconds or as a date, `x-ratelimit-reset` in seconds
or as a moment, "Please try again in 6m38.304s", `retry_delay { seconds: 34 }`. Like `http_errors`,
this module imports no client library.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from datetime import timezone
from itertools import islice
from time import time as wall_clock
from typing import Any

from ..text.user_objects import get, or_none

_MOST = 256  # headers that are read
_IN_MILLISECONDS = ("retry-after-ms", "x-amz-retry-after")  # OpenAI's and Azure's; AWS's
_REMAINING, _RESET = "ratelimit-remaining", "ratelimit-reset"  # also with "x-" before them
_HEADERS = frozenset({*_IN_MILLISECONDS, "retry-after", "date", _REMAINING, _RESET})
_DECIMAL = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_EPOCH = 1e9  # seconds; a reset beyond this is a moment, in seconds or milliseconds, and not a wait


def retry_after(headers: Mapping[str, str], otherwise: float | None = None) -> float | None:
    """Return the seconds that headers ask to wait.

    Args:
        headers: what `headers_of` returns.
        otherwise: the seconds that the body asks to wait. They are more exact than the reset of a
            used-up allowance, which is read last, but less exact than a `Retry-After`.
    """
    for name in _IN_MILLISECONDS:
        milliseconds = or_none(seconds, headers.get(name))
        if milliseconds is not None:
            return milliseconds / 1000
    value = headers.get("retry-after")
    for read in (seconds, lambda text: _until(_moment(text), headers)):
        wait = or_none(read, value)
        if wait is not None:
            return wait
    if otherwise is None and is_used_up(headers):
        return or_none(_until_reset, headers)
    return otherwise


def is_used_up(headers: Mapping[str, str]) -> bool:
    """Whether headers say that no calls are left until the next reset, as GitHub's do with a 403."""
    return or_none(seconds, headers.get(_REMAINING)) == 0


def seconds(value: Any) -> float | None:
    """Return a number, or a text that holds one, as seconds; 0.0 if negative, None for nonsense."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return None  # float() would also read "1_0" and "infinity"
    if isinstance(value, bool):
        return None
    number = float(value)
    return max(0.0, number) if math.isfinite(number) else None


def headers_of(error: BaseException) -> dict[str, str]:
    """Return the headers of an error or of its response that this module reads, in lower case."""
    response = get(error, "response")
    headers: dict[str, str] = {}
    for source in (
        get(response, "headers"),
        get(error, "headers"),
        or_none(lambda: response["ResponseMetadata"]["HTTPHeaders"]),  # botocore
        get(error, "resp"),  # Google's client: a dict of headers
    ):
        or_none(_collect, source, headers)
    return headers


def _collect(source: Any, headers: dict[str, str]) -> None:
    """Add the headers of interest from a mapping or a list of pairs, unless they were there before."""
    pairs = get(source, "items")
    for name, value in islice(source if pairs is None else pairs(), _MOST):
        lowered = (name.decode("latin-1") if isinstance(name, bytes) else str(name)).lower()
        lowered = lowered.replace("x-ratelimit-", "ratelimit-")
        if lowered in _HEADERS:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            headers.setdefault(lowered, text.strip())


def _until_reset(headers: Mapping[str, str]) -> float | None:
    reset = seconds(headers[_RESET])
    if reset is None or reset < _EPOCH:
        return reset
    return _until(reset if reset < _EPOCH * 1000 else reset / 1000, headers)


def _until(moment: float, headers: Mapping[str, str]) -> float:
    """Return the seconds until a moment, from the Date header on: our clock may be off by minutes."""
    now = or_none(_moment, headers.get("date"))
    return max(0.0, moment - (wall_clock() if now is None else now))


def _moment(date: Any) -> float:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import, rarely needed

    moment = parsedate_to_datetime(date)
    # HTTP dates are in GMT, even in the old format that does not say so.
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


_PART = (
    r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|days?)"
    r"(?![a-z])"
)
_FLAGS = re.IGNORECASE | re.ASCII
# Partials, so that %load_ext does not wait until these are compiled.
_parts = functools.partial(re.findall, _PART, flags=_FLAGS)
_find_wait = functools.partial(
    re.search,
    r"retry_?delay\W+seconds:\s*(?P<proto>\d+)"
    r"|retry[ _-]?after[\s\"':=]*(?P<bare>\d+(?:\.\d+)?)(?!\.?\w|\s+[a-z])"
    r"|(?<![a-z])(?:again|retry(?:ing)?(?:[ _-]?(?:delay|after))?|wait(?:ing)?|available|resets?)"
    rf"[\s\"':=]*(?:(?:in|after|for|at least|about)\s+)*~?(?P<parts>(?:{_PART}[\s,]*(?:and\s+)?)+)",
    flags=_FLAGS,
)


def wait_in(text: str) -> float | None:
    """Return the seconds that a message asks to wait, such as "Please try again in 6m38.304s"."""
    found = _find_wait(text)
    if found is None:
        return None
    if found["parts"] is None:
        return seconds(found["proto"] or found["bare"])
    parts = _parts(found["parts"])
    return seconds(sum(float(number) * _seconds_of(unit.lower()) for number, unit in parts))


def _seconds_of(unit: str) -> float:
    if unit.startswith(("ms", "mil")):
        return 0.001
    return {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[unit[0]]
