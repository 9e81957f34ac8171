"""Reads the status, codes, message and Retry-After of an error, whichever HTTP client raised it.

No client library is imported: attributes are looked up by the names that the libraries use. Reading
never raises, since the objects are not ours, and a body is only read if it is in memory already:
fetching it might wait for the network.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections import deque
from dataclasses import dataclass, field
from datetime import timezone
from itertools import islice
from time import time as wall_clock
from typing import Any

from ..text.user_objects import get, or_none

BAD_REQUEST = 400

_CODE_KEYS = frozenset({"code", "type", "status", "reason", "error_code", "quotaid", "quota_id"})
_PROSE_KEYS = frozenset(
    {"message", "msg", "error", "detail", "description", "error_message", "error_description"}
)
_LINK = re.compile(r"://\S+")
_MOST_ITEMS = 64  # of a dict or list
_MOST_VALUES = 1_024  # of a whole body
_PROSE = 4_000  # characters of a message
_NOTE = 500  # characters of a body in plain text: a longer one is a page, with words of its own
_BODY = 65_536  # characters of a body in JSON


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of an error, or None if it has none."""
    response = get(error, "response")
    values = [get(error, name) for name in ("status_code", "status", "http_status")]
    values += [get(response, name) for name in ("status_code", "status")]
    values.append(or_none(lambda: response["ResponseMetadata"]["HTTPStatusCode"]))  # botocore
    values.append(_code_of(error))
    for value in values:
        if issubclass(type(value), int) and type(value) is not bool:
            return int.__index__(value)
    return None


@dataclass
class ErrorText:
    """The words of an error.

    Attributes:
        codes: values made for programs, such as "insufficient_quota".
        prose: messages made for people, without links.
        delay: the seconds that the body asks to wait; None if it names none.
    """

    codes: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    delay: float | None = None

    def add_prose(self, text: Any) -> None:
        """Add a message."""
        # Without links: a refusal by the minute may well link to a page about billing.
        self.prose.append(_LINK.sub(" ", str(text)[:_PROSE]))

    def add_body(self, body: Any) -> None:
        """Add the words of a body, but only those under keys that providers use for them.

        Other parts of a body may repeat the request, which can be about anything.
        """
        # Breadth first: what matters is near the top, and a cycle must not keep us from it.
        queue = deque([("message", _parsed(body))])
        for _ in range(_MOST_VALUES):
            if not queue:
                return
            name, value = queue.popleft()
            if isinstance(value, dict):
                items = islice(value.items(), _MOST_ITEMS)
                queue += [(str(key).lower(), item) for key, item in items]
            elif isinstance(value, (list, tuple)):
                queue += [("", item) for item in value[:_MOST_ITEMS]]
            elif isinstance(value, str):
                self._add(name, value)

    def _add(self, name: str, value: str) -> None:
        if name in _CODE_KEYS:
            self.codes.append(value[:_NOTE])
        elif name in _PROSE_KEYS:
            self.add_prose(value)
        elif name == "retrydelay":  # Google's, as "26s"
            self.delay = or_none(seconds, value.rstrip("s"))


def text_of(error: BaseException, status: int | None, *, with_message: bool) -> ErrorText:
    """Return the words of an error and of the body of its response.

    Args:
        with_message: whether `str(error)` counts too. The message of a bad request may quote the
            request, so it only counts if there is no body.
    """
    text = ErrorText()
    codes = [_code_of(error), *(get(error, name) for name in ("type", "status", "error_code"))]
    text.codes += [code[:_NOTE] for code in codes if issubclass(type(code), str)]
    response = get(error, "response")
    # Where httpx and requests keep a body that was read; their public attributes may fetch it.
    content = or_none(lambda: vars(response).get("_content"))
    bodies = [get(error, "body"), get(error, "details"), content]
    for body in (*bodies, response):
        or_none(text.add_body, body)
    if with_message and (status != BAD_REQUEST or all(body is None for body in bodies)):
        or_none(text.add_prose, error)
    return text


def _code_of(error: BaseException) -> Any:
    """Return `error.code`, but do not call a property: aiohttp's warns that it is deprecated."""
    return or_none(inspect.getattr_static, error, "code", None)


def _parsed(body: Any) -> Any:
    """Return a JSON body as a tree, and a short plain text as it is; None for an HTML page."""
    if isinstance(body, (bytes, bytearray)):
        body = body[: _BODY + 1].decode("utf-8", "replace")
    if not isinstance(body, str):
        return body
    if len(body) > _BODY:
        return None
    tree = or_none(json.loads, body)
    if isinstance(tree, (dict, list)):
        return tree
    return body if len(body) <= _NOTE and "<" not in body else None


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
    """Return the seconds until an HTTP date, from the Date header on: our clock may be off by minutes."""
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
