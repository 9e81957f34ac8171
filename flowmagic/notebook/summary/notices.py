"""Notices about a run in words: crossings, what an isolating engine changes, and findings."""

from __future__ import annotations

from collections.abc import Sequence

from ...engines.base import Engine
from ...flow.finding import Finding
from ...flow.reuse.count import ReuseCount
from ...limits.calls.named import named_limits
from ...run.batchrun import BatchRun
from ...shared.crossing import Crossing
from ...text.formatting import params_text, truncate
from ...text.redact import masked
from ..shell import name_of

MOST_LINES = 10
"""Crossings that are listed."""

MOST = 20
"""Findings that the panel shows."""

_PARAMS, _LINE, _KEY, _NAME, _FINDING = 60, 400, 80, 40, 600  # characters
_MOST_NAMES = 3  # of named limits

_CROSSED = "Instances crossed: some results may be wrong, although nothing failed."
_OVERWRITTEN = (
    "Instances overwrote each other's values in the shared store before any instance read them."
)


def crossing_lines(run: BatchRun) -> list[str]:
    """Return a headline, the crossings of a run (the worst first) and advice; empty if there are none."""
    crossings = run.crossings
    if not crossings:
        return []
    crossed = any(each.level == "crossed" for each in crossings)
    lines = [_line(run, each) for each in crossings[:MOST_LINES]]
    if (left := len(crossings) - MOST_LINES) > 0:
        lines.append(f"… and {left} more, all in run.crossings")
    return [_CROSSED if crossed else _OVERWRITTEN, *lines, _advice(crossings)]


def crossing_notice(run: BatchRun) -> str:
    """Return the worst crossing of a run in one line; empty if values were at most overwritten."""
    crossed = [each for each in run.crossings if each.level == "crossed"]
    if not crossed:
        return ""
    more = f" And {len(crossed) - 1} more, in run.crossings." if len(crossed) > 1 else ""
    return f"Instances crossed: {_line(run, crossed[0])}.{more} {_advice(crossed)}"


def _line(run: BatchRun, crossing: Crossing) -> str:
    rows = [index for index, _ in (crossing.reader, crossing.writer)]
    line = crossing.line(*(params_text(run[index].params, _PARAMS) for index in rows))
    return truncate(" ".join(masked(line, crossing.secrets).split()), _LINE)


def _advice(crossings: list[Crossing]) -> str:
    key = next((each.key for each in crossings if isinstance(each.key, str)), "")
    allow = f"--allow-shared {key}" if key.isidentifier() else "allow_shared=[...]"
    return (
        "With --isolate (isolate=True) each instance has its own value. If the instances share it on "
        f"purpose, write {truncate(allow, _KEY)}."
    )


def engine_lines(engine: Engine) -> list[str]:
    """Return what an engine changes for the instances; empty if it changes nothing."""
    if not engine.isolates:
        return []
    on = f'engine "{truncate(engine.name, _NAME)}"'
    lines = [
        (
            f"Each instance has its own snapshot of the shared store, as with --isolate ({on}): "
            "no other instance sees what it writes, until it is merged at the end."
        )
    ]
    if names := list(named_limits()):
        listed = ", ".join(truncate(name, _NAME) for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        lines.append(
            f"The named limits ({listed}{more}) do not count calls in other processes ({on}): each "
            "worker process has only the limits that it sets itself. The run's --limit and --per-minute "
            "apply to all of them."
        )
    return lines


def engine_notice(engine: Engine) -> str:
    """Return the same in one line, the most expensive consequence first."""
    return " ".join(reversed(engine_lines(engine)))


def isolation_notice(run: BatchRun) -> str:
    """Return what the isolated instances of a run share all the same, in one line; empty if nothing."""
    found = run._shared_in_isolation()
    more = f" And {len(found) - 1} more." if len(found) > 1 else ""
    return f"{found[0].text(name_of)}{more}" if found else ""


def reuse_line(run: BatchRun) -> str:
    """Return how many execs ran and how many were reused, in one line; empty without `reuse`."""
    counts = run.reuse
    if counts is None:
        return ""
    ran = sum(each.ran for each in counts.values())
    reused = sum(each.reused for each in counts.values())
    seconds = sum(each.seconds for each in counts.values())
    tokens = sum(each.tokens for each in counts.values())
    line = f"{ran:,} execs ran, {reused:,} were reused"
    if reused:
        line += f", which had taken {seconds:,.1f} s"
        line += f" and {tokens:,.0f} tokens" if tokens else ""
    parts = [line, *(text for name, each in counts.items() if (text := _why_it_ran(name, each)))]
    if described := sorted({name for each in counts.values() for name in each.described}):
        parts.append(f"Of {_listed(described)}, only class and plain attributes count")
    return truncate(". ".join(parts) + ".", _FINDING)


def _why_it_ran(name: str, count: ReuseCount) -> str:
    """Return in words why execs of a node class ran."""
    if count.changed:
        changed = _listed(count.changed)
        return f"{name}: {changed} {'has' if len(count.changed) == 1 else 'have'} changed"
    if count.why_not:
        return (
            f"{name} is not reused: it {max(count.why_not, key=lambda each: count.why_not[each])}"
        )
    return ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(truncate(name, _NAME) for name in names[:_MOST_NAMES]) + more


def findings_text(findings: Sequence[Finding]) -> str:
    """Return findings as text, one paragraph each."""
    if not findings:
        return "Nothing was found that is likely to go wrong."
    return "\n".join(f"{'note: ' if each.note else '⚠ '}{each.text(name_of)}" for each in findings)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Return findings for the panel: truncated, and at most `MOST`."""
    lines = [truncate(each.text(name_of), _FINDING) for each in findings[:MOST]]
    if (left := len(findings) - MOST) > 0:
        lines.append(f"… and {left} more: %batchflow FLOW --check")
    return lines
