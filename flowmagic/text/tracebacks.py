"""Text of tracebacks: only the user's frames, of bounded length, with secrets masked."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from ..errors import FlowmagicError
from .formatting import truncate
from .redact import masked

_FRAMES = 30
_LONGEST = 20_000


def traceback_text(
    error: BaseException,
    secrets: AbstractSet[str] = frozenset(),
    name_of: Callable[[str], str] = str,
) -> str:
    """Return the traceback of an error, without frames of flowmagic and PocketFlow.

    It has at most 30 frames and 20,000 characters. Of an error of flowmagic itself, only the message
    is returned, since none of its frames is the user's.

    Args:
        error: the error.
        secrets: texts to mask.
        name_of: returns the name to show for the name of a source file.
    """
    if isinstance(error, FlowmagicError):
        return truncate(masked(f"{type(error).__name__}: {error}\n", secrets), _LONGEST)
    try:
        report = traceback.TracebackException.from_exception(error, limit=-_FRAMES, compact=True)
        _hide_frames(report, name_of, set())
        text = "".join(report.format())
    except Exception as failure:  # noqa: BLE001 - the user's own __str__ or __cause__
        text = f"{type(error).__name__}, which cannot be shown ({type(failure).__name__})\n"
    return truncate(masked(text, secrets).replace("\r\n", "\n"), _LONGEST)


def _hide_frames(report: Any, name_of: Callable[[str], str], seen: set[int]) -> None:
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    foreign = [frame for frame in report.stack if not frame.filename.startswith(_OURS)]
    users = [frame for frame in foreign if not _is_hidden(frame.filename)]
    report.stack = traceback.StackSummary.from_list(users or foreign)
    for frame in report.stack:
        frame.filename = name_of(frame.filename)
    for linked in (
        report.__cause__,
        report.__context__,
        *(getattr(report, "exceptions", ()) or ()),
    ):
        _hide_frames(linked, name_of, seen)


def _is_hidden(filename: str) -> bool:
    parts = re.split(r"[\\/]", filename)[:-1]
    return parts[-1:] == ["pocketflow"] or parts[-2:] == ["concurrent", "futures"]


_OURS = __file__[: -len("text/tracebacks.py")]
