"""The columns that hold what is known of the rows of a run, and what can be read from them.

A run of 100,000 instances must not fill the memory, nor slow down the garbage collector. So there is
no object per instance: there are columns with one slot per row, and the trace of an ended instance is
packed into one `bytes`.

Times in the columns are those of the run's own clock, the monotonic clock of its event loop. Views
give seconds since the run began.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import OutputLostError
from .containers import GivenParams
from .outputs import KEEP_BYTES, OutputStore, by_offset
from .param_reads import ReadSets
from .printed import PrintedTexts
from .status import PENDING, RUNNING, STATUSES, RunCounts
from .trace import PackedAttempt, Params, Trace, TraceBoard, unpacked

_NOT_KEPT = OutputLostError(
    "This output is no longer in memory: of rows from a generator, only the latest are kept in full. "
    "Raise keep, or write a journal."
)


class Columns(TraceBoard):
    """The readable side of a `RecordStore`.

    Args:
        base: the flow's own params, over which each row is merged.
        began: when the run began, by the clock of all times.
        keep: how many succeeded rows of a generator keep their params, node copies and outputs. Of
            older ones, only status, times and result are kept.
        find_secrets: returns the secrets besides those in the rows; called when they are first needed.
        keep_bytes: how many bytes of outputs to keep; see `OutputStore`.
        journaled: whether a journal writes each instance when it has ended.
    """

    def __init__(
        self,
        base: Params,
        began: float,
        keep: int,
        find_secrets: Callable[[], frozenset[str]] = frozenset,
        keep_bytes: int = KEEP_BYTES,
        *,
        journaled: bool = False,
    ) -> None:
        super().__init__()
        self.base = dict(base)
        self._find_secrets = find_secrets
        self._secrets: frozenset[str] = frozenset()
        self._has_secrets = False
        self.began = began
        self.total: int | None = None
        """The number of rows; None until a generator is exhausted."""
        self.cut_off = False
        """Whether a generator may have had more rows, which were never drawn."""
        self.rows: list[Params] | dict[int, Params] = {}
        self.index: Any = None
        """The index of the pandas DataFrame that the rows come from; None for other batches."""
        self.given = GivenParams()
        """The lists, dicts and the like in the params of started rows, as they were before."""
        self.status = bytearray()
        self.started = array("d")
        self.ended = array("d")
        self.earlier = bytearray()
        """How many earlier attempts a row has had; 255 stands for 255 or more."""
        self.read_sets = ReadSets()
        self.read = array("H")
        """The number of the set of keys that an ended row has read; see `read_of`."""
        self.results: list[Any] = []
        self.outputs = OutputStore(keep_bytes, spares_latest=journaled)
        """What the nodes of ended instances returned from exec."""
        self._ends = [0] * len(STATUSES)
        """How many rows have ended with each code. The counts of pending and running rows follow."""
        self.dropped = 0
        """How many rows have lost their params and node copies, because of `keep`."""
        self.live: dict[int, Trace] = {}
        """The traces of running rows, by index."""
        self.history: dict[int, list[PackedAttempt]] = {}
        """The earlier attempts of rows that were run again, by index, oldest first."""
        self.restored: dict[int, tuple[int, int]] = {}
        """The rows that did not run, because the outcome of an earlier run was taken over: the number of
        that run in the journal, and the index of the row there."""
        self.writes: dict[int, Any] = {}
        """What the last attempt of an isolated instance wrote to its copy of the shared store."""
        self.printed: PrintedTexts | None = None
        """What the instances print; None if that is not recorded."""
        self._copies: list[bytes] | dict[int, bytes] = {}
        """The packed traces of ended rows: like `rows`, a list if the rows were known in advance."""
        self._extras: dict[int, dict[int, dict[str, Any]]] = {}
        self._keep = keep
        self._drawn = False
        """Whether the rows come from a generator, by `add`, so that `keep` applies to them."""
        self._full: deque[int] = deque()
        """The succeeded rows of a generator that still have everything, oldest first."""

    def __len__(self) -> int:
        return len(self.status)

    @property
    def secrets(self) -> frozenset[str]:
        """Secret texts besides those in the rows, to be masked wherever the run is shown."""
        if not self._has_secrets:
            self._secrets |= self._find_secrets()
            self._has_secrets = True
        return self._secrets

    def look_for_secrets(self) -> None:
        """Have secrets looked for again: nodes may have put more into the shared store."""
        self._has_secrets = False

    def attempt(self, index: int) -> int:
        """Return how many earlier attempts a row has had. Unlike `earlier`, it has no upper limit."""
        attempts = self.history.get(index)
        return attempts[-1].number + 1 if attempts else 0

    def printed_of(self, index: int, number: int | None = None) -> str:
        """Return what an attempt of a row has printed so far, as far as it is kept; by default the last."""
        if self.printed is None:
            return ""
        return self.printed.text(index, self.attempt(index) if number is None else number)

    def with_status(self, code: int, end: int | None = None) -> list[int]:
        """Return the indices of the rows in a status; only those below `end`, if it is given."""
        indices = []
        at = -1
        while (at := self.status.find(code, at + 1, end)) >= 0:
            indices.append(at)
        return indices

    @property
    def status_counts(self) -> list[int]:
        """How many rows are in each status, in the order of `STATUSES`."""
        counts = self._ends.copy()
        counts[RUNNING] = len(self.live)
        counts[PENDING] = len(self.status) - sum(counts)
        return counts

    @property
    def counts(self) -> RunCounts:
        """How many rows are in each status."""
        return RunCounts(*self.status_counts)

    def row(self, index: int) -> Params:
        """Return the params of a row, without the flow's own; empty if they were dropped."""
        return self.given.as_given(index, self.rows[index]) if self.keeps(index) else {}

    def merged(self, index: int) -> dict[Any, Any]:
        """Return the flow's own params overlaid with those of a row; empty if these were dropped."""
        if not self.keeps(index):
            return {}
        merged: dict[Any, Any] = {**self.base, **self.rows[index]}
        return self.given.as_given(index, merged)

    def keeps(self, index: int) -> bool:
        """Return whether the params of a row are still kept."""
        return isinstance(self.rows, list) or index in self.rows

    def output(self, index: int) -> Any:
        """Return the output of an instance: of its last node copy whose output is not None.

        An `OutputLostError` stands for an output that is no longer kept.
        """
        trace = self.live.get(index)
        if trace is not None:
            return trace.outputs[-1] if trace.outputs else None
        return self.outputs.own(index) if self.keeps(index) else _NOT_KEPT

    def outputs_of(self, index: int) -> dict[int, Any]:
        """Return the outputs of the node copies of an instance, by offset; None is left out."""
        trace = self.live.get(index)
        if trace is not None:
            return by_offset(trace.outputs or ())
        return self.outputs.of(index)

    def read_of(self, index: int) -> frozenset[Any]:
        """Return the keys that a row's last attempt has read of its params, there or not.

        All keys of its params, if what it has read is not known (see `ReadSets`).
        """
        trace = self.live.get(index)
        if trace is None:
            return self.keys_read(index, self.read[index])
        return frozenset() if trace.params is None else frozenset(trace.params.read)

    def keys_read(self, index: int, number: int) -> frozenset[Any]:
        """Return the set of keys with a number, for a row; see `read_of`."""
        read = self.read_sets.keys(number)
        return frozenset(self.merged(index)) if read is None else read

    def trace_of(self, index: int) -> tuple[Sequence[Any], dict[int, dict[str, Any]]]:
        """Return the trace of a row: its fields, `FIELDS` per node copy, and its extras by offset."""
        trace = self.live.get(index)
        if trace is not None:
            return tuple(trace), trace.extras or {}
        packed, extras = self.packed_trace_of(index)
        return unpacked(packed), extras

    def packed_trace_of(self, index: int) -> tuple[bytes, dict[int, dict[str, Any]]]:
        """Return the packed trace of an ended row, and its extras by offset."""
        try:
            packed = self._copies[index]
        except KeyError:  # a generator's row that has not ended, or whose trace was dropped
            packed = b""
        return packed, self._extras.get(index, {})
