"""A kernel that is killed: a sample of `python -m benchmarks kills`, which kills five hundred."""

from __future__ import annotations

from benchmarks.kills import killed


def test_what_was_reported_is_kept_and_rows_in_doubt_cover_every_other_call():
    """Real kernels, killed at random moments while rows call a provider all the time; then resumed."""
    found = killed(6, limit=5)
    assert [figure for figure in found if figure.verdict != "met"] == []
    assert all(figure.beside != "of 0" for figure in found)
