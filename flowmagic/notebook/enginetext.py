"""What an engine changes for the user, in words: the shared store, and limits by name."""

from __future__ import annotations

from ..calls.named import named_limits
from ..engines import Engine
from ..showing import cut

_MOST_NAMES = 3
_NAME = 40  # characters


def engine_lines(engine: Engine) -> list[str]:
    """Return what is to be said of where the instances of a run are; empty if nothing."""
    if not engine.isolates:
        return []
    on = f'engine "{cut(engine.name, _NAME)}"'
    lines = [
        (
            f"Each instance has its own snapshot of the shared store, as with --isolate ({on}): "
            "no other sees what it writes, which comes back at the end."
        )
    ]
    if names := list(named_limits()):
        listed = ", ".join(cut(name, _NAME) for name in names[:_MOST_NAMES])
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
