"""The status of an instance, its code in the status column, and counts of instances by status."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """The status of an instance. It is a string: `instance.status == "failed"` works."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    __str__ = str.__str__


STATUSES = tuple(Status)
"""Every status, at the index that is its code in the status column."""

PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED = range(len(STATUSES))


@dataclass(frozen=True)
class RunCounts:
    """The number of rows in each status. They always add up to `total`."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """The number of rows known so far."""
        return self.pending + self.running + self.ended

    @property
    def ended(self) -> int:
        """The number of rows that succeeded, failed or were cancelled."""
        return self.succeeded + self.failed + self.cancelled
