"""What the refusal of a provider asks for: slow down, stop for today, or show a valid key.

Refusals are recognised by the status, codes, message and headers of an error, so that no client
library has to be imported. Nothing that goes wrong while an error is read escapes.

Two kinds of refusal often look alike, but a run reacts differently: a rate limit, after which a
pause is enough (`RATE_LIMIT`), and a used-up allowance (`QUOTA`). When in doubt it is a rate limit:
a useless wait costs less than a run that stops for nothing.
"""

from __future__ import annotations

import builtins
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

from ..text.user_objects import get, or_none
from .http_errors import BAD_REQUEST, ErrorText, status_of, text_of
from .retry_after import headers_of, is_used_up, retry_after, seconds, wait_in

_BUILTIN = frozenset(
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not hasattr(kind, "exceptions")
)
"""Python's own errors, which say nothing about a provider unless something was added to them."""


LONGEST_COOL_DOWN = 3600.0
"""Seconds; a refusal that asks for a longer wait is a quota, and is not waited for."""


class RefusalKind(str, Enum):
    """What a refusal asks for; the last one is the gravest."""

    RATE_LIMIT = "rate limit"
    """Slow down; after a pause, calls succeed again."""
    QUOTA = "quota"
    """The credit, or an allowance of a day or more, is used up; a pause does not help."""
    AUTHENTICATION = "authentication"
    """The key is not accepted."""


class Refusal(NamedTuple):
    """A refusal, and how many seconds it asks to wait; None if it does not say."""

    kind: RefusalKind
    retry_after: float | None


def classify_refusal(error: BaseException) -> Refusal | None:
    """Return the refusal that `error` is or contains, or None if there is none.

    The causes of `error` and the members of an exception group count too. If they differ, the
    gravest kind wins. The seconds come from the outermost error of that kind that names any; among
    the members of one group, the longest wait counts.

    Two answers are ordinary failures: a 403 that mentions neither a rate limit, a quota nor a key,
    since one forbidden page does not mean a wrong key; and a 429 that says that the request is too
    large, since it would be refused at any pace.
    """
    if type(error) in _BUILTIN and not error.__dict__ and error.__cause__ is None:
        return None  # a shortcut for the usual failures
    return or_none(_classify, error)


def is_rate_limit(error: BaseException) -> bool:
    """Whether slowing down is the answer to `error`; unlike above, words of its message suffice.

    This is the default of `is_rate_limit_error` of throttled nodes, which users can override. A
    message alone is weak evidence, since "429" may be any number, so runs go by `classify_refusal`.
    """
    refusal = classify_refusal(error)
    if refusal is not None:
        return refusal.kind is not RefusalKind.AUTHENTICATION
    return bool(or_none(_message_says_rate_limit, error))


# ------------------------------------------------------------------ errors, and errors within errors

_MOST_ERRORS = 64
"""How many errors of a chain or group are read."""


def _classify(error: BaseException) -> Refusal | None:
    levels = [
        [refusal for one in level if (refusal := or_none(_refusal_of, one)) is not None]
        for level in _levels(error)
    ]
    kinds = {refusal.kind for level in levels for refusal in level}
    if not kinds:
        return None
    kind = max(kinds, key=list(RefusalKind).index)
    for level in levels:
        waits = [
            refusal.retry_after
            for refusal in level
            if refusal.kind is kind and refusal.retry_after is not None
        ]
        if waits:
            return Refusal(kind, max(waits))
    return Refusal(kind, None)


def _levels(error: BaseException) -> Iterator[list[BaseException]]:
    """Yield the error, then its cause or members, then theirs; each error only once."""
    seen: dict[int, BaseException] = {}  # keeps the errors alive, so that no id is used twice
    level: list[Any] = [error]
    while level:
        new: list[BaseException] = []
        for one in level:
            skip = id(one) in seen or len(seen) >= _MOST_ERRORS
            if not skip and issubclass(type(one), BaseException):
                seen[id(one)] = one
                new.append(one)
        yield new
        level = []
        for one in new:
            level.append(get(one, "__cause__"))
            members = get(one, "exceptions")
            if issubclass(type(members), (list, tuple)):
                level += or_none(lambda: list(islice(members, _MOST_ERRORS))) or []  # noqa: B023


def _refusal_of(error: BaseException) -> Refusal | None:
    # By name, since code that was written for pocketflow-throttled raises the class of that package.
    if any(kind.__name__ == "RateLimitHit" for kind in type(error).__mro__):
        return Refusal(RefusalKind.RATE_LIMIT, or_none(seconds, get(error, "retry_after")))
    status = or_none(status_of, error)
    if status not in _REFUSALS and status is not None and status > _OK:
        return None
    text = text_of(error, status, with_message=status in _REFUSALS)
    headers = headers_of(error)
    kind = _kind(error, status, text, headers)
    if kind is None:
        return None
    waits = (text.delay, *map(wait_in, text.prose))
    delay = next((wait for wait in waits if wait is not None), None)
    return Refusal(kind, retry_after(headers, delay))


# ----------------------------------------------------------------------------------- status and kind

_OK, _UNKNOWN_KEY, _UNPAID, _FORBIDDEN, _SUSPENDED, _TOO_MANY = 299, 401, 402, 403, 412, 429
_BROKEN = 500
_REFUSALS = frozenset(
    {BAD_REQUEST, _UNKNOWN_KEY, _UNPAID, _FORBIDDEN, _SUSPENDED, _TOO_MANY, _BROKEN, 503, 529}
)
"""400 is among them: Anthropic's used-up credit, AWS's throttling and Google's wrong key have it.
So is 412: Fireworks answers it for an account that is suspended. And so is 500, but only if it is
about an overload: Anthropic answers it, and litellm makes it of a 529."""

# Partials, so that %load_ext does not wait until these are compiled.
# Codes are matched as a whole, in lower case and without punctuation.
_SLOW_CODE = functools.partial(
    re.fullmatch,
    r"(?:request|ec2)?throttl\w*|(?:user)?ratelimit(?:exceeded|error)|toomanyrequests(?:exception)?"
    r"|(?:request|bandwidth)limitexceeded|provisionedthroughputexceeded(?:exception)?"
    r"|slowdown|overloadederror|resourceexhausted",
)
_QUOTA_CODE = functools.partial(
    re.fullmatch,
    r"billing\w+|insufficient(?:quota|balance|credits|funds)|creditbalanceexhausted|arrearage"
    r"|\w*(?:spend|usage|daily)limit(?:exceeded|reached)|servicequotaexceeded(?:exception)?"
    r"|exceededcurrentquota(?:error)?",
)
_KEY_CODE = functools.partial(
    re.fullmatch,
    r"authenticationerror|invalidapikey|apikeyinvalid|(?:unrecognizedclient|expiredtoken)(?:exception)?",
)

# Only letters continue a word here: in "requests_per_day", \b would not find one.
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
_USED_UP = functools.partial(
    re.search,
    r"credit balance|(?:out of|not enough|insufficient)[\s_-](?:credit|balance|funds|quota)"
    r"|balance is insufficient|余额不足|\bbilling_[a-z]|reached your (?:\w+ ){0,3}usage limit"
    r"|\bspending limit|run out of searches",
    flags=re.IGNORECASE,
)
_MONEY = functools.partial(
    re.search, r"\b(?:credits?|balance|billing|quota|funds|budget)\b", flags=re.IGNORECASE
)
_WRONG_KEY = functools.partial(
    re.search,
    r"\b(?:(?:incorrect|invalid) api key|api key (?:not valid|expired|was reported as leaked))",
    flags=re.IGNORECASE,
)
_OVERLOADED = functools.partial(re.search, r"\boverloaded(?:_error)?\b", flags=re.IGNORECASE)
_OVERSIZED = functools.partial(
    re.search,
    r"request (?:is )?too large|message larger than max|tokens must be reduced"
    r"|for long context requests",
    flags=re.IGNORECASE,
)
_REQUESTED = functools.partial(
    re.search,
    r"\blimit ~?(\d{1,18}), (?:used ~?\d+, )?requested ~?(\d{1,18})",
    flags=re.IGNORECASE | re.ASCII,
)


def _too_large(prose: str) -> bool:
    """Whether a message says that the request alone is more than the limit allows."""
    amounts = _REQUESTED(prose)
    more = amounts is not None and int(amounts[2]) > int(amounts[1])
    return more or _OVERSIZED(prose) is not None


def _kind(
    error: BaseException, status: int | None, text: ErrorText, headers: Mapping[str, str]
) -> RefusalKind | None:
    def has_code(match: Callable[[str], Any]) -> bool:
        return any(match(code) for code in codes)

    def says(match: Callable[[str], Any]) -> bool:
        return any(match(prose) for prose in text.prose)

    if status == _BROKEN:
        return RefusalKind.RATE_LIMIT if says(_OVERLOADED) else None
    codes = [re.sub(r"[\W_]", "", code.partition(":")[0]).lower() for code in text.codes]
    # ElevenLabs answers 401 to a used-up quota, and YouTube 403; elsewhere it may be one by the minute.
    used_up = status in {_UNKNOWN_KEY, _FORBIDDEN} and "quotaexceeded" in codes
    wrong_key = status in {BAD_REQUEST, _FORBIDDEN} and says(_WRONG_KEY)
    kind = None
    if used_up or has_code(_QUOTA_CODE):
        kind = RefusalKind.QUOTA
    elif status == _UNKNOWN_KEY or wrong_key or has_code(_KEY_CODE):
        kind = RefusalKind.AUTHENTICATION
    elif status in {503, 529}:
        kind = RefusalKind.RATE_LIMIT
    elif says(_too_large):
        kind = None
    elif (
        any(_LONG_ID(code) for code in text.codes)
        or says(lambda prose: _is_about_quota(prose, status))
        # From a web page, 402 may be its price; with a body, it is a provider's, about the account.
        or (status == _UNPAID and get(error, "body") is not None)
    ):
        kind = RefusalKind.QUOTA
    elif (
        status == _TOO_MANY
        or has_code(_SLOW_CODE)
        or (status == _FORBIDDEN and (is_used_up(headers) or says(_WORDS)))  # GitHub's
    ):
        kind = RefusalKind.RATE_LIMIT
    return kind


def _is_about_quota(prose: str, status: int | None) -> bool:
    if status not in {BAD_REQUEST, _UNPAID, _FORBIDDEN, _SUSPENDED, _TOO_MANY}:
        return False
    if _USED_UP(prose):
        return True
    if status in {BAD_REQUEST, _SUSPENDED}:  # the message may be about anything in the request
        return False
    if status == _UNPAID and _MONEY(prose):
        return True
    # If it names a minute too, the limit per day is probably mentioned only for information.
    long = _LONG(prose) is not None and _SHORT(prose) is None
    return long or _LONG_ID(prose) is not None


_WORDS = functools.partial(
    re.search,
    r"(?<![^\W_])(?:rate[\s_-]?limit(?:s|ed|ing)?|too[\s_-]?many[\s_-]?requests"
    r"|quota[\s_-]?exceeded|exceeded (?:your )?(?:current )?quota)(?![^\W_])",
    flags=re.IGNORECASE,
)
_NUMBER = functools.partial(re.search, r"(?<![\w.])(?<!\d,)429(?!\w)(?![.,]\d)")


def _message_says_rate_limit(error: BaseException) -> bool:
    for level in _levels(error):
        for one in level:
            text = ErrorText()
            or_none(text.add_prose, one)
            message = " ".join(text.prose)
            status = or_none(status_of, one)
            # In an error with another status, the number means something else. One with this status
            # that is no refusal is of a request that is too large.
            number = _NUMBER(message) and status is None
            words = _WORDS(message) and status != _TOO_MANY
            if (number or words) and not _too_large(message):
                return True
    return False
