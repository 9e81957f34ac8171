"""The secrets to mask in what is shown of a run: those of a row, or of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..text.redact import secrets_of
from .status import FAILED
from .store import RecordStore

_MOST_COPIES = 100
_MOST_ROWS = 1_000  # in a batch, a secret is nearly always the same one


def secrets_of_row(records: RecordStore, index: int) -> frozenset[str]:
    """Return the secrets to mask in what is shown of a row.

    They are those of its params, also of earlier attempts and as each node copy received them; of what
    it wrote to its own copy of the shared store; of its outputs if it failed, since its error may quote
    them; and those of the run, see `Columns.secrets`.
    """
    own = secrets_of(records.merged(index)).union(*map(secrets_of, _others(records, index)))
    return records.secrets | own if own else records.secrets


def secrets_of_run(records: RecordStore) -> frozenset[str]:
    """Return the secrets to mask in what is shown of a whole run: its own, and those of 1,000 rows."""
    rows = range(min(len(records), _MOST_ROWS))
    return records.secrets.union(*(secrets_of(records.merged(index)) for index in rows))


def _others(records: RecordStore, index: int) -> Iterator[object]:
    """Yield the params that node copies of a row received, if they are not the row's; its writes."""
    if index in records.writes:
        yield records.writes[index]
    if records.status[index] == FAILED:
        yield from records.outputs_of(index).values()
    trace = records.live.get(index)
    extras = records.packed_trace_of(index)[1] if trace is None else trace.extras
    yield from _params(extras)
    for attempt in records.history.get(index, ()):
        yield from _params(attempt.extras)


def _params(extras: Mapping[int, Mapping[str, object]] | None) -> Iterator[object]:
    for extra in list((extras or {}).values())[:_MOST_COPIES]:
        if "params" in extra:
            yield extra["params"]
