"""The packing of row states."""

from __future__ import annotations

import math
from array import array
from struct import unpack

from flowmagic.notebook.rowstates import pack_columns, pack_rows
from flowmagic.records import FAILED, RUNNING, SUCCEEDED, Records, Restored


class Node:
    pass


def some_records() -> Records:
    """Return three rows: one failed at its second attempt, one running, one pending."""
    records = Records({}, 1_000_000.0, 10)
    records.load([{}, {}, {}])
    for _ in range(2):
        records.start(0, 1_000_000.5).open(Node, -1, 1_000_000.5, None)
        records.finish(0, ValueError(), 1_000_000.75, FAILED)
        records.requeue(0)
    records.cancel(0)
    records.start(1, 1_000_002.0)
    return records


def test_a_changed_row_takes_sixteen_bytes():
    """Index, status, earlier attempts, node, started, ended; times from the run's beginning."""
    packed = pack_rows(some_records(), [0, 1])
    assert len(packed) == 32
    assert unpack("<IBBHff", packed[:16]) == (0, FAILED, 1, 1, 0.5, 0.75)
    index, status, _, _, started, ended = unpack("<IBBHff", packed[16:])
    assert (index, status, started) == (1, RUNNING, 2.0)
    assert math.isnan(ended)


def test_a_snapshot_is_columns_and_its_number():
    """Twelve bytes per row, and the sequence number last."""
    packed = pack_columns(some_records(), 77)
    assert len(packed) == 3 * 12 + 4
    assert array("f", packed[:4])[0] == 0.5
    assert array("f", packed[12:16])[0] == 0.75
    assert array("H", packed[24:30]).tolist() == [1, 0, 0]
    assert list(packed[30:33]) == [FAILED, RUNNING, 0]
    assert list(packed[33:36]) == [1, 0, 0]
    assert packed[36:] == (77).to_bytes(4, "little")


def test_a_restored_row_has_succeeded_and_never_started():
    """By which the page knows it, since nothing else that has succeeded is like that."""
    records = Records({}, 0.0, 10)
    records.load([{}, {}])
    records.restore(0, Restored(1, 0, "done", None))
    records.start(1, 2.0)
    records.finish(1, None, 3.0)
    _, *first = unpack("<IBBHff", pack_rows(records, [0]))
    assert first[:3] == [SUCCEEDED, 0, 0]
    assert all(map(math.isnan, first[3:]))
    assert not any(map(math.isnan, unpack("<IBBHff", pack_rows(records, [1]))))


def test_a_snapshot_of_no_rows_is_its_number_alone():
    """An empty batch is no special case."""
    assert pack_columns(Records({}, 0.0, 0), 5) == b"\5\0\0\0"
