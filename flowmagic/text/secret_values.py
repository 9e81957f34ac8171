"""What a secret looks like: under a name, in a text by its form, and in a text after its name.

The rule is in the docstring of `redact`.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

from .secret_names import NamedSecret, named_secret

MASK = "•••"


def is_secret(name: object, value: object) -> bool:
    """Return whether a value is a secret because of its name.

    >>> is_secret("api_key", "abc"), is_secret("mask_token", "[MASK]"), is_secret("max_tokens", 100)
    (True, False, False)
    """
    # Not by `isinstance`, which may run code of an object's class.
    if not issubclass(type(name), str):
        return False
    named = named_secret(str(name))
    if named is NamedSecret.NO or value is None or value is True or value is False:
        return False
    if issubclass(type(value), (int, float)):
        return named is NamedSecret.ALSO_NUMBERS
    if named is NamedSecret.BY_VALUE:
        return looks_random(value)
    return not (type(value) in _SIZED and not value)


_SIZED = frozenset({str, bytes, bytearray, list, tuple, dict, set, frozenset})
_MOST_ITEMS = 100

_ONE_WORD = re.compile(r"[\w.~+/=:|@$!%*-]{8,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:\D|$)")
_SCHEME = re.compile(r"\A(?i:bearer|basic|token)[ \t]+")
_KEY = re.compile(r"[prs]k[-_]|gh[opsur]_|xox[a-z]-")
_LONG, _FEW_DIGITS = 20, 3


def looks_random(value: object) -> bool:
    """Return whether a value looks like a generated one: a long word with digits; or several of them.

    >>> looks_random("f3b0c44298fc1c14"), looks_random("Paris"), looks_random("2026-01-31T12:00:00")
    (True, False, False)
    """
    kind: Any = type(value)
    if issubclass(kind, (bytes, bytearray)):
        value, kind = bytes(value).decode("utf-8", "replace"), str  # type: ignore[call-overload]
    if issubclass(kind, str):
        word = without_scheme(str(value)[: 10 * _MOST_ITEMS].strip())
        if not _ONE_WORD.fullmatch(word) or _DATE.match(word) or "://" in word:
            return False
        digits = sum(map(str.isdigit, word))
        mixed = digits > 0 and (len(word) >= _LONG or _CHANGES_CASE.search(word) is not None)
        return mixed or digits >= _FEW_DIGITS or _KEY.match(word) is not None
    if kind in (list, tuple, set, frozenset):
        items: Any = value
        return bool(items) and all(map(looks_random, itertools.islice(items, _MOST_ITEMS)))
    return False


def without_scheme(text: str) -> str:
    """Return the value of an Authorization header without its first word: of "Bearer x", "x"."""
    return _SCHEME.sub("", text, count=1)


_ORDINARY = re.compile(r"[^\W\d_]+(?:[ ']+[^\W\d_]+)*")
_CHANGES_CASE = re.compile(r"[a-z][A-Z]")
_SHORTEST, _SHORTEST_NUMBER, _SHORTEST_WORDS = 6, 8, 16  # characters


def is_distinctive(text: str) -> bool:
    """Return whether a secret can be masked wherever it occurs, and no ordinary word with it.

    >>> is_distinctive("hunter22"), is_distinctive("yes"), is_distinctive("2024")
    (True, False, False)
    """
    if len(text) < _SHORTEST:
        return False
    if text.isdigit():
        return len(text) >= _SHORTEST_NUMBER
    if len(text) >= _SHORTEST_WORDS or not _ORDINARY.fullmatch(text):
        return True
    return _CHANGES_CASE.search(text) is not None


# By their form


class _Shape(NamedTuple):
    """A form of secrets.

    Attributes:
        hints: a text without any of these has no such secret.
        pattern: matches the secret, after a group that is not masked.
        alone: whether the secret begins a word, so that "task-..." has none that begins with "sk-".
    """

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    alone: bool


def _shape(hints: str, secret: str, before: str = "") -> _Shape:
    # Without a lookbehind at the start of the pattern, `re` finds its first letters much faster.
    pattern = re.compile(f"({before}){secret}", re.ASCII)
    return _Shape(tuple(hints.split("|")), pattern, alone=not before)


_SHAPES = {
    "-": (
        _shape("sk-", r"sk-(?=[\w-]{0,99}\d)(?=[\w-]{0,99}[A-Za-z])[\w-]{16,}"),
        _shape(
            "xox|glpat-|xai-|xapp-|pypi-",
            r"(?:xox[a-z]-|glpat-|xai-|xapp-|pypi-)(?=[\w-]{0,99}\d)[\w-]{12,}",
        ),
        _shape(
            "PRIVATE KEY",
            r"(?:(?:[^-]|-(?!----))*(?=-----END)"
            r"|(?:\\[nr]|\s)*[A-Za-z0-9+/=]{16,}(?:\\[nr]|[\sA-Za-z0-9+/=])*)",
            r"-----BEGIN[A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----",
        ),
    ),
    "_": (
        _shape(
            "_live_|_test_|ghp_|gho_|ghs_|ghu_|ghr_|github_pat_|hf_|gsk_|npm_|whsec_|dop_v1_",
            r"(?:[rsp]k_(?:live|test)_|gh[opsur]_|github_pat_|hf_|gsk_|npm_|whsec_|dop_v1_)"
            r"(?=\w{0,99}\d)\w{16,}",
        ),
    ),
    "@": (
        _shape("://", r"[^\s/?#'\"<>]+(?=@)", r"://[^\s/?#:@'\"<>]*:"),
        _shape("://", r"(?=[^\s/@]{0,99}\d)[^\s/?#:@'\"<>]{16,}(?=@)", r"://"),
        _shape(
            ":",
            r"[^\s:/?#@'\"<>]{3,}(?=@[\w.-]+(?::\d|/))",
            r"(?<![\w/.+%-])[\w.+%-]{1,64}:",
        ),
    ),
    "J": (_shape("eyJ", r"eyJ(?<![\w-]eyJ)[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?"),),
    "I": (
        _shape("AKIA|ASIA", r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
        _shape("AIza", r"AIza[\w.-]{30,}"),
    ),
    "9": (_shape("ya29.", r"ya29\.[\w.-]{30,}"),),
    "G": (_shape("SG.", r"SG\.[\w-]{16,}\.[\w-]{16,}"),),
    "/": (_shape("hooks.slack.com/", r"[\w/]{16,}", r"hooks\.slack\.com/(?:services|workflows)/"),),
    " ": (
        _shape(
            "earer |asic ",
            r"(?=[\w.~+/-]{0,99}(?:\d|[a-z][A-Z])|[\w.~+/-]{24})[\w.~+/-]{8,}=*",
            r"\b(?i:bearer|basic)[ \t]+",
        ),
    ),
}
"""The forms, by a character that all of them contain: most texts can be left after a glance."""

SHORTEST = 10  # characters
"""No secret that is recognised by its form is in a shorter text."""


def mask_shapes(text: str) -> str:
    """Return a text with the secrets masked that are recognised by their form."""
    return _mask_spans(text, _by_form(text)) if len(text) >= SHORTEST else text


def secrets_in(text: str) -> list[str]:
    """Return the secrets in a value that are recognised by their form, or by their names in it."""
    return [text[start:end] for start, end in [*_by_form(text), *_by_name(text)]]


_Span = tuple[int, int]


def _by_form(text: str) -> list[_Span]:
    spans: list[_Span] = []
    for character, shapes in _SHAPES.items():
        if character in text:
            for hints, pattern, alone in shapes:
                for hint in hints:
                    if hint in text:
                        spans += _found(text, pattern, alone=alone)
                        break
    return spans


def _found(text: str, pattern: re.Pattern[str], *, alone: bool) -> Iterator[_Span]:
    for match in pattern.finditer(text):
        start = match.end(1)
        if not (alone and start and text[start - 1] in _LETTERS_AND_DIGITS):
            yield start, match.end()


def _mask_spans(text: str, spans: list[_Span]) -> str:
    if not spans:
        return text
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if start >= at:
            parts += (text[at:start], MASK)
        at = max(at, end)
    return "".join([*parts, text[at:]])


_LETTERS_AND_DIGITS = frozenset(string.ascii_letters + string.digits)


# By the name before them

_IN_QUERY = re.compile(r"[?&;]([\w.-]{1,80})=([^\s&#;\"'<>\\]+)")
_KEYS_OF_URLS = frozenset(["key", "code", "sig", "signature"])
_SIGN = re.compile("[=:]")
_OF_NAMES = f"{string.ascii_letters}{string.digits}_-"
_VALUE = re.compile(
    r"""(?:=|>)?[ \t]*(?:[rbuf]{0,2}"(?P<double>(?:[^"\\\n]|\\.)*)"""
    r"""|[rbuf]{0,2}'(?P<single>(?:[^'\\\n]|\\.)*)"""
    r"""|\\+["'](?P<escaped>[^"'\\\n]+)|(?P<bare>[^\s,;&"'(){}\[\]<>\\]{1,300}))"""
)
_REST = re.compile(r"""[^\s,;&"'(){}\[\]<>\\]*""")  # of a longer value without quotes
_FAR = 80  # characters before a sign, in which the name is


def mask_named(text: str) -> str:
    """Return a text with the secrets masked that follow their names, as in `password='hunter2'`.

    A value without quotes is masked only if it has a digit: it may be the name of a variable.
    """
    return _mask_spans(text, _by_name(text))


def _by_name(text: str) -> list[_Span]:
    if "=" not in text and ":" not in text:
        return []
    spans = list(_after_names(text))
    if "?" in text or "&" in text:
        spans += _in_query(text)
    return spans


def _in_query(text: str) -> Iterator[_Span]:
    for match in _IN_QUERY.finditer(text):
        name, value = match.groups()
        named = NamedSecret.BY_VALUE if name.lower() in _KEYS_OF_URLS else named_secret(name)
        if named is NamedSecret.BY_VALUE and not _has_digits(value):
            continue
        if named is not NamedSecret.NO:
            yield match.span(2)


def _after_names(text: str) -> Iterator[_Span]:
    at = 0
    while (sign := _SIGN.search(text, at)) is not None:
        at = sign.end()
        # As in `d["password"] = ...`, and in JSON within JSON.
        before = text[max(0, sign.start() - _FAR) : sign.start()].rstrip(" \t").rstrip("]'\"\\:")
        name = before[len(before.rstrip(_OF_NAMES)) :]
        if named_secret(name) is NamedSecret.NO or (value := _VALUE.match(text, at)) is None:
            continue
        form = str(value.lastgroup)
        start, end = value.span(form)
        found: Any = value[form]
        if form == "bare":
            if not _has_digits(found):
                continue
            found = int(found) if found.isdecimal() else found
            end = _REST.match(text, end).end()  # type: ignore[union-attr] # it matches anywhere
        if is_secret(name, found):
            yield start, end
            at = end


def _has_digits(text: str) -> bool:
    return is_distinctive(text) and any(map(str.isdigit, text))
