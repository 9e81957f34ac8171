"""Views of the instances of a run. They read the records when accessed.

Times are seconds since the run began.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, overload

from ..errors import MissingIndexError, OptionError, describe
from ..text.formatting import error_text, params_text, short_repr, traceback_text
from ..text.suggestions import by_wrong_name, missing_attribute
from .node_copies import MaskedRecord, NodeCopy, copies_in, copies_of
from .row_secrets import secrets_of_row
from .status import CANCELLED, FAILED, PENDING, STATUSES, Status
from .store import RecordStore
from .trace import PackedAttempt, Params, time_or_none, unpacked

_WIDTH = 120  # characters of a value in a repr


_RIGHT_NAMES = by_wrong_name(
    {
        "run[i].attempts": "retries tries",
        "run[i].copies": "calls nodes steps trace",
        "run[i].error": "exc exception failure",
        "run[i].history": "attempt earlier previous",
        "run[i].index": "id number position",
        "run[i].output": "answer answers exec_res outputs response returned value values",
        "run[i].params": "args input inputs kwargs param",
        "run[i].printed": "log logs prints stderr stdout",
        "run[i].result": "action actions results",
        "run[i].seconds": "duration elapsed runtime time took",
        "run[i].status": "cancelled done failed finished ok pending running state succeeded success",
        "run[i].writes": "shared written",
    }
)


class _AttemptFields(NamedTuple):
    """The fields of an `Attempt`."""

    status: Status
    started: float
    ended: float
    result: Any
    copies: list[NodeCopy]
    printed: str
    read: frozenset[Any]
    output: Any = None


class Attempt(MaskedRecord, _AttemptFields):
    """An earlier attempt of an instance that was run again.

    Attributes:
        status: how it ended.
        started, ended: seconds since the run began.
        result: its last action, or its exception.
        copies: what its node copies received and did.
        printed: what it printed; see `Instance.printed`.
        read: the keys of the params that it read; see `Instance.read`.
        output: what it came to; see `Instance.output`.
    """


class Instance:
    """A live view of one pass of the flow over one row."""

    __slots__ = ("_records", "index")

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            return missing_attribute(self, name, "run[i]", _RIGHT_NAMES)

    def __init__(self, records: RecordStore, index: int) -> None:
        self._records = records
        self.index = index

    @property
    def params(self) -> dict[Any, Any]:
        """The flow's own params, overlaid with those of the row. Empty if the row was dropped (`keep`)."""
        return self._records.merged(self.index)

    @property
    def row(self) -> Params:
        """The row of the batch, without the flow's params. Empty if it was dropped (`keep`)."""
        return self._records.row(self.index)

    @property
    def read(self) -> frozenset[Any]:
        """The keys that its nodes have read of their params so far, there or not (in the last attempt).

        Whatever goes over the whole dict (`**`, iteration, copying) reads all keys.
        """
        return self._records.read_of(self.index)

    @property
    def status(self) -> Status:
        """Pending, running, succeeded, failed or cancelled."""
        return STATUSES[self._records.status[self.index]]

    @property
    def node(self) -> str | None:
        """Class name of the node that began last; None before the first one."""
        return self._records.node_names[self._records.nodes[self.index]] or None

    @property
    def copies(self) -> list[NodeCopy]:
        """What each node copy received and did, in the order they began (in the last attempt)."""
        return copies_of(self._records, self.index)

    @property
    def result(self) -> Any:
        """The last action, or the exception; None until the instance has ended."""
        return self._records.results[self.index]

    @property
    def output(self) -> Any:
        """What exec returned in the last node copy where that was not None (in the last attempt).

        The last copy is the one that began last. An `OutputLostError` stands for an output that was
        dropped, of old rows of a generator (`keep`) or to save memory (`keep_bytes`), or that could
        not be sent from a worker.
        """
        return self._records.output(self.index)

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the instance, or None."""
        result = self.result
        failed = self._records.status[self.index] in (FAILED, CANCELLED)
        return result if failed and isinstance(result, BaseException) else None

    @property
    def traceback(self) -> str:
        """The error's traceback as text, with secrets masked; empty if there is none.

        Frames of flowmagic and PocketFlow are left out, and of many others the first ones.
        """
        error = self.error
        if error is None:
            return ""
        return traceback_text(error, secrets_of_row(self._records, self.index))

    @property
    def printed(self) -> str:
        """What it has printed and logged so far (in the last attempt).

        Empty unless the run has a panel. Of a long text, the first 16 kB and the last 48 kB are kept,
        and a line in between gives the size of the gap.
        """
        return self._records.printed_of(self.index)

    @property
    def writes(self) -> dict[Any, Any] | None:
        """What it has written to its own copy of the shared store, by key (in the last attempt).

        None if the run is not isolated (`isolate`), or if the instance has not begun or was dropped.
        Keys that it removed again are not included. Lists and dicts that it changed in place are
        included once it has ended.
        """
        if self._records.status[self.index] == PENDING:
            return None
        return self._records.writes.get(self.index)

    @property
    def started(self) -> float | None:
        """When it started, in seconds since the run began; None if it never did."""
        return time_or_none(self._records.started[self.index] - self._records.began)

    @property
    def ended(self) -> float | None:
        """When it ended, in seconds since the run began; None until then."""
        return time_or_none(self._records.ended[self.index] - self._records.began)

    @property
    def seconds(self) -> float | None:
        """How many seconds it ran; None until it has ended."""
        return time_or_none(self._records.ended[self.index] - self._records.started[self.index])

    @property
    def attempts(self) -> int:
        """How often it was started; 255 stands for 255 or more."""
        earlier = self._records.earlier[self.index]
        return min(255, earlier + 1) if self.started is not None else earlier

    @property
    def restored(self) -> int | None:
        """The number, in the journal, of the earlier run whose result was taken over; None if it ran."""
        restored = self._records.restored.get(self.index)
        return None if restored is None else restored[0]

    @property
    def history(self) -> list[Attempt]:
        """Its earlier attempts, oldest first; at most the latest 20."""
        return [
            _attempt(self._records, self.index, each)
            for each in self._records.history.get(self.index, ())
        ]

    def __repr__(self) -> str:
        params = self.params
        secrets = secrets_of_row(self._records, self.index)
        text = f"<Instance {self.index}: {self.status}"
        if shown := params_text(params, _WIDTH):
            text += f", {shown}"
        if (error := self.error) is not None:
            text += f"; {error_text(error, secrets, _WIDTH)}"
        elif self.result is not None:
            text += f"; {short_repr(self.result, _WIDTH, secrets)}"
        return f"{text}>"


def _attempt(records: RecordStore, index: int, packed: PackedAttempt) -> Attempt:
    outputs = records.outputs.of((index, packed.number))
    attempt = Attempt(
        status=STATUSES[packed.code],
        started=packed.started - records.began,
        ended=packed.ended - records.began,
        result=packed.result,
        copies=copies_in(records, index, unpacked(packed.packed), packed.extras or {}, outputs),
        printed=records.printed_of(index, packed.number),
        read=records.keys_read(index, packed.read),
        output=outputs[max(outputs)] if outputs else None,
    )
    attempt._origin = records, index
    return attempt


class Instances(Sequence[Instance]):
    """A live view of the instances of a run, in the order of the params."""

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
            raise OptionError(
                f"The index of an instance is an int, and this is {describe(index)}. "
                "Write run[0], or next(i for i in run.instances if i.params == {...})."
            )
        index = index.__index__()
        if not -n <= index < n:
            raise MissingIndexError(f"There is no instance {index}: the run has {n}.")
        return Instance(self._records, index % n)

    def __iter__(self) -> Iterator[Instance]:
        for index in range(len(self._records)):
            yield Instance(self._records, index)

    def __repr__(self) -> str:
        return f"<{len(self)} instances>"
