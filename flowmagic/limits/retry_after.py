"""Reads how long a refusal asks to wait: Retry-After and its variants, in seconds or as a date."""

from __future__ import annotations

import math
import re
from datetime import timezone
from itertools import islice
from time import time as wall_clock
from typing import Any

from ..text.user_objects import get, or_none

_MOST = 256  # headers that are read
_IN_MILLISECONDS = ("retry-after-ms", "x-amz-retry-after")  # OpenAI's and Azure's; AWS's
_HEADERS = frozenset({*_IN_MILLISECONDS, "retry-after", "date"})
_DECIMAL = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)


def retry_after(error: BaseException, otherwise: float | None = None) -> float | None:
    """Return the seconds that the headers of a refusal ask to wait, or `otherwise` if none does."""
    headers = or_none(_headers, error) or {}
    for name in _IN_MILLISECONDS:
        milliseconds = or_none(seconds, headers.get(name))
        if milliseconds is not None:
            return milliseconds / 1000
    value = headers.get("retry-after")
    for read in (seconds, lambda text: _until(text, headers.get("date"))):
        wait = or_none(read, value)
        if wait is not None:
            return wait
    return otherwise


def seconds(value: Any) -> float | None:
    """Return a number, or a text that holds one, as seconds; 0.0 if negative, None for nonsense."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return None  # float() would also read "1_0" and "infinity"
    if isinstance(value, bool):
        return None
    number = float(value)
    return max(0.0, number) if math.isfinite(number) else None


def _until(text: str, sent: str | None) -> float:
    """Return the seconds until an HTTP date.

    The Date header, if there is one, is the present: the two clocks may be minutes apart.
    """
    now = or_none(_moment, sent)
    return max(0.0, _moment(text) - (wall_clock() if now is None else now))


def _moment(date: str) -> float:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import, rarely needed

    moment = parsedate_to_datetime(date)
    # HTTP dates are in GMT, even in the old format that does not say so.
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _headers(error: BaseException) -> dict[str, str]:
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
        if lowered in _HEADERS:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            headers.setdefault(lowered, text.strip())
