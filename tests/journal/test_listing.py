"""The list of runs, as it reads in a terminal."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

from flowmagic.journal.listing import listed

AT = datetime(2026, 1, 31, 9, 5, tzinfo=timezone.utc)


def run(number, *, flow="AsyncFlow", status="finished", total=3, **counts):
    return SimpleNamespace(
        number=number, flow=flow, began=AT, status=status, total=total, counts=counts
    )


def test_runs_are_listed_one_a_line_within_a_terminal():
    """What became of them, one below the other; a run of a dead kernel is not said to go on."""
    text = listed(
        "runs.journal",
        [
            run(1, total=100, status="running", succeeded=42, pending=58),
            run(2, flow="AVeryLongNameOfAFlow", total=1_200, succeeded=1_198, failed=2),
            run(12, status="cancelled", total=None),
        ],
    )
    assert text.splitlines() == [
        "journal 'runs.journal': 3 runs",
        "  1  2026-01-31 09:05  AsyncFlow        not ended  100: 42 succeeded, 58 pending",
        "  2  2026-01-31 09:05  AVeryLongNameO…  finished   1,200: 1,198 succeeded, 2 failed",
        " 12  2026-01-31 09:05  AsyncFlow        cancelled  0",
    ]
    assert max(map(len, text.splitlines()[:2])) <= 80


def test_of_many_runs_the_latest_are_listed():
    """And how many there are besides."""
    lines = listed("j", [run(number, succeeded=3) for number in range(1, 31)]).splitlines()
    assert lines[:2] == ["journal 'j': 30 runs", "  …  10 earlier"]
    assert [int(line.split()[0]) for line in lines[2:]] == list(range(11, 31))
    assert listed("j", [run(1)]).startswith("journal 'j': 1 run\n")
    assert listed("j", []) == "journal 'j': 0 runs"
