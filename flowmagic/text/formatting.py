"""Text of values for a screen: of bounded length, with secrets masked (see `redact`).

Everything that flowmagic shows of params, results and errors is made here. Callers that produce HTML
escape the text as well.
"""

from __future__ import annotations

import functools
import re
import reprlib
import traceback
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from ..errors import FlowmagicError
from .hints import hint_for
from .redact import MASK, fields_of, is_secret, masked, secrets_of
from .user_objects import within_budget


def _plain_repr(value: object, kind: type) -> bool:
    """Return whether a value of a subclass has the repr of its base class."""
    return getattr(type(value), "__repr__") is getattr(kind, "__repr__")  # noqa: B009 - mypy takes them for bound


class _Repr(reprlib.Repr):
    """The bounded repr of reprlib, but with dicts in their own order and secrets masked."""

    def __init__(self, width: int, secrets: AbstractSet[str], items: int) -> None:
        super().__init__()
        self._secrets = secrets
        self.maxstring = self.maxother = self.maxlong = width
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = items
        self.maxlevel = 4

    def repr1(self, x: Any, level: int) -> str:
        # Most values are texts, and need none of the questions below.
        return self._repr_text(x) if type(x) is str else self._repr_other(x, level)

    def _repr_other(self, x: Any, level: int) -> str:
        if isinstance(x, Mapping) and not isinstance(x, dict):
            return f"{type(x).__name__}({self.repr_dict(x, level)})"
        if (parts := fields_of(x)) is not None:
            return self._repr_fields(x, parts, level)
        if isinstance(x, dict) and _plain_repr(x, dict):
            return self.repr_dict(x, level)
        if isinstance(x, str) and _plain_repr(x, str):
            return self._repr_text(x)
        if isinstance(x, bytes) and _plain_repr(x, bytes):
            # Cut before repr, since it may have many megabytes.
            return truncate(
                _start(repr(x[: _FAR * self.maxstring]), self.maxstring, self._secrets),
                self.maxstring,
            )
        return super().repr1(x, level)

    def _repr_text(self, x: str) -> str:
        return truncate(repr(_start(x, self.maxstring, self._secrets)), self.maxstring)

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - reprlib's own signature
        try:
            text = within_budget(repr, x)
        except Exception:  # noqa: BLE001 - the user's own __repr__
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
_FAR, _NEAR = 8, 4  # how many times its final width a text has when it is masked


def _start(text: str, width: int, secrets: AbstractSet[str]) -> str:
    """Return the start of a text with secrets masked, a little longer than `width`.

    It is masked before it is cut, since the first half of a secret would not be recognised.
    """
    longest = max(map(len, secrets), default=width)
    start = text[: (_FAR if secrets else _NEAR) * width + longest]
    shown = masked(start, secrets)
    return shown if len(start) == len(text) else shown[: -2 * longest]


def short_repr(
    value: object, width: int = 80, secrets: AbstractSet[str] = _NONE, items: int = 8
) -> str:
    """Return a repr of at most `width` characters, on one line, with `secrets` masked; never raises.

    Args:
        items: how many items of a container are shown.
    """
    try:
        text = _Repr(width, secrets, items).repr(value)
    except Exception as error:  # noqa: BLE001 - the user's own __repr__, __len__ or __getitem__
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return truncate(masked(" ".join(text.split("\n")), secrets), width)


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that are invisible but may change what is shown: control characters except tab and
newline, characters that change the direction of text, and surrogates."""


def truncate(text: str, width: int) -> str:
    r"""Cut a text to `width` characters, and replace invisible ones by escapes.

    >>> truncate("user\u202enimda", 80)
    'user\\u202enimda'
    """
    if len(text) > width:
        text = text[: width - 1] + "…"
    if _UNSEEN.search(text):
        return truncate(_UNSEEN.sub(_escaped, text), width)
    return text


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def params_text(params: Mapping[Any, Any], width: int = 200) -> str:
    """Return params as `user_id=1, type='premium'`, in at most `width` characters."""
    secrets = secrets_of(params)  # the values of other keys may contain them
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
    """Return the key of a param in at most `width` characters; a string without its quotes."""
    return (
        truncate(_start(key, width, secrets), width)
        if isinstance(key, str)
        else short_repr(key, width, secrets)
    )


def plain_text(value: object, width: int, secrets: AbstractSet[str] = _NONE) -> str:
    """Return a value as text for a cell: a string without its quotes, unless it is blank."""
    if isinstance(value, str) and value.strip():
        return key_text(value, width, secrets)
    return short_repr(value, width, secrets)


def error_text(error: BaseException, secrets: AbstractSet[str] = _NONE, width: int = 200) -> str:
    """Return an error as `ValueError: message` on one line, at most `width` characters; never raises."""
    try:
        message = within_budget(str, error)
    except Exception:  # noqa: BLE001 - the user's own __str__
        message = "(its message cannot be shown)"
    if message is None:
        message = "(its message takes too long)"
    return error_line(type(error).__name__, _start(message, width, secrets), width)


def error_line(name: str, message: str, width: int) -> str:
    """Return the name of an error's class and its message on one line, at most `width` characters."""
    line = " ".join(f"{name}: {message}".split()) if message else name
    return truncate(line, width)


_FRAMES = 30
_LONGEST = 20_000


def traceback_text(
    error: BaseException,
    secrets: AbstractSet[str] | None = _NONE,
    name_of: Callable[[str], str] = str,
) -> str:
    """Return the traceback of an error, without frames of flowmagic and PocketFlow.

    It has at most 30 frames and 20,000 characters; if the error is one that `hints` explains, the last
    line does. Of an error of flowmagic itself, only the message is returned, since none of its frames
    is the user's.

    Args:
        secrets: texts to mask; None masks nothing.
        name_of: returns the name to show for the name of a source file.
    """
    if isinstance(error, FlowmagicError):
        text = f"{type(error).__name__}: {error}\n"
        return truncate(text if secrets is None else masked(text, secrets), _LONGEST)
    try:
        report = traceback.TracebackException.from_exception(
            error, limit=-_FRAMES, lookup_lines=False, compact=True
        )
        _hide_frames(report, name_of, set())
        text = "".join(report.format())
    except Exception as failure:  # noqa: BLE001 - the user's own __str__ or __cause__
        text = f"{type(error).__name__}, which cannot be shown ({type(failure).__name__})\n"
    if hint := hint_for(error):
        text += f"Hint: {hint}\n"
    text = text if secrets is None else masked(text, secrets)
    return truncate(text.replace("\r\n", "\n"), _LONGEST)


def _hide_frames(report: Any, name_of: Callable[[str], str], seen: set[int]) -> None:
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    foreign = [frame for frame in report.stack if not frame.filename.startswith(_OURS)]
    users = [frame for frame in foreign if not _is_hidden(frame.filename)]
    report.stack = traceback.StackSummary.from_list(users or foreign)
    for frame in report.stack:
        _ = frame.line  # read now, under the real name of its file
        frame.filename = name_of(frame.filename)
    for linked in (
        report.__cause__,
        report.__context__,
        *(getattr(report, "exceptions", ()) or ()),
    ):
        _hide_frames(linked, name_of, seen)


@functools.lru_cache(maxsize=1_024)
def _is_hidden(filename: str) -> bool:
    parts = re.split(r"[\\/]", filename)[:-1]
    return parts[-1:] == ["pocketflow"] or parts[-2:] == ["concurrent", "futures"]


_OURS = __file__[: -len("text/formatting.py")]
