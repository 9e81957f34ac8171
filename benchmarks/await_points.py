"""Is anything left, or lost, when a run is cancelled at any point where something is awaited?

Each simulated run is repeated once for each turn that the loop makes during it, and cancelled in
that turn; one that takes very many turns, because something hangs, in every second one, or third. What
must hold afterwards is what `simulation` checks.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from .figures import Figure, print_figures
from .measuring import print_heading
from .simulation import BrokenError, simulate

OPTIONS = {
    "seeds": (200, "integers that are simulated"),
    "first": (1, "the first of them"),
}


_MOST_TURNS = 500  # of one run


def cancel_at_each_turn(seed: int, folder: Path) -> tuple[int, list[str]]:
    """Return at how many points the run of an integer was cancelled, and what was broken then."""
    turns = simulate(seed, folder)
    broken = []
    points = range(1, turns + 1, 1 + turns // _MOST_TURNS)
    for turn in points:
        try:
            simulate(seed, folder, cancel_at=turn)
        except BrokenError as error:
            broken.append(f"cancelled at {turn}: {error}")
    return len(points), broken


def measure(seeds: int, first: int) -> None:
    """Print the table."""
    print_heading()
    began = time.process_time()
    points, broken = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + seeds):
            tried, errors = cancel_at_each_turn(seed, Path(folder))
            points, broken = points + tried, broken + len(errors)
            print(*errors, sep="\n", end="\n" if errors else "")
    what = f"broken promises after a cancellation at each of {points:,} points"
    taken = f"{time.process_time() - began:.0f} s of CPU, {seeds:,} runs"
    print_figures([Figure(what, broken, 0, "runs", beside=taken)])
