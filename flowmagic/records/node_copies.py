"""Views of the node copies of an instance, made from its trace.

Times are seconds since the run began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..text.formatting import error_text, short_repr
from ..text.redact import secrets_of
from .row_secrets import secrets_of_row
from .store import RecordStore
from .trace import FIELDS, Params, time_or_none

_WIDTH = 120  # characters of a value in a repr
_HIDDEN_IF_EMPTY = ("retries", "fallbacks", "printed")


class MaskedRecord:
    """A base class of named tuples that are views of a row: their repr masks the row's secrets."""

    _origin: tuple[RecordStore, int] | None = None
    """The records and the index of the row; None if the tuple was made by hand."""

    def __repr__(self) -> str:
        return record_repr(self)

    def __getstate__(self) -> None:
        """Keep the records out of copies and pickles."""


class CopyFields(NamedTuple):
    """The fields of a `NodeCopy`."""

    node: str
    params: Params
    started: float
    ended: float | None
    action: Any
    error: BaseException | None
    parent: int | None
    after: int | None
    retries: int = 0
    fallbacks: int = 0
    output: Any = None
    reused: float | None = None


class NodeCopy(MaskedRecord, CopyFields):
    """What one copy of a node received and did.

    Attributes:
        node: class name of the node.
        params: the params that the copy received, as they were when it received them.
        started, ended: seconds since the run began; `ended` is None while it runs.
        action: what it returned to choose the next node; None also while it runs.
        error: the exception that it raised, or None.
        parent: index, in `Instance.copies`, of the nested flow this copy ran in; None at the top.
        after: index of the copy that ran before this one in the same walk through the graph; None if
            it was the first. A nested batch flow takes several walks.
        retries: how often the node itself retried its exec (`max_retries`); of a batch node, over all
            its items. Known when the copy has ended, as is `fallbacks`.
        fallbacks: how often its own `exec_fallback` returned a result in place of a failed exec.
        output: what its exec returned, as its post received it: the object itself, and for a batch
            node the list. An `OutputLostError` if it is no longer kept. None for a flow, and for
            the nodes of a nested flow that overrides its orchestration.
        reused: how many seconds the exec had taken whose output was reused, see `reuse`; None if the
            exec ran.
    """


def copies_of(records: RecordStore, index: int) -> list[NodeCopy]:
    """Return the node copies of an instance (of its last attempt), in the order they began."""
    fields, extras = records.trace_of(index)
    return copies_in(records, index, fields, extras, records.outputs_of(index))


def copies_in(
    records: RecordStore,
    index: int,
    fields: Sequence[Any],
    extras: dict[int, dict[str, Any]],
    outputs: Mapping[int, Any],
) -> list[NodeCopy]:
    """Return the node copies in a trace of an instance.

    Args:
        fields: the fields of the trace.
        extras, outputs: those of its node copies, by offset.
    """
    params = records.merged(index)
    copies = [*map(NodeCopy._make, fields_in(records, params, fields, extras, outputs))]
    for copy in copies:
        copy._origin = records, index
    return copies


def fields_in(
    records: RecordStore,
    params: Params,
    fields: Sequence[Any],
    extras: dict[int, dict[str, Any]],
    outputs: Mapping[int, Any],
) -> Iterator[CopyFields]:
    """Yield the fields of the node copies in a trace, without the row that a `NodeCopy` knows.

    Args:
        params: the merged params of the instance, which most copies have received.
        fields, extras, outputs: as for `copies_in`.
    """
    began = records.began
    latest_at_top = None
    for at in range(0, len(fields), FIELDS):
        node, parent, action, started, ended = fields[at : at + FIELDS]
        extra = extras.get(at, _NO_EXTRA)
        retries, fallbacks = extra.get("tries", _NO_TRIES)
        after = extra["after"] // FIELDS if "after" in extra else None
        if parent < 0:  # the copies at the top are one walk
            after, latest_at_top = latest_at_top, at // FIELDS
        yield CopyFields(
            records.node_names[node],
            extra.get("params", params),
            started - began,
            time_or_none(ended - began),
            extra["action"] if "action" in extra else records.action_name(action),
            extra.get("error"),
            None if parent < 0 else parent // FIELDS,
            after,
            retries,
            fallbacks,
            outputs.get(at),
            extra.get("reused"),
        )


_NO_EXTRA: dict[str, Any] = {}
_NO_TRIES = 0, 0


def record_repr(record: Any) -> str:
    """Return the repr of a named tuple, with secrets masked, times to the millisecond, no None."""
    secrets = secrets_of(list(record))  # a node may have put one among its params, and out again
    if record._origin is not None:
        secrets |= secrets_of_row(*record._origin)
    parts = []
    for name, value in zip(record._fields, record, strict=True):
        if value is None or (name in _HIDDEN_IF_EMPTY and not value):
            continue
        if isinstance(value, float):
            text = f"{value:.3f}"
        elif isinstance(value, BaseException):
            text = error_text(value, secrets, _WIDTH)
        else:
            text = short_repr(value, _WIDTH, secrets)
        parts.append(f"{name}={text}")
    return f"{type(record).__name__}({', '.join(parts)})"
