"""When each node copy of some rows ran, packed for the timeline of the page."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from ..records import Records
from ..trace import FIELDS

MOST_COPIES = 200
"""Node copies of a row that are told: the first."""

MOST_TOLD = 2_000
"""Node copies of one message, after which no further row is told of: a few milliseconds."""

_ROW = Struct("<IH")  # index, number of copies
_COPY = Struct("<HBff")  # node, depth, started, ended


def pack_segments(records: Records, rows: Iterable[int]) -> bytes:
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
        parts += [_ROW.pack(index, len(copies)), *copies]
        told += len(copies)
        if told >= MOST_TOLD:
            break
    return b"".join(parts)
