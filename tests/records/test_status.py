"""The statuses of an instance, and counts of them."""

from flowmagic.records.status import (
    CANCELLED,
    FAILED,
    PENDING,
    RUNNING,
    STATUSES,
    SUCCEEDED,
    RunCounts,
    Status,
)


def test_a_status_is_a_string():
    """`instance.status == "failed"` is what one writes."""
    assert Status.FAILED == "failed"
    assert f"{Status.FAILED}" == str(Status.FAILED) == "failed"
    assert [STATUSES[code] for code in (PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED)] == [
        "pending", "running", "succeeded", "failed", "cancelled",
    ]  # fmt: skip


def test_counts_add_up_by_themselves():
    """`total` and `ended` are sums, not further counters."""
    counts = RunCounts(1, 2, 3, 4, 5)
    assert (counts.total, counts.ended) == (15, 12)
