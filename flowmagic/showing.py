"""Values as text for a screen: bounded in length, safe to make, with secrets masked.

Everything that flowmagic shows of params, results and errors goes through here; what becomes markup
is escaped besides, where it becomes markup.

A secret is known by the name of its key: `api_key`, `token`, `password`, `Authorization` and the
like, at any depth. Its value is replaced by a mask, and where that same value stands in another text
of its instance (an error message, say), it is masked there too. The node gets the real one.
"""

from __future__ import annotations

import functools
import itertools
import re
import reprlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from typing import Any

from .patience import patiently

MASK = "•••"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    [
        "apikey",
        "apikeys",
        "authorization",
        "bearer",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pwd",
        "secret",
        "secrets",
        "token",
    ]
)
_SECRET_PAIRS = frozenset(
    (word, key) for word in ("api", "access", "private", "auth") for key in ("key", "keys")
)
_SECRET_ENDS = ("password", "passwd", "apikey")  # PGPASSWORD, dbpassword
_SHORTEST = 4  # masking a shorter value wherever it stands would garble the text around it


def is_secret(key: object, value: object = "") -> bool:
    """Whether what stands under this key is to be masked: by the words of its name.

    >>> is_secret("OPENAI_API_KEY"), is_secret("accessToken"), is_secret("max_tokens")
    (True, True, False)

    Numbers and None are shown (`token_limit=100`), except under a password or a secret.
    """
    if not isinstance(key, str):
        return False
    named, named_also_for_a_number = _named_secret(str(key))
    if value is None or isinstance(value, (bool, int, float)):
        return value is not None and named_also_for_a_number
    return named


@functools.lru_cache(maxsize=1_024)  # the rows of a batch have the same keys
def _named_secret(key: str) -> tuple[bool, bool]:
    """Whether a name is a secret's; and whether it is one also for a number."""
    words = [word.lower() for word in _WORDS.findall(key)]
    named = _SECRET_WORDS.intersection(words)
    named |= {end for end in _SECRET_ENDS if any(word.endswith(end) for word in words)}
    pairs = any(pair in _SECRET_PAIRS for pair in itertools.pairwise(words))
    return bool(named) or pairs, bool(named & {"password", "passwd", "pwd", "secret"})


def _plain_repr(value: object, kind: type) -> bool:
    """Whether a value of a subclass is shown as its base class shows it."""
    return getattr(type(value), "__repr__") is getattr(kind, "__repr__")  # noqa: B009 - mypy takes them for bound


class _Repr(reprlib.Repr):
    """reprlib's bounded repr, in the given order, with secrets masked at any depth."""

    def __init__(self, width: int, secrets: AbstractSet[str]) -> None:
        super().__init__()
        self._secrets = secrets
        self.maxstring = self.maxother = self.maxlong = width
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 8
        self.maxlevel = 4

    def repr1(self, x: Any, level: int) -> str:
        if isinstance(x, Mapping) and not isinstance(x, dict):
            return f"{type(x).__name__}({self.repr_dict(x, level)})"
        if (parts := _fields(x)) is not None:
            return self._repr_fields(x, parts, level)
        if isinstance(x, dict) and _plain_repr(x, dict):
            return self.repr_dict(x, level)
        if isinstance(x, str) and _plain_repr(x, str):
            return cut(repr(_start(x, self.maxstring, self._secrets)), self.maxstring)
        if isinstance(x, bytes) and _plain_repr(x, bytes):
            # Before repr: it may be many megabytes long.
            return cut(
                _start(repr(x[: _FAR * self.maxstring]), self.maxstring, self._secrets),
                self.maxstring,
            )
        return super().repr1(x, level)

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - reprlib's own signature
        try:
            text = patiently(repr, x)
        except Exception:  # noqa: BLE001 - somebody's __repr__
            return f"<{type(x).__name__} instance at {id(x):#x}>"
        if text is None:
            return f"<{type(x).__name__}, whose repr takes too long>"
        return cut(_start(text, self.maxother, self._secrets), self.maxother)

    def repr_dict(self, x: Any, level: int) -> str:
        if level <= 0:
            return "{…}"
        parts = []
        for number, key in enumerate(x):
            if number == self.maxdict:
                parts.append("…")
                break
            value = x[key]
            text = MASK if is_secret(key, value) else self.repr1(value, level - 1)
            parts.append(f"{self.repr1(key, level - 1)}: {text}")
        return f"{{{', '.join(parts)}}}"

    def _repr_fields(self, x: Any, fields_of_x: list[tuple[str, Any]], level: int) -> str:
        if level <= 0:
            return f"{type(x).__name__}(…)"
        parts = []
        for name, value in fields_of_x[: self.maxdict]:
            shown = MASK if is_secret(name, value) else self.repr1(value, level - 1)
            parts.append(f"{name}={shown}")
        return f"{type(x).__name__}({', '.join(parts)})"


def _fields(value: object) -> list[tuple[str, Any]] | None:
    """Return the fields of a dataclass, a NamedTuple, or an object of pydantic or attrs; else None."""
    if isinstance(value, type):
        return None
    if is_dataclass(value):
        names: Any = [field.name for field in fields(value)]
    else:
        kind: Any = type(value)
        names = getattr(kind, "_fields", None) if isinstance(value, tuple) else None
        if names is None:
            names = getattr(kind, "model_fields", None)
        if names is None and (attributes := getattr(kind, "__attrs_attrs__", None)) is not None:
            names = [each.name for each in attributes]
        if not isinstance(names, (Mapping, list, tuple)):
            return None
    return [(name, getattr(value, name, None)) for name in names if isinstance(name, str)]


_NONE: frozenset[str] = frozenset()
_FAR = 8  # widths to read of a text that is to be masked and then cut


def _start(text: str, width: int, secrets: AbstractSet[str]) -> str:
    """Return the start of a text, masked, and a little more than `width` long.

    Masked before it is cut: of a secret that is cut in two, the first part would stay.
    """
    if not secrets:
        return text[: width + 1]
    longest = max(map(len, secrets))
    start = text[: _FAR * width + longest]
    shown = masked(start, secrets)
    return shown if len(start) == len(text) else shown[: -2 * longest]


def brief(value: object, width: int = 80, secrets: AbstractSet[str] = _NONE) -> str:
    """Return a repr of at most `width` characters, on one line, with `secrets` masked; never raises."""
    try:
        text = _Repr(width, secrets).repr(value)
    except Exception as error:  # noqa: BLE001 - somebody's __repr__, __len__ or __getitem__
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return cut(masked(" ".join(text.split("\n")), secrets), width)


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no screen shows, though it may do something there: control characters but for tab and newline,
those that turn the direction of the text around them, and halves of a character."""


def cut(text: str, width: int) -> str:
    r"""Cut a text to `width` characters, with escapes in place of what no screen shows.

    >>> cut("user\u202enimda", 80)
    'user\\u202enimda'
    """
    if len(text) > width:
        text = text[: width - 1] + "…"
    if _UNSEEN.search(text):
        return cut(_UNSEEN.sub(_escaped, text), width)
    return text


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def params_text(params: Mapping[Any, Any], width: int = 200) -> str:
    """Return params as `user_id=1, type='premium'`, in at most `width` characters."""
    secrets = secrets_of(params)  # they may also stand in the values of other keys
    parts = []
    length = 0
    for key, value in params.items():
        shown = MASK if is_secret(key, value) else brief(value, min(width, 80), secrets)
        parts.append(f"{key_text(key, 40, secrets)}={shown}")
        length += len(parts[-1]) + 2
        if length > width:
            break
    return cut(", ".join(parts), width)


def key_text(key: object, width: int, secrets: AbstractSet[str] = _NONE) -> str:
    """Return the name of a param in at most `width` characters: a string without quotes."""
    return (
        cut(_start(key, width, secrets), width)
        if isinstance(key, str)
        else brief(key, width, secrets)
    )


def secrets_of(value: object, depth: int = 4) -> set[str]:
    """Return the secret values found in params, at any depth down to `depth`, longest texts first."""
    return set(_secrets(value, depth))


_MOST_KEYS = 2_000
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
"""Of what holds no secret under a key; most values are of it."""


def _secrets(value: object, depth: int) -> Iterator[str]:
    if depth < 0:
        return
    if isinstance(value, Mapping):
        # Of an index with a million entries, not all: somebody waits for the run to begin.
        items: Any = list(itertools.islice(value.items(), _MOST_KEYS))
    elif (named := _fields(value)) is not None:
        items = named
    elif isinstance(value, (list, tuple)):
        items = [(None, each) for each in value[:100]]
    else:
        return
    for key, each in items:
        if key is not None and is_secret(key, each):
            yield from _texts(each, depth)
        elif type(each) not in _PLAIN:
            yield from _secrets(each, depth - 1)


def _texts(value: object, depth: int) -> Iterator[str]:
    """Give the texts that stand for a secret, where others quote it."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    text = text if isinstance(text, str) else brief(text)
    if len(text) >= _SHORTEST:
        yield text
    if isinstance(value, (str, bytes)):
        # "Bearer sk-…" may be quoted without its first word.
        yield from (word for word in text.split() if len(word) > 2 * _SHORTEST)
    elif depth > 0:
        # Of several, each may be quoted alone; a short one may as well be a user's name.
        for each in _held(value):
            if isinstance(each, (str, bytes)):
                yield from (word for word in _texts(each, 0) if len(word) > 2 * _SHORTEST)
            elif type(each) not in _PLAIN:
                yield from _texts(each, depth - 1)


def _held(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(itertools.islice(value, 100))
    return [each for _, each in _fields(value) or ()]


def masked(text: str, secrets: AbstractSet[str]) -> str:
    """Return a text with every occurrence of the given secret values masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
        quoted = repr(secret)[1:-1]
        if quoted != secret:
            text = text.replace(quoted, MASK)
    return text


def error_text(error: BaseException, secrets: AbstractSet[str] = _NONE, width: int = 200) -> str:
    """Return `ValueError: message` on one line, in at most `width` characters; never raises."""
    try:
        message = patiently(str, error)
    except Exception:  # noqa: BLE001 - somebody's __str__
        message = "(its message cannot be shown)"
    if message is None:
        message = "(its message takes too long)"
    name = type(error).__name__
    message = _start(message, width, secrets)
    line = " ".join(f"{name}: {message}".split()) if message else name
    return cut(line, width)
