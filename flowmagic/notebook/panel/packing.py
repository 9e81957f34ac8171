"""Packs into bytes what a page needs of many rows: states, node copies, and earlier attempts.

All times are seconds since the start of the run, as floats of 4 bytes; NaN stands for none yet.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import repeat
from operator import sub
from struct import Struct

from ...records.store import RecordStore
from ...records.trace import FIELDS, OPEN

_ROW = Struct("<IBBHff")  # index, status, earlier attempts, node, started, ended


def pack_rows(records: RecordStore, indices: Iterable[int]) -> bytes:
    """Pack the states of some rows, 16 bytes each.

    A row that has succeeded but never started was restored from an earlier run.
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
    """Pack the states of all rows, 12 bytes each: column after column, then the sequence number.

    Whole columns are copied at once: 100,000 rows take a few milliseconds. The number comes last
    because the page's model compares a new value with the old one from the end.
    """
    # Another thread may call this when a page reloads, so it works on copies of equal length.
    nodes, status, earlier = records.nodes[:], bytes(records.status), bytes(records.earlier)
    started, ended = records.started[:], records.ended[:]
    n = min(len(nodes), len(status), len(earlier), len(started), len(ended))
    return b"".join(
        [
            _seconds_since(started[:n], records.began),
            _seconds_since(ended[:n], records.began),
            nodes[:n].tobytes(),
            status[:n],
            earlier[:n],
            seq.to_bytes(4, "little"),
        ]
    )


def _seconds_since(times: array[float], began: float) -> bytes:
    return array("f", map(sub, times, repeat(began))).tobytes()


MAX_COPIES = 200
"""How many node copies of a row are packed: the first ones."""

MAX_COPIES_PER_MESSAGE = 2_000
"""Node copies in a message after which no further row is packed, which takes a few milliseconds."""

_SEGMENTS = Struct("<IH")  # index, number of copies
_COPY = Struct("<HBff")  # node, depth and whether it raised, started, ended
_RAISED = 0x80


def pack_segments(records: RecordStore, rows: Iterable[int]) -> bytes:
    """Pack the node copies of some rows: the node, the number of enclosing flows, start and end.

    A row has its index (4 bytes) and the number of copies (2); a copy has the number of its node
    (2), the depth (1, of which the highest bit is set if the copy raised), start and end (4 each).
    The page requests omitted rows again.
    """
    parts = []
    packed = 0
    began = records.began
    for index in rows:
        flat, _ = records.trace_of(index)
        depths: dict[int, int] = {}
        copies = []
        for at in range(0, min(len(flat), MAX_COPIES * FIELDS), FIELDS):
            node, parent, action, started, ended = flat[at : at + FIELDS]
            depth = depths[at] = min(_RAISED - 1, depths.get(parent, -1) + 1)
            raised = _RAISED if action == OPEN and ended == ended else 0  # noqa: PLR0124 - no NaN
            copies.append(_COPY.pack(node, depth | raised, started - began, ended - began))
        parts += [_SEGMENTS.pack(index, len(copies)), *copies]
        packed += len(copies)
        if packed >= MAX_COPIES_PER_MESSAGE:
            break
    return b"".join(parts)


MAX_ATTEMPTS_PER_MESSAGE = 2_000
"""Attempts in a message after which no further row is packed, which takes a millisecond or two."""

_ATTEMPTS = Struct("<IBB")  # index, number of earlier attempts, number of those that follow
_ATTEMPT = Struct("<BHff")  # status, number, started, ended
_MAX_NUMBER = 0xFFFF


def pack_attempts(records: RecordStore, rows: Iterable[int]) -> bytes:
    """Pack the earlier attempts of some rows: status, number, start and end.

    A row has its index (4 bytes), the number of its earlier attempts as in `pack_rows` (1), and
    the number of those that are kept and follow, oldest first (1); an attempt has its status (1),
    its number (2, from 1), start and end (4 each). The page requests omitted rows again.
    """
    parts = []
    packed = 0
    began = records.began
    for index in rows:
        attempts = records.history.get(index, ())
        parts.append(_ATTEMPTS.pack(index, records.earlier[index], len(attempts)))
        parts += [
            _ATTEMPT.pack(
                each.code,
                min(_MAX_NUMBER, each.number + 1),
                each.started - began,
                each.ended - began,
            )
            for each in attempts
        ]
        packed += len(attempts)
        if packed >= MAX_ATTEMPTS_PER_MESSAGE:
            break
    return b"".join(parts)
