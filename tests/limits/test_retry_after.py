"""When a provider may be asked again, as its headers say."""

import pytest

from flowmagic.limits.retry_after import retry_after, seconds


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
    assert retry_after(error) == 90.0


@pytest.mark.parametrize(
    "date", ["Wed, 25 Nov 2026 10:01:30 GMT", "Wednesday, 25-Nov-26 10:01:30 GMT"]
)
def test_without_the_senders_clock_it_counts_from_ours(monkeypatch, date):
    """In each form of a date that HTTP knows; one that has passed is no wait."""
    monkeypatch.setattr(
        "flowmagic.limits.retry_after.wall_clock", lambda: 1_795_600_800.0
    )  # 10:00:00
    assert retry_after(Refused(Retry_After=date)) == 90.0
    assert retry_after(Refused(Retry_After="Wed, 25 Nov 2026 09:00:00 GMT")) == 0.0


def test_milliseconds_are_more_exact_and_go_first():
    """As OpenAI and Azure, and AWS, send them."""
    assert retry_after(Refused(Retry_After="2", retry_after_ms="1500")) == 1.5
    assert retry_after(Refused(X_Amz_Retry_After="250")) == 0.25


def test_nothing_said_is_what_was_given_instead():
    """None unless something else is known."""
    assert retry_after(ValueError()) is None
    assert retry_after(ValueError(), 7.0) == 7.0
    assert retry_after(Refused(Retry_After="soon"), 7.0) == 7.0


def test_names_of_headers_are_the_same_in_any_case_and_kind():
    """In a mapping that tells them apart, in pairs, and in bytes."""
    error = Refused()
    for headers in ({"RETRY-AFTER": "9"}, [("retry-After", "9")], [(b"Retry-After", b"9")]):
        error.headers = headers
        assert retry_after(error) == 9.0
