"""Limits that are attributes of a node or flow: checked when they are set, and in force at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..errors import LimitError
from ..limits.adaptive import Adaptive, check_backoff, check_growth, check_threshold
from ..limits.limits import check_concurrency

Check = Callable[[Any, str], object]
"""Raises LimitError if the value of an attribute is wrong; it takes the value and the name."""


class LimitAttributes:
    """Mixed into a node or flow class whose attributes are limits."""

    _checks: ClassVar[Mapping[str, Check]] = {}
    """The limits by name, and what checks them."""

    def __setattr__(self, name: str, value: Any) -> None:
        check = self._checks.get(name)
        if check is None:
            super().__setattr__(name, value)
            return
        check(value, name)
        super().__setattr__(name, value)
        self._limit_changed(name)

    def _limit_changed(self, name: str) -> None:
        """Enforce a limit that was set, also before the class's own `__init__` was called."""
        raise NotImplementedError

    def _set_attributes(self, **values: Any) -> None:
        """Set the attributes whose value is not None; the others keep the class attribute."""
        for name, value in values.items():
            if value is not None:
                setattr(self, name, value)

    def _check_limits(self) -> None:
        """Check all limits, of which some may be class attributes of a subclass."""
        for name, check in self._checks.items():
            check(getattr(self, name), name)

    def _limit_values(self) -> dict[str, Any]:
        """Return all limits by name, for `stats`."""
        return {name: getattr(self, name) for name in self._checks}


class AdaptiveAttributes(LimitAttributes):
    """Mixed into an adaptive node or flow class.

    Attributes:
        backoff_factor: a refusal multiplies the limit by this.
        recovery_threshold: the limit rises after this many successes in a row.
        recovery_factor: a rise multiplies the limit by this.
    """

    backoff_factor: float = 0.5
    recovery_threshold: int = 10
    recovery_factor: float = 1.2

    _minimum: ClassVar[str]
    _maximum: ClassVar[str]
    """Names of the attributes that hold the bounds."""

    @staticmethod
    def _adaptive_checks(initial: str, minimum: str) -> dict[str, Check]:
        """Return the checks of the attributes that only an adaptive class has."""
        return {
            initial: check_concurrency,
            minimum: check_concurrency,
            "backoff_factor": check_backoff,
            "recovery_threshold": check_threshold,
            "recovery_factor": check_growth,
        }

    def _bounds(self) -> tuple[int, int]:
        return getattr(self, self._minimum), getattr(self, self._maximum)

    def _bounds_in_order(self) -> bool:
        """Whether the bounds make sense: while two are set one by one, they may not for a moment."""
        minimum, maximum = self._bounds()
        return minimum <= maximum

    def _adaptive_settings(self, initial: int) -> Adaptive:
        """Return the attributes as an `Adaptive` that starts at `initial`, or at a bound.

        Raises:
            LimitError: the minimum is larger than the maximum.
        """
        minimum, maximum = self._bounds()
        if minimum > maximum:
            raise LimitError(
                f"{self._minimum} is {minimum}, more than {self._maximum}, which is {maximum}. "
                f"Write for example {self._minimum}={maximum}."
            )
        return Adaptive(
            minimum,
            max(minimum, min(maximum, initial)),
            maximum,
            backoff=self.backoff_factor,
            threshold=self.recovery_threshold,
            growth=self.recovery_factor,
        )
