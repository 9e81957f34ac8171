"""How often the execs of a run ran, and how often their outputs were reused."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ReuseCount:
    """How often the exec of a node class ran in a run, and how often it was not needed.

    Attributes:
        ran: how many execs ran.
        reused: how many outputs were taken from earlier runs instead.
        seconds: how long these had taken when they ran.
        tokens: how many tokens they had used, by their calls under limits.
        why_not: why outputs could not be reused or kept: each reason, with how often.
        changed: what has changed of the class since an earlier run, by name.
        described: the objects, such as clients, that count by class and plain attributes only.
    """

    ran: int = 0
    reused: int = 0
    seconds: float = 0.0
    tokens: float = 0
    why_not: dict[str, int] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    described: set[str] = field(default_factory=set)

    def cannot(self, reason: str) -> None:
        """Count a copy whose output cannot be reused or kept."""
        self.why_not[reason] = self.why_not.get(reason, 0) + 1
