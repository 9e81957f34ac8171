"""Crossings in words: which instances met at a key of `shared`, and what to do about it."""

from __future__ import annotations

from ..batchrun import BatchRun
from ..crossings import Crossing
from ..redact import masked, secrets_of
from ..showing import cut, params_text

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
    return cut(" ".join(masked(line, secrets).split()), _LINE)


def _what_to_do(found: list[Crossing]) -> str:
    key = next((each.key for each in found if isinstance(each.key, str)), "")
    silence = f"--allow-shared {key}" if key.isidentifier() else "allow_shared=[...]"
    return (
        "Run it with --isolate (isolate=True), and each instance has its own; "
        f"or, if they are meant to meet there, with {cut(silence, 80)}."
    )
