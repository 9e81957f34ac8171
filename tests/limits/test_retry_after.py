"""How long a refusal asks to wait: read from headers, and from messages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.limits.retry_after import headers_of, is_used_up, retry_after, seconds, wait_in


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("Please try again in 20s", 20.0),
        ("Please try again in 6m38.304s. Visit", 398.304),
        ("Try again in 644ms", 0.644),
        ("Please retry after 26 seconds.", 26.0),
        ("try again after 1 seconds", 1.0),
        ("try again in 1 minute and 5 seconds", 65.0),
        ("Wait 1 minute, 20 seconds", 80.0),
        ("please wait 8 hours 24 minutes and try again", 30_240.0),
        ("Expected available in 1 second.", 1.0),
        ("Your limit resets in ~5s", 5.0),
        ("The limit resets in 3 days", 259_200.0),
        ("retry_delay {\n  seconds: 34\n}", 34.0),
        ("retry_delay {\n  seconds: 34\n  nanos: 5\n}", 34.0),
        ("'retryDelay': '34s'", 34.0),
        ("Too Many Requests: retry after 8", 8.0),
        ("Retry-After: 20", 20.0),
        ("retry after 2 more requests", None),
        ("retry 3 times", None),
        ("retry in 20", None),
        ("Try again. 20 seconds", None),
        ("Wait a few minutes before you try again", None),
        ("try again at 9:30 PM", None),
        ("try again in " + "9" * 400 + "s", None),
    ],
)
def test_a_wait_that_is_only_in_the_message_is_read(message, wait):
    """In each unit; a number without one counts only after "retry after"."""
    assert wait_in(message) == (wait and pytest.approx(wait))


@given(st.text(st.sampled_from("tryagin wait in 0123456789.smh,:{}'=\n"), max_size=200))
def test_whatever_a_message_says_the_wait_is_finite(message):
    """Or None."""
    wait = wait_in(f"try again in {message}")
    assert wait is None or 0 <= wait < math.inf


def test_a_used_up_allowance_is_waited_for_until_its_reset():
    """A reset is a moment, in seconds or milliseconds, or a wait; it counts if nothing else is said."""
    date = "Mon, 13 Jun 2022 11:48:53 GMT"
    for reset, wait in (
        ("1655120964", 31.0),
        ("1655120964000", 31.0),
        ("31", 31.0),
        ("soon", None),
    ):
        headers = headers_of(Refused(X_RateLimit_Remaining="0", X_RateLimit_Reset=reset, Date=date))
        assert is_used_up(headers)
        assert retry_after(headers) == wait
        assert retry_after(headers, 7.0) == 7.0
        assert retry_after(headers | {"retry-after": "3"}) == 3.0
    left = headers_of(Refused(RateLimit_Remaining="4", RateLimit_Reset="31"))
    assert not is_used_up(left)
    assert retry_after(left) is None


class Refused(Exception):
    """An error that carries headers, as aiohttp's does."""

    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30", 30.0), ("0", 0.0), (" 1.5 ", 1.5), ("-3", 0.0), (7, 7.0), ("1e2", 100.0),
        ("", None), ("soon", None), ("nan", None), ("inf", None), ("1_0", None), ("0x10", None),
        (True, None), (float("nan"), None), (float("inf"), None),
    ],
)  # fmt: skip
def test_seconds_are_a_number_that_is_not_negative(written, meant):
    """Nonsense is None, and so no wait; never an endless one."""
    assert seconds(written) == meant


def test_a_date_counts_from_the_senders_own_clock():
    """The clocks of the two ends may be minutes apart."""
    error = Refused(
        Retry_After="Wed, 25 Nov 2026 10:01:30 GMT", Date="Wed, 25 Nov 2026 10:00:00 GMT"
    )
    assert retry_after(headers_of(error)) == 90.0


@pytest.mark.parametrize(
    "date", ["Wed, 25 Nov 2026 10:01:30 GMT", "Wednesday, 25-Nov-26 10:01:30 GMT"]
)
def test_without_the_senders_clock_it_counts_from_ours(monkeypatch, date):
    """In each form of a date that HTTP knows; one that has passed is no wait."""
    monkeypatch.setattr(
        "flowmagic.limits.retry_after.wall_clock", lambda: 1_795_600_800.0
    )  # 10:00:00
    assert retry_after(headers_of(Refused(Retry_After=date))) == 90.0
    assert retry_after(headers_of(Refused(Retry_After="Wed, 25 Nov 2026 09:00:00 GMT"))) == 0.0


def test_milliseconds_are_more_exact_and_go_first():
    """As OpenAI and Azure, and AWS, send them."""
    assert retry_after(headers_of(Refused(Retry_After="2", retry_after_ms="1500"))) == 1.5
    assert retry_after(headers_of(Refused(X_Amz_Retry_After="250"))) == 0.25


def test_nothing_said_is_what_was_given_instead():
    """None unless something else is known."""
    assert retry_after(headers_of(ValueError())) is None
    assert retry_after(headers_of(ValueError()), 7.0) == 7.0
    assert retry_after(headers_of(Refused(Retry_After="soon")), 7.0) == 7.0


def test_names_of_headers_are_the_same_in_any_case_and_kind():
    """In a mapping that tells them apart, in pairs, and in bytes."""
    error = Refused()
    for headers in ({"RETRY-AFTER": "9"}, [("retry-After", "9")], [(b"Retry-After", b"9")]):
        error.headers = headers
        assert retry_after(headers_of(error)) == 9.0
