"""The instances of a run as one looks at them: views, made when somebody looks, of what is on record.

Times are seconds since the run began.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, SupportsIndex, overload

from ..errors import MissingExtraError, describe
from ..text.formatting import error_text, params_text, short_repr
from ..text.redact import secrets_of
from .store import CANCELLED, FAILED, PENDING, STATUSES, RecordStore, Status
from .trace import FIELDS, Params, unpacked

_WIDTH = 120  # characters of a value in a repr


_RARE = ("retries", "fallbacks", "printed")  # told only if there are any


def _told(record: Any) -> str:
    """Return the repr of a named tuple for a cell: what is as ever left out, times to the ms."""
    received = [record, *getattr(record, "copies", ())]
    secrets = set().union(*(secrets_of(getattr(each, "params", None)) for each in received))
    parts = []
    for name, value in zip(record._fields, record, strict=True):
        if value is None or (name in _RARE and not value):
            continue
        if isinstance(value, float):
            text = f"{value:.3f}"
        elif isinstance(value, BaseException):
            text = error_text(value, secrets, _WIDTH)
        else:
            text = short_repr(value, _WIDTH, secrets)
        parts.append(f"{name}={text}")
    return f"{type(record).__name__}({', '.join(parts)})"


class NodeCopy(NamedTuple):
    """What one copy of a node received and did.

    Attributes:
        node: class name of the node.
        params: what the copy received, as it was at the moment of `set_params`.
        started, ended: seconds since the run began; `ended` is None while it runs.
        action: what it returned to choose the next node; None also while it runs.
        error: the exception that left it, or None.
        parent: index, in `Instance.copies`, of the nested flow this copy ran in; None at the top.
        after: index of the copy that ran before this one in the same walk; None: it is the first of
            its flow, or of one of the walks that a nested batch flow takes.
        retries: how often its exec failed and was tried again by the node itself (`max_retries`);
            of a batch node, over all its items. Known once it has ended, as are:
        fallbacks: how often its own `exec_fallback` gave a result in place of a failed exec.
    """

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

    def __repr__(self) -> str:
        return _told(self)


class Attempt(NamedTuple):
    """An earlier attempt of an instance that was run again.

    Attributes:
        status: how it ended.
        started, ended: seconds since the run began.
        result: its last action, or the exception.
        copies: what its node copies received and did.
        printed: what it printed; see `Instance.printed`.
        read: the params that its node copies have asked for; see `Instance.read`.
    """

    status: Status
    started: float
    ended: float
    result: Any
    copies: list[NodeCopy]
    printed: str
    read: frozenset[Any]

    def __repr__(self) -> str:
        return _told(self)


def copies_of(records: RecordStore, index: int) -> list[NodeCopy]:
    """Return what each node copy of an instance received and did, in the order they began."""
    flat, extras = records.trace_of(index)
    return _copies(records, index, flat, extras)


def _copies(
    records: RecordStore, index: int, flat: Sequence[Any], extras: dict[int, dict[str, Any]]
) -> list[NodeCopy]:
    params = records.merged(index)
    copies = []
    top = None
    """Of the copies at the top, which are one walk, the one before."""
    for at in range(0, len(flat), FIELDS):
        node, parent, action, started, ended = flat[at : at + FIELDS]
        extra = extras.get(at, {})
        retries, fallbacks = extra.get("tries", (0, 0))
        after = extra["after"] // FIELDS if "after" in extra else None
        if parent < 0:
            after, top = top, at // FIELDS
        copies.append(
            NodeCopy(
                node=records.node_names[node],
                params=extra.get("params", params),
                started=started - records.began,
                ended=_or_none(ended - records.began),
                action=extra["action"] if "action" in extra else records.action_name(action),
                error=extra.get("error"),
                parent=None if parent < 0 else parent // FIELDS,
                after=after,
                retries=retries,
                fallbacks=fallbacks,
            )
        )
    return copies


def _or_none(time: float) -> float | None:
    return None if time != time else time  # noqa: PLR0124 - the one test for NaN without a call


class Instance:
    """One pass of the flow with one params dict: a live view of its row."""

    __slots__ = ("_records", "index")

    def __init__(self, records: RecordStore, index: int) -> None:
        self._records = records
        self.index = index

    @property
    def params(self) -> dict[Any, Any]:
        """The merged params: the flow's own, overlaid with the row. Empty if the row was dropped."""
        return self._records.merged(self.index)

    @property
    def row(self) -> Params:
        """Its own params, as the batch gave them, without the flow's. Empty if they were dropped."""
        return self._records.row(self.index)

    @property
    def read(self) -> frozenset[Any]:
        """The params that its node copies have asked for so far, there or not (of the last attempt).

        Whatever goes over all of a dict (`**`, iterating, copying) asks for every key.
        """
        return self._records.read_of(self.index)

    @property
    def status(self) -> Status:
        """Pending, running, succeeded, failed or cancelled."""
        return STATUSES[self._records.status[self.index]]

    @property
    def node(self) -> str | None:
        """Class name of the node that began last; None before the first."""
        return self._records.node_names[self._records.nodes[self.index]] or None

    @property
    def copies(self) -> list[NodeCopy]:
        """What each node copy received and did, in the order they began (of the last attempt)."""
        return copies_of(self._records, self.index)

    @property
    def result(self) -> Any:
        """The last action, or the exception; None before the end."""
        return self._records.results[self.index]

    @property
    def error(self) -> BaseException | None:
        """The exception that ended it, or None."""
        result = self.result
        failed = self._records.status[self.index] in (FAILED, CANCELLED)
        return result if failed and isinstance(result, BaseException) else None

    @property
    def traceback(self) -> str:
        """The error's traceback as text; empty if there is none."""
        error = self.error
        return "" if error is None else "".join(traceback.format_exception(error))

    @property
    def printed(self) -> str:
        """What it has printed and logged so far (of the last attempt).

        Kept for runs that have a panel (see `flowmagic.records.printed`); else empty.
        Of a long one the first 16 kB and the last 48 kB; what is missing is said in the text.
        """
        return self._records.printed_of(self.index, self._records.attempt(self.index))

    @property
    def writes(self) -> dict[Any, Any] | None:
        """What it has written to its own view of the shared store (of the last attempt).

        None where it has none: `isolate` was not asked for, it has not begun, or it was dropped.
        What it took away again is not in there; lists and dicts that were there before, and that it
        has changed, are from its end on.
        """
        if self._records.status[self.index] == PENDING:
            return None
        return self._records.writes.get(self.index)

    @property
    def started(self) -> float | None:
        """Seconds from the run's beginning to this instance's; None if it never started."""
        return _or_none(self._records.started[self.index] - self._records.began)

    @property
    def ended(self) -> float | None:
        """Seconds from the run's beginning to this instance's end; None before it."""
        return _or_none(self._records.ended[self.index] - self._records.began)

    @property
    def seconds(self) -> float | None:
        """How long it ran; None before its end."""
        return _or_none(self._records.ended[self.index] - self._records.started[self.index])

    @property
    def attempts(self) -> int:
        """How often it was started (255 stands for more)."""
        started = not math.isnan(self._records.started[self.index])
        return min(255, self._records.earlier[self.index] + started)

    @property
    def restored(self) -> int | None:
        """Number of the earlier run whose result stands here, so that it did not run; or None."""
        left = self._records.restored.get(self.index)
        return None if left is None else left.run

    @property
    def history(self) -> list[Attempt]:
        """Its earlier attempts, oldest first; of many, the latest."""
        records, index = self._records, self.index
        return [
            Attempt(
                status=STATUSES[each.code],
                started=each.started - records.began,
                ended=each.ended - records.began,
                result=each.result,
                copies=_copies(records, index, unpacked(each.packed), each.extras or {}),
                printed=records.printed_of(index, each.number),
                read=records.read_by(index, each.read),
            )
            for each in records.history.get(index, ())
        ]

    def __repr__(self) -> str:
        params = self.params
        secrets = secrets_of(params) | self._records.secrets
        text = f"<Instance {self.index}: {self.status}"
        if shown := params_text(params, _WIDTH):
            text += f", {shown}"
        if (error := self.error) is not None:
            text += f"; {error_text(error, secrets, _WIDTH)}"
        elif self.result is not None:
            text += f"; {short_repr(self.result, _WIDTH, secrets)}"
        return f"{text}>"


class Instances(Sequence[Instance]):
    """The instances of a run, in the order of the params. A live view."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | list[Instance]:
        n = len(self._records)
        if isinstance(index, slice):
            return [Instance(self._records, i) for i in range(*index.indices(n))]
        if not isinstance(index, SupportsIndex):
            raise TypeError(
                f"An instance has the index of its params, from 0, and this is {describe(index)}. "
                "Write run[0], or next(i for i in run.instances if i.params == {...})."
            )
        index = index.__index__()
        if not -n <= index < n:
            raise IndexError(f"There is no instance {index}: the run has {n}.")
        return Instance(self._records, index % n)

    def __iter__(self) -> Iterator[Instance]:
        for index in range(len(self._records)):
            yield Instance(self._records, index)

    def __repr__(self) -> str:
        return f"<{len(self)} instances>"


def pandas() -> Any:
    """Return the module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("to_frame() needs pandas: pip install pandas") from None
    return pd


def frame_of(instances: Instances, names: Iterable[str]) -> Any:
    """Return a row for each instance: its params, then its attributes of these names.

    A param that is named like one of them keeps its name, and the other one gets an underscore.
    """
    pd = pandas()
    frame = pd.DataFrame([each.params for each in instances], index=range(len(instances)))
    for name in names:
        column = [getattr(each, name) for each in instances]
        if name == "status":
            column = [str(status) for status in column]
        label = f"{name}_" if name in frame.columns else name
        frame[label] = pd.Series(column, index=frame.index, dtype=_dtype(name))
    return frame


def _dtype(column: str) -> str:
    return {"seconds": "float64", "attempts": "int64"}.get(column, "object")
