"""What a provider says by refusing: slow down, come back another day, or show a valid key.

Errors are told by their shape, so that no client library is imported here: a status among the
attributes of the error or of its response, machine-readable codes, headers. Whatever an error holds
was made by somebody else, so nothing that goes wrong in reading it escapes, and a body is looked at
only where it lies in memory already: to read one may wait for the network.

Two refusals that providers answer alike are told apart, since a run does different things about
them: a limit that a pause cures (`RATE_LIMIT`), and an allowance that is used up (`QUOTA`). When in
doubt it is the first: to wait in vain costs less than to stop for nothing.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

from ..text.user_objects import get, or_none
from .retry_after import retry_after, seconds

_SILENT = frozenset(
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not hasattr(kind, "exceptions")
)
"""Python's own errors: alone, they say nothing of a provider."""


LONGEST_COOL_DOWN = 3600.0
"""Seconds; a provider that asks for more is not waited for: that is a quota, not a rate."""


class RefusalKind(str, Enum):
    """What a refusal asks for; the later, the graver."""

    RATE_LIMIT = "rate limit"
    """Slow down: a pause cures it."""
    QUOTA = "quota"
    """An allowance of a day or longer, or the credit, is used up: a pause does not cure it."""
    AUTHENTICATION = "authentication"
    """The key is not accepted."""


class Refusal(NamedTuple):
    """A refusal, and after how many seconds from now one may ask again, if that was said."""

    kind: RefusalKind
    retry_after: float | None


def classify_refusal(error: BaseException) -> Refusal | None:
    """Return what `error`, its causes and the members of an exception group say; None if nothing.

    The gravest kind counts. Its seconds come from the outermost error that names some: whoever
    wrapped an error knew it; among the members of one group, the longest. An HTTP 403 is an ordinary
    failure, unless a code or the message speaks of a quota: one forbidden page is no wrong key.
    """
    if type(error) in _SILENT and not error.__dict__ and error.__cause__ is None:
        return None  # at a fiftieth of the cost
    return or_none(_read, error)


def is_rate_limit(error: BaseException) -> bool:
    """Tell whether `error` is a refusal that slowing down answers, by its message if need be.

    For nodes only that the user has made to be throttled, and whose `is_rate_limit_error` may be
    overridden. A message is hearsay: "429" may be anybody's number. A run, which nobody has asked to
    look for refusals, is neither slowed nor stopped on it, and so goes by `classify_refusal`.
    """
    refusal = classify_refusal(error)
    if refusal is not None:
        return refusal.kind is not RefusalKind.AUTHENTICATION
    return bool(or_none(_hearsay, error))


# ------------------------------------------------------------------ errors, and errors within errors

_MOST = 64
"""How many errors of a chain or group, headers, or values of a body are looked at, times a few."""


def _read(error: BaseException) -> Refusal | None:
    levels = [
        [refusal for one in level if (refusal := or_none(_own, one)) is not None]
        for level in _levels(error)
    ]
    kinds = {refusal.kind for level in levels for refusal in level}
    if not kinds:
        return None
    kind = max(kinds, key=list(RefusalKind).index)
    for level in levels:
        times = [s.retry_after for s in level if s.kind is kind and s.retry_after is not None]
        if times:
            return Refusal(kind, max(times))
    return Refusal(kind, None)


def _levels(error: BaseException) -> Iterator[list[BaseException]]:
    """Yield the error, then its cause or members, then theirs; a cycle or a crowd comes to an end."""
    seen: dict[int, BaseException] = {}  # kept alive, lest an id be given to another one
    level: list[Any] = [error]
    while level:
        fresh: list[BaseException] = []
        for one in level:
            known = id(one) in seen or len(seen) >= _MOST
            if not known and issubclass(type(one), BaseException):
                seen[id(one)] = one
                fresh.append(one)
        yield fresh
        level = []
        for one in fresh:
            level.append(get(one, "__cause__"))
            members = get(one, "exceptions")
            if issubclass(type(members), (list, tuple)):
                level += or_none(lambda: list(islice(members, _MOST))) or []  # noqa: B023 - at once


def _own(error: BaseException) -> Refusal | None:
    # By name: those who move from pocketflow-throttled may still raise its class.
    if any(kind.__name__ == "RateLimitHit" for kind in type(error).__mro__):
        return Refusal(RefusalKind.RATE_LIMIT, or_none(seconds, get(error, "retry_after")))
    status = or_none(_status, error)
    if status not in _REFUSALS and status is not None and status > _OK:
        return None
    said = _heard(error, status)
    kind = _kind(error, status, said)
    return None if kind is None else Refusal(kind, retry_after(error, said.delay))


# ----------------------------------------------------------------------------------- status and kind

_OK, _BAD, _UNKNOWN_KEY, _UNPAID, _TOO_MANY = 299, 400, 401, 402, 429
_REFUSALS = frozenset({_BAD, _UNKNOWN_KEY, _UNPAID, 403, _TOO_MANY, 503, 529})
"""400 too: Anthropic's used-up credit, AWS's throttling and Google's wrong key come with it."""

# Compiled when they are first used: %load_ext need not wait for them.
# Codes are matched whole, in lower case and without punctuation.
_SLOW_CODE = functools.partial(
    re.fullmatch,
    r"(?:request|ec2)?throttl\w*|(?:user)?ratelimit(?:exceeded|error)|toomanyrequests(?:exception)?"
    r"|(?:request|bandwidth)limitexceeded|provisionedthroughputexceeded(?:exception)?"
    r"|slowdown|overloadederror|resourceexhausted",
)
_QUOTA_CODE = functools.partial(
    re.fullmatch,
    r"billing\w+|insufficient(?:quota|balance|credits|funds)|creditbalanceexhausted"
    r"|\w*(?:spend|usage|daily)limitexceeded|servicequotaexceeded(?:exception)?",
)
_KEY_CODE = functools.partial(
    re.fullmatch,
    r"authenticationerror|invalidapikey|apikeyinvalid|(?:unrecognizedclient|expiredtoken)(?:exception)?",
)

# Letters only are looked at beside a word: "requests_per_day" has no other boundary.
_LONG = functools.partial(
    re.search,
    r"(?:(?<![a-z])per|/)[\s_-]*(?:day|week|month)(?![a-z])"
    r"|(?<![a-z])(?:daily|weekly|monthly)(?![a-z])|\b(?-i:[RT]PD)\b",
    flags=re.IGNORECASE,
)
_SHORT = functools.partial(
    re.search,
    r"(?:(?<![a-z])per|/)[\s_-]*(?:min|sec)|\b(?-i:[RT]P[MS])\b",
    flags=re.IGNORECASE,
)
_LONG_ID = functools.partial(re.search, r"Per(?:Day|Week|Month)(?![a-z])")  # Gemini's quota ids
_SPENT = functools.partial(
    re.search,
    r"credit balance|(?:out of|not enough|insufficient)[\s_-](?:credit|balance|funds|quota)"
    r"|\bbilling_[a-z]|reached your (?:\w+ ){0,3}usage limit",
    flags=re.IGNORECASE,
)
_MONEY = functools.partial(
    re.search, r"\b(?:credits?|balance|billing|quota|funds|budget)\b", flags=re.IGNORECASE
)


def _status(error: BaseException) -> int | None:
    response = get(error, "response")
    found = [get(error, name) for name in ("status_code", "status", "http_status")]
    found += [get(response, name) for name in ("status_code", "status")]
    found.append(or_none(lambda: response["ResponseMetadata"]["HTTPStatusCode"]))
    found.append(_plain_code(error))
    for value in found:
        if issubclass(type(value), int) and type(value) is not bool:
            return int.__index__(value)
    return None


def _plain_code(error: BaseException) -> Any:
    """Return `error.code` unless a property gives it: aiohttp's warns that it is deprecated."""
    return or_none(inspect.getattr_static, error, "code", None)


def _kind(error: BaseException, status: int | None, said: _Said) -> RefusalKind | None:
    def coded(match: Callable[[str], Any]) -> bool:
        return any(match(code) for code in plain)

    plain = [re.sub(r"[\W_]", "", code.partition(":")[0]).lower() for code in said.codes]
    if status == _UNKNOWN_KEY or coded(_KEY_CODE):
        return RefusalKind.AUTHENTICATION
    if status in {503, 529}:
        return RefusalKind.RATE_LIMIT
    if (
        coded(_QUOTA_CODE)
        or any(_LONG_ID(code) for code in said.codes)
        or any(_speaks_of_quota(text, status) for text in said.prose)
        # 402 alone may be the price of one page; from a provider's own library, it is the account.
        or (status == _UNPAID and get(error, "body") is not None)
    ):
        return RefusalKind.QUOTA
    return RefusalKind.RATE_LIMIT if status == _TOO_MANY or coded(_SLOW_CODE) else None


def _speaks_of_quota(text: str, status: int | None) -> bool:
    if status not in {_BAD, _UNPAID, 403, _TOO_MANY}:
        return False
    if _SPENT(text):
        return True
    if status == _BAD:  # says what is wrong with a request, in whatever words
        return False
    if status == _UNPAID and _MONEY(text):
        return True
    # Where a minute is spoken of as well, the day is likely the other limit, told for information.
    long = _LONG(text) is not None and _SHORT(text) is None
    return long or _LONG_ID(text) is not None


# ----------------------------------------------------------------------------------- words of a body

_CODE_KEYS = frozenset({"code", "type", "status", "reason", "error_code", "quotaid", "quota_id"})
_PROSE_KEYS = frozenset(
    {"message", "msg", "error", "detail", "description", "error_message", "error_description"}
)
_LINK = re.compile(r"://\S+")
_PROSE = 4_000  # characters of a message
_NOTE = 500  # of a body that is plain text; anything longer is a page, with words of its own
_BODY = 65_536  # of a body that is JSON


@dataclass
class _Said:
    """What a refusal says in words: codes made for programs, and prose without its links."""

    codes: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    delay: float | None = None

    def tell(self, text: Any) -> None:
        # Links go: a refusal by the minute may well point to a page about billing.
        self.prose.append(_LINK.sub(" ", str(text)[:_PROSE]))

    def read(self, tree: Any) -> None:
        """Take the words out of a body, by the names that providers give them.

        Only by those: a body may repeat what was asked, and that may speak of anything.
        """
        # In breadth: what matters lies near the top, and a cycle must not keep from it.
        found = deque([("message", _parsed(tree))])
        for _ in range(16 * _MOST):
            if not found:
                return
            name, value = found.popleft()
            if isinstance(value, dict):
                found += [(str(key).lower(), one) for key, one in islice(value.items(), _MOST)]
            elif isinstance(value, (list, tuple)):
                found += [("", one) for one in value[:_MOST]]
            elif isinstance(value, str):
                self._take(name, value)

    def _take(self, name: str, value: str) -> None:
        if name in _CODE_KEYS:
            self.codes.append(value[:_NOTE])
        elif name in _PROSE_KEYS:
            self.tell(value)
        elif name == "retrydelay":  # Google's, as "26s"
            self.delay = or_none(seconds, value.rstrip("s"))


def _heard(error: BaseException, status: int | None) -> _Said:
    said = _Said()
    own = [_plain_code(error), *(get(error, name) for name in ("type", "status", "error_code"))]
    said.codes += [code[:_NOTE] for code in own if issubclass(type(code), str)]
    response = get(error, "response")
    # httpx and requests keep a body that has been read here; their public attributes may fetch it.
    kept = or_none(lambda: vars(response).get("_content"))
    bodies = [get(error, "body"), get(error, "details"), kept]
    for tree in (*bodies, response):
        or_none(said.read, tree)
    # Of a bad request, the message may quote what was asked: the body is read by its names instead.
    if status in _REFUSALS and (status != _BAD or all(body is None for body in bodies)):
        or_none(said.tell, error)
    return said


def _parsed(body: Any) -> Any:
    """Return a body as a tree; a short plain text as it is, and nothing for a page of HTML."""
    if isinstance(body, (bytes, bytearray)):
        body = body[: _BODY + 1].decode("utf-8", "replace")
    if not isinstance(body, str) or len(body) > _BODY:
        return None if isinstance(body, str) else body
    tree = or_none(json.loads, body)
    if isinstance(tree, (dict, list)):
        return tree
    return body if len(body) <= _NOTE and "<" not in body else None


_WORDS = functools.partial(
    re.search,
    r"(?<![^\W_])(?:rate[\s_-]?limit(?:s|ed|ing)?|too[\s_-]?many[\s_-]?requests"
    r"|quota[\s_-]?exceeded|exceeded (?:your )?(?:current )?quota)(?![^\W_])",
    flags=re.IGNORECASE,
)
_NUMBER = functools.partial(re.search, r"(?<![\w.])(?<!\d,)429(?!\w)(?![.,]\d)")


def _hearsay(error: BaseException) -> bool:
    for level in _levels(error):
        for one in level:
            said = _Said()
            or_none(said.tell, one)
            text = " ".join(said.prose)
            # An error that has another status means something else by the number.
            number = _NUMBER(text) and or_none(_status, one) is None
            if number or _WORDS(text):
                return True
    return False
