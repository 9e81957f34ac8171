"""A measured figure beside the goal it is held against.

A goal is for one setting (so many instances, such a limit). At another one the figure is printed all
the same, and the verdict says that the setting was another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from .measuring import print_table

_DIGITS = {"": 2, "ms": 1, "MB": 1, "µs": 2, "%": 2}
"""How many digits after the point a figure of each unit deserves; none for counts."""


@dataclass(frozen=True)
class Figure:
    """One figure, the less the better.

    Attributes:
        what: what was measured, at which setting.
        measured: in `unit`; None where it could not be measured.
        most: the goal: what it may be at most; None where there is none.
        unit: empty for a ratio.
        stretch: a goal beyond the goal.
        beside: what helps to judge the figure: the spread, a peer, the noise of the machine.
        at_goal: whether the setting is the one that the goal is for.
    """

    what: str
    measured: float | None
    most: float | None = None
    unit: str = ""
    stretch: float | None = None
    beside: str = ""
    at_goal: bool = True

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:,.{_DIGITS.get(self.unit, 0)}f} {self.unit}".rstrip()

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.most is None:
            return "-"
        stretch = "" if self.stretch is None else f"; stretch {self.shown(self.stretch)}"
        return f"at most {self.shown(self.most)}{stretch}"

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if self.measured is None:
            return "not measured"
        if self.most is None:
            return "no goal"
        verdict = "met" if self.measured <= self.most else "missed"
        if self.stretch is not None and self.measured <= self.stretch:
            verdict = "met, stretch too"
        return verdict if self.at_goal else f"{verdict} (other setting)"


def ratio(
    what: str,
    taken: Sequence[float] | None,
    over: Sequence[float],
    most: float | None,
    *,
    stretch: float | None = None,
    at_goal: bool = True,
) -> Figure:
    """Return the median of the ratios of two contestants, round by round; `taken` None: left out."""
    if taken is None:
        return Figure(what, None, most, stretch=stretch, at_goal=at_goal)
    ratios = over_each(taken, over)
    beside = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return Figure(what, median(ratios), most, stretch=stretch, beside=beside, at_goal=at_goal)


def over_each(taken: Sequence[float], over: Sequence[float]) -> list[float]:
    """Return the ratio of each round: what was measured next to each other shares the same noise."""
    return [one / other for one, other in zip(taken, over, strict=True)]


def print_figures(figures: Iterable[Figure]) -> None:
    """Print a table of goals, figures and verdicts."""
    print_table(
        ["goal", "at most", "measured", "verdict", "beside it"],
        [
            [
                each.what,
                each.goal.removeprefix("at most "),
                "-" if each.measured is None else each.shown(each.measured),
                each.verdict,
                each.beside,
            ]
            for each in figures
        ],
    )
