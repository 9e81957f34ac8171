"""Rows in doubt: those that were under way when their kernel died.

They may have been paid for, and nothing that came of them is in the journal. A resumed run runs them
again, after all other rows, or leaves them, as the user decides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection


def rows_in_doubt(
    connection: sqlite3.Connection, runs: list[tuple[int, str]]
) -> dict[str, list[int]]:
    """Return which rows some runs have left in doubt, unless they ended in a later one of these runs.

    Args:
        runs: number and id of each, oldest first. None is running any more.

    Returns:
        By the key of a row, the number of the run: as many times as it had such rows.
    """
    found: dict[str, list[int]] = {}
    for number, run in runs:
        if found:
            for (key,) in connection.execute(
                "SELECT DISTINCT key FROM instances WHERE run = ? AND attempts > 0", (run,)
            ):
                found.pop(key, None)
        for (key,) in connection.execute(
            "SELECT key FROM instances WHERE run = ? AND status = 'running' AND key != ''", (run,)
        ):
            found.setdefault(key, []).append(number)
    return found


def skipped_text(number: int) -> str:
    """Return why a row was skipped that the run with this number has left in doubt."""
    return (
        f"It was under way when the kernel of run {number} died, and may have been paid for. "
        "in_doubt='skip' leaves it out."
    )


def notice(numbers: Collection[int], *, skips: bool) -> str:
    """Return what happens to the rows in doubt of a resumed run, in words; empty if it has none.

    Args:
        numbers: the number of the run that left it in doubt, for each such row.
        skips: whether they do not run.
    """
    if not numbers:
        return ""
    several = len(numbers) > 1
    rows = f"{len(numbers):,} rows" if several else "1 row"
    they, them = ("They were", "them") if several else ("It was", "it")
    fate = ("are" if several else "is") + " skipped"
    if not skips:
        fate = ("run" if several else "runs") + " again, last"
    runs = set(numbers)
    kernel = f"the kernel of run {min(runs)}" if len(runs) == 1 else "an earlier kernel"
    text = (
        f"{rows} in doubt {fate}. {they} under way when {kernel} died, and may have been paid for."
    )
    return (
        text if skips else f"{text} To leave {them} out, write --in-doubt skip (in_doubt='skip')."
    )
