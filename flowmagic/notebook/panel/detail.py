"""Everything about a row, once it is opened.

All of it is bounded in length and has its secrets masked; it becomes text, never markup.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from ...records.batch import Params
from ...records.instances import Attempt, Instance, NodeCopy
from ...records.store import RecordStore, Status
from ...text.formatting import error_text, key_text, short_repr, truncate
from ...text.redact import MASK, is_secret, masked, secrets_of
from ...text.tracebacks import traceback_text
from ..shell import name_of
from .columns import equal
from .protocol import AttemptDetail, CopyDetail, Detail, ParamDetail

_VALUE = 400  # characters of one value in an opened row
_KEY = 60  # of its name
_MOST_PRINTED = 20_000  # characters of what it printed
_replace_controls = functools.partial(  # compiled when it is first used
    re.sub,
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\n\t\x20-\x7e\x80-\U0010ffff]",
)
"""Escape sequences of a terminal, and control characters that a page cannot show."""
_MOST_COPIES = 100
_MOST_PARAMS = 50


Code = Callable[[int, "set[str]"], str]
"""Gives the cell that runs a row once more, from its index and the secrets to leave out."""


def detail_of(records: RecordStore, index: int, code: Code = lambda *_: "") -> Detail:
    """Return everything about a row: each node copy with the params it received, and its end."""
    instance = Instance(records, index)
    copies = instance.copies
    history = instance.history
    # A node may have been given a secret that another one has dropped: all of them are masked.
    received = {
        id(each.params): each.params
        for of_attempt in (copies, *(attempt.copies for attempt in history))
        for each in of_attempt[:_MOST_COPIES]
    }
    secrets = secrets_of(instance.params).union(
        records.secrets, *map(secrets_of, received.values())
    )
    error = instance.error
    cancelled = instance.status == Status.CANCELLED
    note = ""
    if len(copies) > _MOST_COPIES:
        note = f"The first {_MOST_COPIES} of {len(copies):,} node copies."
    elif not copies and not records.keeps(index):
        note = "Params and node copies of this row are no longer kept."
    ended = instance.status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
    return {
        "index": index,
        "status": str(instance.status),
        "attempts": instance.attempts,
        "started": instance.started,
        "seconds": instance.seconds if ended else None,
        "result": short_repr(instance.result, _VALUE, secrets)
        if instance.status == Status.SUCCEEDED
        else "",
        "error": error_text(error, secrets, 1_000) if error is not None and not cancelled else "",
        "traceback": traceback_text(error, secrets, name_of)
        if error is not None and not cancelled
        else "",
        "copies": _copies(records, index, copies[:_MOST_COPIES], _read(instance), secrets),
        "note": note,
        "printed": _printed(instance.printed, secrets),
        "code": code(index, secrets),
        "restored": left.run if (left := records.restored.get(index)) is not None else None,
        "history": _history(records, index, history, secrets),
    }


def _read(attempt: Instance | Attempt) -> frozenset[Any] | None:
    """Return what an attempt has read; None while it may still read more, or where it was cut off."""
    return attempt.read if attempt.status in (Status.SUCCEEDED, Status.FAILED) else None


def _history(
    records: RecordStore, index: int, history: list[Attempt], secrets: set[str]
) -> list[AttemptDetail]:
    details: list[AttemptDetail] = []
    left = _MOST_COPIES
    earlier = records.earlier[index]
    # The latest ones first: where not all can be shown in full, they matter most.
    for number, each in zip(range(earlier, 0, -1), reversed(history), strict=False):
        shown = each.copies[:left]
        left -= len(shown)
        error = each.result if isinstance(each.result, BaseException) else None
        details.append(
            {
                "number": number,
                "status": str(each.status),
                "started": each.started,
                "seconds": each.ended - each.started,
                "error": "" if error is None else error_text(error, secrets, _VALUE),
                "copies": _copies(records, index, shown, _read(each), secrets),
                "note": ""
                if len(shown) == len(each.copies)
                else f"The first {len(shown)} of {len(each.copies):,} node copies.",
                "printed": _printed(each.printed, secrets, _VALUE),
            }
        )
    return details[::-1]


def _printed(text: str, secrets: set[str], most: int = _MOST_PRINTED) -> str:
    """Return the end of what an attempt printed: the colours of a terminal and other controls go."""
    # A secret may have controls in it, and others may stand between its letters.
    plain = masked(_replace_controls("", masked(text, secrets).replace("\r\n", "\n")), secrets)
    if len(plain) > most:
        start = plain.find("\n", len(plain) - most, len(plain) - most // 2) + 1
        plain = plain[start or len(plain) - most :]
        plain = f"[The end of it; all that is kept is in the instance's .printed]\n{plain}"
    return truncate(plain, 2 * most)


def _copies(
    records: RecordStore,
    index: int,
    copies: list[NodeCopy],
    read: frozenset[Any] | None,
    secrets: set[str],
) -> list[CopyDetail]:
    provenance = Provenance(copies, records.row(index), records.base)
    details: list[CopyDetail] = []
    for position, each in enumerate(copies):
        depth = 0 if each.parent is None else details[each.parent]["depth"] + 1
        details.append(
            {
                "node": truncate(each.node, 80),
                "depth": depth,
                "before": provenance.before(position),
                "params": _params(provenance, position, read, secrets),
                "started": each.started,
                "seconds": None if each.ended is None else each.ended - each.started,
                "action": None if each.action is None else short_repr(each.action, _VALUE, secrets),
                "error": "" if each.error is None else error_text(each.error, secrets, 1_000),
                "retries": _retries_text(each),
            }
        )
    return details


def _retries_text(copy: NodeCopy) -> str:
    """Return in words what a node copy tried by itself; empty if nothing."""
    parts = []
    if copy.retries:
        parts.append(f"{copy.retries:,} {'retry' if copy.retries == 1 else 'retries'}")
    if copy.fallbacks:
        parts.append("fallback" if copy.fallbacks == 1 else f"{copy.fallbacks:,} fallbacks")
    return ", ".join(parts)


def _params(
    provenance: Provenance, position: int, read: frozenset[Any] | None, secrets: set[str]
) -> list[ParamDetail]:
    params = provenance.received(position)
    before = provenance.before(position)
    earlier = params if before is None else provenance.received(before)
    shown: list[ParamDetail] = []
    for key, value in islice(params.items(), _MOST_PARAMS):
        shown.append(
            {
                "key": key_text(key, _KEY, secrets),
                "value": _value(key, value, secrets),
                "mark": _mark(params, earlier, key),
                "source": truncate(provenance.source(position, key), _KEY),
                "unread": read is not None and key not in read,
            }
        )
    for key in earlier:
        if key not in params and len(shown) < _MOST_PARAMS:
            gone = key_text(key, _KEY, secrets)
            by = truncate(provenance.changer(position), _KEY)
            shown.append({"key": gone, "value": "", "mark": "gone", "source": by, "unread": False})
    if len(params) > _MOST_PARAMS:
        left = f"{len(params) - _MOST_PARAMS} more"
        shown.append({"key": "…", "value": left, "mark": "", "source": "", "unread": False})
    return shown


def _mark(params: Params, earlier: Params, key: object) -> str:
    if params is earlier:
        return ""
    if key not in earlier:
        return "new"
    return "" if equal(earlier[key], params[key]) else "changed"


def _value(key: object, value: object, secrets: set[str]) -> str:
    return MASK if is_secret(key, value) else short_repr(value, _VALUE, secrets)


class Provenance:
    """Knows where the params of one attempt's node copies came from.

    Args:
        copies: in the order they began.
        row: the instance's own params.
        base: the flow's.
    """

    def __init__(
        self, copies: Sequence[NodeCopy], row: Mapping[Any, Any], base: Mapping[Any, Any]
    ) -> None:
        self._copies = copies
        self._row = row
        self._base = base
        self._known: dict[tuple[int, Any], str] = {}

    def before(self, position: int) -> int | None:
        """Return which copy handed its params on to this one; None: it got the instance's own.

        The one before it in its walk, or the nested flow whose walk it begins.
        """
        copy = self._copies[position]
        return copy.parent if copy.after is None else copy.after

    def received(self, position: int) -> Mapping[Any, Any]:
        """Return what a copy received."""
        return self._copies[position].params

    def source(self, position: int, key: Any) -> str:
        """Return "flow", "batch", "batch over flow", or "node X": the last that can have set it."""
        known = self._known.get((position, key))
        if known is None:
            known = self._known[position, key] = self._find(position, key)
        return known

    def _find(self, position: int, key: Any) -> str:
        before = self.before(position)
        if before is None:
            places = ("batch", key in self._row), ("flow", key in self._base)
            return " over ".join(name for name, here in places if here)
        mine, theirs = self._copies[position].params, self._copies[before].params
        if mine is theirs or (key in theirs and equal(theirs[key], mine[key])):
            return self.source(before, key)
        return self.changer(position)

    def changer(self, position: int) -> str:
        """Return "node X", for the copy that is the last to have changed this one's params."""
        before = self.before(position)
        return "" if before is None else f"node {self._copies[before].node}"
