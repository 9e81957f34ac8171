"""The details of an opened row.

All texts are bounded in length, with secrets masked. The page shows them as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from ...records.instances import Attempt, Instance
from ...records.node_copies import NodeCopy
from ...records.row_secrets import secrets_of_row
from ...records.status import Status
from ...records.store import RecordStore
from ...records.trace import Params
from ...text.formatting import error_text, key_text, short_repr, traceback_text, truncate
from ...text.redact import MASK, is_secret
from ..shell import name_of
from .detail_types import AttemptDetail, CopyDetail, Detail, ParamDetail
from .output_detail import output_detail, without_controls
from .row_text import equal

_MAX_VALUE = 400  # characters of a value
_MAX_NAME = 60  # characters of a param's name
_MAX_NODE = 80  # characters of a node's name
_MAX_ERROR = 1_000
_MAX_PRINTED = 20_000  # characters of what a row printed
_MAX_COPIES = 100
_MAX_PARAMS = 50
RerunCell = Callable[[int, "frozenset[str]"], str]
"""Returns the cell that reruns a row, given the row's index and the secrets to leave out."""


def detail_of(records: RecordStore, index: int, rerun_cell: RerunCell = lambda *_: "") -> Detail:
    """Return the details of a row: its node copies with their params, its outcome, its attempts."""
    instance = Instance(records, index)
    copies = instance.copies
    history = instance.history
    secrets = secrets_of_row(records, index)
    error = None if instance.status == Status.CANCELLED else instance.error
    note = ""
    if len(copies) > _MAX_COPIES:
        note = _first_copies(_MAX_COPIES, len(copies))
    elif not copies and not records.keeps(index):
        note = "Params and node copies of this row are no longer kept."
    ended = instance.status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
    succeeded = instance.status == Status.SUCCEEDED
    restored = records.restored.get(index)
    return {
        "index": index,
        "status": str(instance.status),
        "attempts": instance.attempts,
        "started": instance.started,
        "seconds": instance.seconds if ended else None,
        "output": output_detail(instance.output, secrets) if succeeded and not copies else None,
        "error": "" if error is None else error_text(error, secrets, _MAX_ERROR),
        "traceback": "" if error is None else traceback_text(error, secrets, name_of),
        "copies": _copies(records, index, copies[:_MAX_COPIES], _read(instance), secrets),
        "note": note,
        "printed": _printed(instance.printed, secrets),
        "code": rerun_cell(index, secrets),
        "restored": None if restored is None else restored[0],
        "history": _history(records, index, history, secrets),
    }


def _first_copies(shown: int, total: int) -> str:
    return f"The first {shown} of {total:,} node copies."


def _read(attempt: Instance | Attempt) -> frozenset[Any] | None:
    """Return the params that an attempt has read; None if it was cut off or has not ended."""
    return attempt.read if attempt.status in (Status.SUCCEEDED, Status.FAILED) else None


def _history(
    records: RecordStore, index: int, history: list[Attempt], secrets: frozenset[str]
) -> list[AttemptDetail]:
    details: list[AttemptDetail] = []
    left = _MAX_COPIES
    earlier = records.earlier[index]
    # The latest attempts come first: they matter most if not all copies can be shown.
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
                "error": "" if error is None else error_text(error, secrets, _MAX_VALUE),
                "copies": _copies(records, index, shown, _read(each), secrets),
                "note": ""
                if len(shown) == len(each.copies)
                else _first_copies(len(shown), len(each.copies)),
                "printed": _printed(each.printed, secrets, _MAX_VALUE),
            }
        )
    return details[::-1]


def _printed(text: str, secrets: frozenset[str], width: int = _MAX_PRINTED) -> str:
    """Return the end of what an attempt printed, without terminal colours and control characters."""
    plain = without_controls(text, secrets)
    if len(plain) > width:
        start = plain.find("\n", len(plain) - width, len(plain) - width // 2) + 1
        plain = plain[start or len(plain) - width :]
        plain = f"[Only the end is shown; the instance's .printed has all that is kept]\n{plain}"
    return truncate(plain, 2 * width)


def _copies(
    records: RecordStore,
    index: int,
    copies: list[NodeCopy],
    read: frozenset[Any] | None,
    secrets: frozenset[str],
) -> list[CopyDetail]:
    provenance = Provenance(copies, records.row(index), records.base)
    details: list[CopyDetail] = []
    for position, each in enumerate(copies):
        depth = 0 if each.parent is None else details[each.parent]["depth"] + 1
        details.append(
            {
                "node": truncate(each.node, _MAX_NODE),
                "depth": depth,
                "previous": provenance.previous(position),
                "params": _params(provenance, position, read, secrets),
                "started": each.started,
                "seconds": None if each.ended is None else each.ended - each.started,
                "action": None
                if each.action is None
                else short_repr(each.action, _MAX_VALUE, secrets),
                "output": output_detail(each.output, secrets),
                "error": "" if each.error is None else error_text(each.error, secrets, _MAX_ERROR),
                "remark": _remark(each),
            }
        )
    return details


def _remark(copy: NodeCopy) -> str:
    """Return in words whether its output was reused, and its own retries and fallbacks; or ""."""
    parts = []
    if copy.reused is not None:
        parts.append(f"reused, saved {copy.reused:.1f} s")
    if copy.retries:
        parts.append(f"{copy.retries:,} {'retry' if copy.retries == 1 else 'retries'}")
    if copy.fallbacks:
        parts.append("fallback" if copy.fallbacks == 1 else f"{copy.fallbacks:,} fallbacks")
    return ", ".join(parts)


def _params(
    provenance: Provenance, position: int, read: frozenset[Any] | None, secrets: frozenset[str]
) -> list[ParamDetail]:
    params = provenance.params(position)
    previous = provenance.previous(position)
    previous_params = params if previous is None else provenance.params(previous)
    details: list[ParamDetail] = []
    for key, value in islice(params.items(), _MAX_PARAMS):
        details.append(
            {
                "key": key_text(key, _MAX_NAME, secrets),
                "value": _value(key, value, secrets),
                "mark": _mark(params, previous_params, key),
                "source": truncate(provenance.source(position, key), _MAX_NAME),
                "unread": read is not None and key not in read,
            }
        )
    for key in previous_params:
        if key not in params and len(details) < _MAX_PARAMS:
            name = key_text(key, _MAX_NAME, secrets)
            source = truncate(provenance.changer(position), _MAX_NAME)
            details.append(
                {"key": name, "value": "", "mark": "gone", "source": source, "unread": False}
            )
    if len(params) > _MAX_PARAMS:
        more = f"{len(params) - _MAX_PARAMS} more"
        details.append({"key": "…", "value": more, "mark": "", "source": "", "unread": False})
    return details


def _mark(params: Params, previous: Params, key: object) -> str:
    if params is previous:
        return ""
    if key not in previous:
        return "new"
    return "" if equal(previous[key], params[key]) else "changed"


def _value(key: object, value: object, secrets: frozenset[str]) -> str:
    return MASK if is_secret(key, value) else short_repr(value, _MAX_VALUE, secrets)


class Provenance:
    """Finds out where the params of an attempt's node copies came from.

    Args:
        copies: the node copies in the order in which they started.
        row: the instance's own params.
        base: the flow's params.
    """

    def __init__(
        self, copies: Sequence[NodeCopy], row: Mapping[Any, Any], base: Mapping[Any, Any]
    ) -> None:
        self._copies = copies
        self._row = row
        self._base = base
        self._sources: dict[tuple[int, Any], str] = {}

    def previous(self, position: int) -> int | None:
        """Return the copy that passed its params on to this one; None if it got the instance's own.

        This is the copy before it in its walk, or the nested flow whose walk it starts.
        """
        copy = self._copies[position]
        return copy.parent if copy.after is None else copy.after

    def params(self, position: int) -> Mapping[Any, Any]:
        """Return the params of a copy."""
        return self._copies[position].params

    def source(self, position: int, key: Any) -> str:
        """Return "flow", "batch", "batch over flow", or "node X" for the last node that can have set it."""
        source = self._sources.get((position, key))
        if source is None:
            source = self._sources[position, key] = self._find_source(position, key)
        return source

    def _find_source(self, position: int, key: Any) -> str:
        previous = self.previous(position)
        if previous is None:
            sources = ("batch", key in self._row), ("flow", key in self._base)
            return " over ".join(name for name, contains in sources if contains)
        own, others = self._copies[position].params, self._copies[previous].params
        if own is others or (key in others and equal(others[key], own[key])):
            return self.source(previous, key)
        return self.changer(position)

    def changer(self, position: int) -> str:
        """Return "node X" for the last copy that can have changed the params of this one."""
        previous = self.previous(position)
        return "" if previous is None else f"node {self._copies[previous].node}"
