"""Values as text for a screen: bounded in length, safe to make, with secrets masked.

Everything that flowmagic shows of params, results and errors goes through here; what becomes markup
is escaped besides, where it becomes markup.

A secret is known by the name of its key: `api_key`, `token`, `password`, `Authorization` and the
like, at any depth. Its value is replaced by a mask, and where that same value stands in another text
of its instance (an error message, say), it is masked there too. The node gets the real one.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from .redact import MASK, fields_of, is_secret, masked, secrets_of
from .user_objects import within_budget


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
        if (parts := fields_of(x)) is not None:
            return self._repr_fields(x, parts, level)
        if isinstance(x, dict) and _plain_repr(x, dict):
            return self.repr_dict(x, level)
        if isinstance(x, str) and _plain_repr(x, str):
            return truncate(repr(_start(x, self.maxstring, self._secrets)), self.maxstring)
        if isinstance(x, bytes) and _plain_repr(x, bytes):
            # Before repr: it may be many megabytes long.
            return truncate(
                _start(repr(x[: _FAR * self.maxstring]), self.maxstring, self._secrets),
                self.maxstring,
            )
        return super().repr1(x, level)

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - reprlib's own signature
        try:
            text = within_budget(repr, x)
        except Exception:  # noqa: BLE001 - somebody's __repr__
            return f"<{type(x).__name__} instance at {id(x):#x}>"
        if text is None:
            return f"<{type(x).__name__}, whose repr takes too long>"
        return truncate(_start(text, self.maxother, self._secrets), self.maxother)

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


def short_repr(value: object, width: int = 80, secrets: AbstractSet[str] = _NONE) -> str:
    """Return a repr of at most `width` characters, on one line, with `secrets` masked; never raises."""
    try:
        text = _Repr(width, secrets).repr(value)
    except Exception as error:  # noqa: BLE001 - somebody's __repr__, __len__ or __getitem__
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return truncate(masked(" ".join(text.split("\n")), secrets), width)


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no screen shows, though it may do something there: control characters but for tab and newline,
those that turn the direction of the text around them, and halves of a character."""


def truncate(text: str, width: int) -> str:
    r"""Cut a text to `width` characters, with escapes in place of what no screen shows.

    >>> cut("user\u202enimda", 80)
    'user\\u202enimda'
    """
    if len(text) > width:
        text = text[: width - 1] + "…"
    if _UNSEEN.search(text):
        return truncate(_UNSEEN.sub(_escaped, text), width)
    return text


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def params_text(params: Mapping[Any, Any], width: int = 200) -> str:
    """Return params as `user_id=1, type='premium'`, in at most `width` characters."""
    secrets = secrets_of(params)  # they may also stand in the values of other keys
    parts = []
    length = 0
    for key, value in params.items():
        shown = MASK if is_secret(key, value) else short_repr(value, min(width, 80), secrets)
        parts.append(f"{key_text(key, 40, secrets)}={shown}")
        length += len(parts[-1]) + 2
        if length > width:
            break
    return truncate(", ".join(parts), width)


def key_text(key: object, width: int, secrets: AbstractSet[str] = _NONE) -> str:
    """Return the name of a param in at most `width` characters: a string without quotes."""
    return (
        truncate(_start(key, width, secrets), width)
        if isinstance(key, str)
        else short_repr(key, width, secrets)
    )


def error_text(error: BaseException, secrets: AbstractSet[str] = _NONE, width: int = 200) -> str:
    """Return `ValueError: message` on one line, in at most `width` characters; never raises."""
    try:
        message = within_budget(str, error)
    except Exception:  # noqa: BLE001 - somebody's __str__
        message = "(its message cannot be shown)"
    if message is None:
        message = "(its message takes too long)"
    name = type(error).__name__
    message = _start(message, width, secrets)
    line = " ".join(f"{name}: {message}".split()) if message else name
    return truncate(line, width)
