"""Crossings in words: which instances met at a key of `shared`, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from ...engines.base import Engine
from ...flow.finding import Finding
from ...limits.calls.named import named_limits
from ...run.batchrun import BatchRun
from ...shared.crossings import Crossing
from ...text.formatting import params_text, truncate
from ...text.redact import masked, secrets_of
from ..shell import name_of

MOST_LINES = 10
_PARAMS = 60  # characters, of each of the two instances
_LINE = 400


def crossing_lines(run: BatchRun) -> list[str]:
    """Return what is to be said of a run's crossings, the worse first; empty if all is well."""
    found = run.crossings
    if not found:
        return []
    crossed = sum(each.level == "crossed" for each in found)
    lines = [_line(run, each) for each in found[:MOST_LINES]]
    if (left := len(found) - MOST_LINES) > 0:
        lines.append(f"… and {left} more, all in run.crossings")
    return [_CROSSED if crossed else _OVERWRITTEN, *lines, _what_to_do(found)]


def crossing_notice(run: BatchRun) -> str:
    """Return the worst of a run's crossings in one line; empty if none crossed."""
    crossed = [each for each in run.crossings if each.level == "crossed"]
    if not crossed:
        return ""
    more = f" And {len(crossed) - 1} more, in run.crossings." if len(crossed) > 1 else ""
    return f"Instances crossed: {_line(run, crossed[0])}.{more} {_what_to_do(crossed)}"


_CROSSED = "Instances crossed: some results may be wrong, though nothing failed."
_OVERWRITTEN = "Instances overwrote each other's values in the shared store, which nobody had read."


def _line(run: BatchRun, crossing: Crossing) -> str:
    reader, writer = (run[index].params for index, _ in (crossing.reader, crossing.writer))
    line = crossing.line(params_text(reader, _PARAMS), params_text(writer, _PARAMS))
    # A secret may also be the key, of a store that is filled by the user's token.
    secrets = secrets_of(reader) | secrets_of(writer) | run.records.secrets
    return truncate(" ".join(masked(line, secrets).split()), _LINE)


def _what_to_do(found: list[Crossing]) -> str:
    key = next((each.key for each in found if isinstance(each.key, str)), "")
    silence = f"--allow-shared {key}" if key.isidentifier() else "allow_shared=[...]"
    return (
        "Run it with --isolate (isolate=True), and each instance has its own; "
        f"or, if they are meant to meet there, with {truncate(silence, 80)}."
    )


_MOST_NAMES = 3
_NAME = 40  # characters


def engine_lines(engine: Engine) -> list[str]:
    """Return what is to be said of where the instances of a run are; empty if nothing."""
    if not engine.isolates:
        return []
    on = f'engine "{truncate(engine.name, _NAME)}"'
    lines = [
        (
            f"Each instance has its own snapshot of the shared store, as with --isolate ({on}): "
            "no other sees what it writes, which comes back at the end."
        )
    ]
    if names := list(named_limits()):
        listed = ", ".join(truncate(name, _NAME) for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        lines.append(
            f"The named limits ({listed}{more}) do not count calls made in other processes ({on}): "
            "each worker process has its own, if it sets any. What holds for all is the run's --limit "
            "and --per-minute."
        )
    return lines


def engine_notice(engine: Engine) -> str:
    """Return the same in one line, what may cost most first."""
    return " ".join(reversed(engine_lines(engine)))


MOST = 20
"""Findings that the panel shows."""

_LONGEST = 600  # characters of one


def findings_text(found: Sequence[Finding]) -> str:
    """Return findings as text, a paragraph each."""
    if not found:
        return "Nothing was found that is likely to go wrong."
    return "\n".join(f"{'note: ' if each.note else '⚠ '}{each.text(name_of)}" for each in found)


def finding_lines(found: Sequence[Finding]) -> list[str]:
    """Return findings for the panel: bounded, and no more than `MOST`."""
    lines = [truncate(each.text(name_of), _LONGEST) for each in found[:MOST]]
    if (left := len(found) - MOST) > 0:
        lines.append(f"… and {left} more: %batchflow FLOW --check")
    return lines
