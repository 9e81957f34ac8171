"""The states of rows, packed for the page: of those that have changed, or of all."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import repeat
from operator import sub
from struct import Struct

from ...records.store import RecordStore
from ...records.trace import FIELDS

_ROW = Struct("<IBBHff")  # index, status, earlier attempts, node, started, ended


def pack_rows(records: RecordStore, indices: Iterable[int]) -> bytes:
    """Pack the state of some rows, 16 bytes each; times in seconds since the run began, or NaN.

    A row that has succeeded though it never started is one that was restored from an earlier run.
    """
    pack = _ROW.pack
    status, earlier, nodes = records.status, records.earlier, records.nodes
    started, ended, began = records.started, records.ended, records.began
    return b"".join(
        [
            pack(i, status[i], earlier[i], nodes[i], started[i] - began, ended[i] - began)
            for i in indices
        ]
    )


def pack_columns(records: RecordStore, seq: int) -> bytes:
    """Pack the state of all rows, 12 bytes each: column after column, then the sequence number.

    Columns, because they are copied whole: 100,000 rows take a few milliseconds. The number is
    last, because the page's model compares a new value with the old one from the end.
    """
    # May be called from another thread (a page that reloads): copies, of equal length.
    nodes, status, earlier = records.nodes[:], bytes(records.status), bytes(records.earlier)
    started, ended = records.started[:], records.ended[:]
    n = min(len(nodes), len(status), len(earlier), len(started), len(ended))
    return b"".join(
        [
            _since(started[:n], records.began),
            _since(ended[:n], records.began),
            nodes[:n].tobytes(),
            status[:n],
            earlier[:n],
            seq.to_bytes(4, "little"),
        ]
    )


def _since(times: array[float], began: float) -> bytes:
    return array("f", map(sub, times, repeat(began))).tobytes()


MOST_COPIES = 200
"""Node copies of a row that are told: the first."""

MOST_COPIES_IN_MESSAGE = 2_000
"""Node copies of one message, after which no further row is told of: a few milliseconds."""

_SEGMENTS = Struct("<IH")  # index, number of copies
_COPY = Struct("<HBff")  # node, depth, started, ended


def pack_segments(records: RecordStore, rows: Iterable[int]) -> bytes:
    """Pack the node copies of rows: of each its node, in how many nested flows it ran, and when.

    Per row its index (4 bytes) and their number (2); per copy the node's number (2), the depth (1),
    start and end (4 each), in seconds since the run began, the end NaN while it runs. The page asks
    again for those that are left out because there are too many copies.
    """
    parts = []
    told = 0
    began = records.began
    for index in rows:
        flat, _ = records.trace_of(index)
        depths: dict[int, int] = {}
        copies = []
        for at in range(0, min(len(flat), MOST_COPIES * FIELDS), FIELDS):
            node, parent, _, started, ended = flat[at : at + FIELDS]
            depth = depths[at] = min(255, depths.get(parent, -1) + 1)
            copies.append(_COPY.pack(node, depth, started - began, ended - began))
        parts += [_SEGMENTS.pack(index, len(copies)), *copies]
        told += len(copies)
        if told >= MOST_COPIES_IN_MESSAGE:
            break
    return b"".join(parts)


MOST_ATTEMPTS_IN_MESSAGE = 2_000
"""Attempts of one message, after which no further row is told of: a millisecond or two."""

_ATTEMPTS = Struct("<IBB")  # index, earlier attempts, how many of them follow
_ATTEMPT = Struct("<BHff")  # status, number, started, ended
_LAST = 0xFFFF


def pack_attempts(records: RecordStore, rows: Iterable[int]) -> bytes:
    """Pack the earlier attempts of rows: of each how it ended, which it was, and when it ran.

    Per row its index (4 bytes), how many earlier attempts it has (1), as `pack_rows` tells them, and
    how many of them are kept and follow (1), oldest first; per attempt its status (1), its number
    (2, from 1), start and end (4 each), in seconds since the run began.
    """
    parts = []
    told = 0
    began = records.began
    for index in rows:
        attempts = records.history.get(index, ())
        parts.append(_ATTEMPTS.pack(index, records.earlier[index], len(attempts)))
        parts += [
            _ATTEMPT.pack(
                each.code, min(_LAST, each.number + 1), each.started - began, each.ended - began
            )
            for each in attempts
        ]
        told += len(attempts)
        if told >= MOST_ATTEMPTS_IN_MESSAGE:
            break
    return b"".join(parts)
