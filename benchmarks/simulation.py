"""Simulation: thousands of random runs, each made from an integer and checked against a calm one.

`simulated_run` has the promises that each run must keep. `python -m benchmarks simulation --first 4711
--seeds 1` repeats one integer; of the first that breaks a promise, a small script is printed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from pprint import pformat

from .figures import Figure, print_figures
from .measuring import print_heading
from .scenario import Scenario, scenario
from .simulated_run import BrokenError, check

OPTIONS = {
    "seeds": (100_000, "integers that are simulated"),
    "first": (1, "the first of them"),
}


def simulate(seed: int, folder: Path | None = None, *, cancel_at: int | None = None) -> int:
    """Check the run of an integer as `check` does; the message of its error begins with the integer."""
    try:
        return check(scenario(seed), folder, cancel_at=cancel_at)
    except BrokenError as error:
        raise BrokenError(f"seed {seed}: {error}") from None
    except Exception as error:
        raise BrokenError(f"seed {seed}: {error!r}") from error


def reduced(made: Scenario) -> Scenario:
    """Return a scenario that breaks a promise, reduced until nothing more can be left out."""
    smaller = next(filter(breaks, _smaller(made)), None)
    return made if smaller is None else reduced(smaller)


def breaks(made: Scenario) -> bool:
    """Whether a scenario breaks a promise."""
    try:
        check(made)
    except Exception:  # noqa: BLE001 - a broken engine may raise anything
        return True
    return False


def _smaller(made: Scenario) -> Iterator[Scenario]:
    """Yield a scenario with one thing less, for each thing that it has."""
    source = made.source
    if made.has_journal:
        yield replace(made, has_journal=False)
    if made.rate:
        yield replace(made, rate=0)
    for depth in range(made.depth):
        yield replace(made, depth=depth)
    for rows in {source.rows // 2, source.rows - 1} - {source.rows, -1}:
        yield replace(made, source=replace(source, rows=rows))
    if source != source.whole():
        yield replace(made, source=source.whole())
    if source.kind != "list":
        yield replace(made, source=replace(source, kind="list"))
    for at in range(len(made.events) - 2):
        yield replace(made, events=made.events[:at] + made.events[at + 1 :])
    for name in made.options:
        yield replace(made, options={k: v for k, v in made.options.items() if k != name})


def script(made: Scenario) -> str:
    """Return a script that repeats a scenario."""
    return (
        "from benchmarks.scenario import Event, Scenario, Source\n"
        "from benchmarks.simulated_run import check\n\n"
        f"check({pformat(made, sort_dicts=False)})\n"
    )


def measure(seeds: int, first: int) -> None:
    """Print the table."""
    print_heading()
    began = time.process_time()
    broken: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + seeds):
            try:
                simulate(seed, Path(folder))
            except BrokenError as error:
                broken.append(seed)
                print(error)
    taken = time.process_time() - began
    print_figures(
        [
            Figure(f"broken promises in {seeds:,} simulated runs", len(broken), 0, "runs",
                   beside=f"{1000 * taken / seeds:.1f} ms of CPU each"),
        ]
    )  # fmt: skip
    if broken:
        print(script(reduced(scenario(broken[0]))))
