"""When the earlier attempts of some rows ran, packed for the timeline of the page."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from ..records import Records

MOST_TOLD = 2_000
"""Attempts of one message, after which no further row is told of: a millisecond or two."""

_ROW = Struct("<IBB")  # index, earlier attempts, how many of them follow
_ATTEMPT = Struct("<BHff")  # status, number, started, ended
_LAST = 0xFFFF


def pack_attempts(records: Records, rows: Iterable[int]) -> bytes:
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
        parts.append(_ROW.pack(index, records.earlier[index], len(attempts)))
        parts += [
            _ATTEMPT.pack(
                each.code, min(_LAST, each.number + 1), each.started - began, each.ended - began
            )
            for each in attempts
        ]
        told += len(attempts)
        if told >= MOST_TOLD:
            break
    return b"".join(parts)
