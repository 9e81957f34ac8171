"""The states of rows, packed for the page: of those that have changed, or of all."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import repeat
from operator import sub
from struct import Struct

from ..records import Records

_ROW = Struct("<IBBHff")  # index, status, earlier attempts, node, started, ended


def pack_rows(records: Records, indices: Iterable[int]) -> bytes:
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


def pack_columns(records: Records, seq: int) -> bytes:
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
