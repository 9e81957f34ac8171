"""Choose a benchmark: `python -m benchmarks overhead`."""

from __future__ import annotations

import argparse

from . import (
    await_points,
    calls,
    cancel,
    crash,
    dask,
    fingerprint,
    goals,
    interrupt,
    journal,
    kills,
    lag,
    limit_change,
    memory,
    overhead,
    pacing,
    panel,
    put_back,
    resumes,
    reuse,
    simulation,
    steering,
    threads,
    week,
)
from .measuring import positive

BENCHMARKS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        goals,
        await_points,
        overhead,
        threads,
        lag,
        memory,
        cancel,
        limit_change,
        pacing,
        calls,
        crash,
        dask,
        fingerprint,
        interrupt,
        journal,
        kills,
        panel,
        put_back,
        resumes,
        reuse,
        simulation,
        steering,
        week,
    )
}


def main() -> None:
    """Parse the command line and run the benchmark it names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    subcommands = parser.add_subparsers(required=True, metavar="BENCHMARK")
    for name, module in BENCHMARKS.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        subcommand = subcommands.add_parser(name, help=summary, description=module.__doc__)
        for option, (default, meaning) in module.OPTIONS.items():
            subcommand.add_argument(
                f"--{option}",
                type=positive,
                default=default,
                metavar="N",
                help=f"{meaning} (default: {default:,})",
            )
        subcommand.set_defaults(measure=module.measure)
    options = vars(parser.parse_args())
    measure = options.pop("measure")
    measure(**options)


if __name__ == "__main__":
    main()
