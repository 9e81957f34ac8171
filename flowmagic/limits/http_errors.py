"""Reads the status, codes and message of an error, whichever client raised it.

No client library is imported: attributes are looked up by the names that the libraries use. Reading
never raises, since the objects are not ours, and a body is only read if it is in memory already:
fetching it might wait for the network.
"""

from __future__ import annotations

import inspect
import json
import re
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ..text.user_objects import get, or_none
from .retry_after import seconds

BAD_REQUEST = 400

_CODE_KEYS = frozenset({"code", "type", "status", "reason", "error_code", "quotaid", "quota_id"})
_PROSE_KEYS = frozenset(
    {"message", "msg", "error", "detail", "description", "error_message", "error_description"}
)
_DELAY_KEYS = frozenset({"retrydelay", "retryafter", "retryafterseconds", "estimatedtime"})
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
    return _GRPC.get(_grpc_code(error) or "")


_GRPC = {"RESOURCE_EXHAUSTED": 429, "UNAUTHENTICATED": 401}
"""The HTTP statuses that correspond to codes of gRPC."""


def _grpc_code(error: BaseException) -> str | None:
    """Return the name of the code of an error of grpc or grpc.aio, whose `code` is a method."""
    if not any(kind.__module__.partition(".")[0] == "grpc" for kind in type(error).__mro__):
        return None
    return or_none(lambda: error.code().name)  # type: ignore[attr-defined]


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
            elif isinstance(value, (str, int, float)):
                self._add(name, value)

    def _add(self, name: str, value: str | float) -> None:
        if name.replace("_", "") in _DELAY_KEYS:
            # Google's is a text such as "26s".
            self.delay = or_none(seconds, value.rstrip("s") if isinstance(value, str) else value)
        elif not isinstance(value, str):
            return
        elif name in _CODE_KEYS:
            self.codes.append(value[:_NOTE])
        elif name in _PROSE_KEYS:
            self.add_prose(value)


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
    # litellm's errors have an empty one.
    content = or_none(lambda: vars(response).get("_content") or None)
    names = ("body", "details", "error_details", "data")  # the last two are Google's and PyGithub's
    bodies = [*(get(error, name) for name in names), content]
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
