"""What refusals say, told from the real errors of the real libraries, and from hostile ones."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import datetime, timezone
from email.utils import formatdate
from itertools import pairwise
from unittest.mock import MagicMock, Mock

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.errors import RateLimitHit
from flowmagic.limits.refusals import Refusal, RefusalKind, classify_refusal, is_rate_limit

from . import refusal_bodies
from .clienterrors import (
    LIBRARIES,
    LOW,
    PER_DAY,
    PER_MINUTE,
    PLAN,
    REACHED,
    REQUEST,
    TPD,
    TPM,
    Bare,
    ClientError,
    GoogleError,
    anthropics,
    geminis,
    of_aiohttp,
    of_anthropic,
    of_httpx,
    of_openai,
    of_requests,
    of_urllib,
    openais,
)

SLOW, QUOTA, KEY = RefusalKind


every_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda make: make.__name__)


# ------------------------------------------------------------------------------------------ statuses


@every_library
@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_of_any_library_is_read_with_its_seconds(library, status):
    """The same signal whoever was called, whatever the case of the header's name."""
    error = library(status, {"RETRY-After": "7"})
    assert classify_refusal(error) == (SLOW, 7.0)
    assert classify_refusal(library(status)) == Refusal(SLOW, None)


@every_library
def test_a_key_that_is_not_accepted_is_read(library):
    """401 is about authentication, and no reason to slow down."""
    error = library(401)
    assert classify_refusal(error) == Refusal(KEY, None)
    assert not is_rate_limit(error)


@every_library
@pytest.mark.parametrize("status", [400, 403, 404, 422, 500, 502])
def test_an_ordinary_failure_says_nothing(library, status):
    """One forbidden or broken page is neither a wrong key nor a limit."""
    error = library(status, {"Retry-After": "7"})
    assert classify_refusal(error) is None
    assert not is_rate_limit(error)


def test_an_overloaded_provider_asks_to_slow_down():
    """Anthropic's 529; and in the midst of a stream, where the status was 200 already."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert classify_refusal(of_anthropic(529, {"retry-after": "2"}, body)) == (SLOW, 2.0)
    assert classify_refusal(of_anthropic(200, None, body)) == (SLOW, None)


def test_openais_error_in_a_stream_has_no_status_but_a_code():
    """The code of the event is enough."""
    body = {"code": "rate_limit_exceeded", "type": "tokens", "message": "Slow down"}
    assert classify_refusal(openai.APIError("Slow down", REQUEST, body=body)) == (SLOW, None)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ThrottlingException", SLOW),
        (400, "ProvisionedThroughputExceededException", SLOW),
        (400, "Throttling", SLOW),
        (400, "TooManyRequestsException:http://internal.amazon.com/coral/", SLOW),
        (503, "SlowDown", SLOW),
        (400, "ServiceQuotaExceededException", QUOTA),
        (403, "UnrecognizedClientException", KEY),
        (403, "AccessDeniedException", None),
        (400, "ValidationException", None),
        (500, "ThrottlingException", None),
    ],
)
def test_the_error_codes_of_aws_are_read(status, code, kind):
    """They say more than the status, which is often 400."""
    refusal = classify_refusal(ClientError(status, body={"Code": code, "Message": "No."}))
    assert (refusal and refusal.kind) == kind


def test_googles_wrong_key_is_read_though_it_comes_as_a_bad_request():
    """400 with the reason API_KEY_INVALID."""
    reason = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    body = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": reason}}
    assert classify_refusal(GoogleError(400, body=body)) == (KEY, None)


# ------------------------------------------------------------------------ what providers really answer

MEANINGS = {
    refusal_bodies.RATE: SLOW,
    refusal_bodies.BUSY: SLOW,
    refusal_bodies.QUOTA: QUOTA,
    refusal_bodies.KEY: KEY,
}


@pytest.mark.parametrize(
    "row", refusal_bodies.ROWS, ids=lambda row: f"{row.provider} {row.status} {row.meaning}"
)
def test_a_real_refusal_is_read_with_the_wait_that_it_names(row):
    """Of each provider in the table; and what is none there is an ordinary failure of its row."""
    refusal = classify_refusal(row.error(row.status, row.headers, row.body))
    assert (refusal and refusal.kind) == MEANINGS.get(row.meaning)
    assert (refusal and refusal.retry_after) == (row.wait and pytest.approx(row.wait))


def test_the_table_of_refusals_has_a_public_source_for_each_row():
    """So that whoever doubts a row can look it up."""
    assert len(refusal_bodies.ROWS) >= 60
    assert all(row.source.startswith("https://") for row in refusal_bodies.ROWS)


def test_a_request_that_is_too_large_does_not_slow_a_throttled_node_down():
    """Though its status is 429 and its message speaks of a rate limit."""
    for row in refusal_bodies.ROWS:
        if row.meaning == refusal_bodies.LARGE:
            assert not is_rate_limit(row.error(row.status, row.headers, row.body)), row


# --------------------------------------------------------------------------------------------- quota


ANSWERS = [
    pytest.param(429, openais(PLAN, "insufficient_quota"), QUOTA, id="openai code"),
    pytest.param(429, openais(PLAN, None, "insufficient_quota"), QUOTA, id="openai type"),
    pytest.param(429, openais("No.", "credit_balance_exhausted"), QUOTA, id="credit exhausted"),
    pytest.param(429, openais("No.", "project_spend_limit_exceeded"), QUOTA, id="spend limit"),
    pytest.param(400, openais("No.", "billing_hard_limit_reached"), QUOTA, id="hard limit"),
    pytest.param(429, openais("No.", "billing_not_active"), QUOTA, id="no billing"),
    pytest.param(429, openais(TPD, "rate_limit_exceeded", "tokens"), QUOTA, id="tokens a day"),
    pytest.param(429, openais("free-models-per-day"), QUOTA, id="hyphens"),
    pytest.param(429, openais("Limit: requests_per_day"), QUOTA, id="underscores"),
    pytest.param(429, openais("50 requests/day"), QUOTA, id="slash"),
    pytest.param(429, openais("Your daily limit is reached"), QUOTA, id="daily"),
    pytest.param(429, openais("RPD limit reached"), QUOTA, id="RPD"),
    pytest.param(403, openais("Your monthly allowance is used"), QUOTA, id="403, monthly"),
    pytest.param(429, openais(TPM, "rate_limit_exceeded", "tokens"), SLOW, id="tokens a minute"),
    pytest.param(429, openais("10 per minute; 500 per day allowed"), SLOW, id="both, in doubt"),
    pytest.param(429, openais("5 per second, 500 per day"), SLOW, id="second, in doubt"),
    pytest.param(429, openais(PLAN), SLOW, id="quota of no period"),
    pytest.param(429, openais("rpd of Monday, superdaily"), SLOW, id="letters in words"),
    pytest.param(429, anthropics("Too fast.", "rate_limit_error"), SLOW, id="anthropic"),
    pytest.param(402, anthropics("Pay.", "billing_error"), QUOTA, id="anthropic billing"),
    pytest.param(400, anthropics(LOW, "invalid_request_error"), QUOTA, id="anthropic credit"),
    pytest.param(400, anthropics(REACHED, "invalid_request_error"), QUOTA, id="anthropic usage"),
    pytest.param(
        400, anthropics("Per day? daily?", "invalid_request_error"), None, id="bad request"
    ),
    pytest.param(402, openais("Insufficient Balance"), QUOTA, id="deepseek"),
    pytest.param(429, geminis(PER_MINUTE), SLOW, id="gemini minute"),
    pytest.param(429, [geminis(PER_DAY)], QUOTA, id="gemini in OpenAI's clothes"),
    pytest.param(429, geminis(PER_MINUTE, PER_DAY), QUOTA, id="gemini both"),
    pytest.param(
        403, {"error": {"errors": [{"reason": "dailyLimitExceeded"}]}}, QUOTA, id="google"
    ),
    pytest.param(
        400, {"detail": [{"input": LOW, "value": "insufficient_quota"}]}, None, id="quoted"
    ),
]


@pytest.mark.parametrize(("status", "body", "kind"), ANSWERS)
@pytest.mark.parametrize(
    "library", [of_openai, of_anthropic, of_httpx, of_requests], ids=lambda make: make.__name__
)
def test_what_a_minute_cures_and_what_it_does_not_are_told_apart(library, status, body, kind):
    """By code, type, quota id and message, and in the body that a plain HTTP client has read."""
    refusal = classify_refusal(library(status, {}, body))
    assert (refusal and refusal.kind) == kind


@pytest.mark.parametrize("quota_id", [PER_MINUTE, PER_DAY])
def test_geminis_delay_is_read_from_its_details(quota_id):
    """It sends no Retry-After."""
    kind = QUOTA if quota_id is PER_DAY else SLOW
    assert classify_refusal(GoogleError(429, body=geminis(quota_id))) == (kind, 26.0)
    assert classify_refusal(GoogleError(429, {"retry-after": "3"}, geminis(quota_id))) == (
        kind,
        3.0,
    )
    assert classify_refusal(GoogleError(429, body=geminis(quota_id, delay="soons"))) == (kind, None)


def test_bedrocks_tokens_of_a_day_are_a_quota():
    """Only the message tells them from those of a minute."""
    body = {"Code": "ThrottlingException", "Message": "Too many tokens per day, please wait."}
    assert classify_refusal(ClientError(429, body=body)) == (QUOTA, None)
    body["Message"] = "Too many tokens, please wait."
    assert classify_refusal(ClientError(429, body=body)) == (SLOW, None)


def test_a_message_alone_tells_a_quota_once_the_status_is_a_refusal():
    """As of a library that keeps no body."""
    assert classify_refusal(Bare(TPD, status_code=429)) == (QUOTA, 398.304)
    assert classify_refusal(Bare(f"429 quota_id: {PER_DAY}", code=429)) == (QUOTA, None)
    assert classify_refusal(Bare(TPM, status_code=429)) == (SLOW, 0.644)
    assert classify_refusal(Bare(LOW, status_code=400)) == (QUOTA, None)
    assert classify_refusal(Bare(TPD, status_code=500)) is None
    assert classify_refusal(Bare(TPD)) is None


def test_a_price_of_one_page_is_no_quota():
    """402 is the account's where a provider's own library raised it, or where money is spoken of."""
    assert classify_refusal(of_httpx(402)) is None
    assert classify_refusal(of_aiohttp(402)) is None
    assert classify_refusal(of_httpx(402, body={"error": "Not enough credits"})) == (QUOTA, None)
    assert classify_refusal(of_httpx(402, body={"message": "Add to your balance"})) == (QUOTA, None)
    assert classify_refusal(of_openai(402, body={"error": {"message": "Pay"}})) == (QUOTA, None)


# ------------------------------------------------------------------------------------------- imports


def test_no_client_library_is_imported():
    """Reading errors costs no import of what may not even be installed."""
    code = (
        "import sys, flowmagic.limits.refusals; "
        "print(sorted({'httpx', 'requests', 'aiohttp', 'openai', 'anthropic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --------------------------------------------------------------------------------------- Retry-After


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "0"}, 0.0),
        ({"retry-after": " 120 "}, 120.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": ".5"}, 0.5),
        ({"retry-after": "1e2"}, 100.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": 30}, 30.0),
        ({b"Retry-After": b"30"}, 30.0),
        ({"RETRY-AFTER-MS": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "9", "retry-after-ms": "soon"}, 9.0),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"x-amz-retry-after": "1500"}, 1.5),
        *(
            ({"retry-after": text}, None)
            for text in ("", "soon", "nan", "inf", "-inf", "1_0", "١٢")
        ),
        *(({"retry-after": text}, None) for text in ("1e999", "9" * 400, "30, 30", "True", "0x10")),
        ({"retry-after": None}, None),
        ({"retry-after": math.nan}, None),
        ({"after": "3"}, None),
    ],
)
def test_seconds_are_read_and_nonsense_is_none(headers, seconds):
    """Whole and broken numbers, in seconds or milliseconds; never negative, never infinite."""
    for error in (
        Bare(status_code=429, headers=headers),
        Bare(status_code=429, headers=list(headers.items())),
        Bare(status_code=429, response=Mock(spec=["headers"], headers=headers)),
        Bare(code=429, resp=headers),
        ClientError(429, headers),
    ):
        assert classify_refusal(error) == (SLOW, seconds)


def test_of_headers_of_one_name_the_first_stands():
    """Also where the error has headers beside those of its response."""
    pairs = [("Retry-After", "3"), ("retry-after", "9")]
    assert classify_refusal(Bare(status=429, headers=pairs)) == (SLOW, 3.0)
    response = Mock(spec=["headers"], headers=pairs)
    error = Bare(status=429, response=response, headers={"retry-after": "8", "retry-after-ms": "x"})
    assert classify_refusal(error) == (SLOW, 3.0)


def test_a_date_is_counted_from_the_senders_clock_else_from_ours(monkeypatch):
    """The two clocks may be minutes apart, and it is the sender who set the date."""
    ours = datetime(2015, 10, 21, 7, 20, tzinfo=timezone.utc).timestamp()
    monkeypatch.setattr("flowmagic.limits.retry_after.wall_clock", lambda: ours)
    later, sent = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:27:30 GMT"
    for headers, seconds in [
        ({"retry-after": later}, 480.0),
        ({"retry-after": later, "Date": sent}, 30.0),
        ({"retry-after": later, "Date": "yesterday"}, 480.0),
        ({"retry-after": sent, "Date": later}, 0.0),
        ({"retry-after": "Wednesday, 21-Oct-15 07:28:00 GMT"}, 480.0),
        ({"retry-after": "Wed Oct 21 07:28:00 2015"}, 480.0),
        ({"retry-after": "Wed, 21 Oct 2015 09:28:00 +0200"}, 480.0),
        ({"retry-after": "Wed, 32 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "30", "Date": sent}, 30.0),
    ]:
        assert classify_refusal(of_httpx(429, headers)) == (SLOW, seconds), headers


@given(
    sent=st.integers(631_152_000, 4_102_444_800),
    ahead=st.integers(-100_000, 10_000_000),
)
def test_any_date_counts_from_any_other(sent, ahead):
    """To the second; the past is now."""
    dates = [formatdate(one, usegmt=True) for one in (sent + ahead, sent)]
    error = Bare(status=429, headers={"Retry-After": dates[0], "Date": dates[1]})
    assert classify_refusal(error) == (SLOW, max(0.0, ahead))


@given(value=st.text() | st.integers().map(str) | st.floats().map(str) | st.floats())
def test_whatever_a_header_says_the_seconds_are_finite(value):
    """Or None."""
    for headers in ({"retry-after": value}, {"retry-after-ms": value}, {"date": value}):
        error = Bare(status=429, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"} | headers)
        _, seconds = classify_refusal(error)
        assert seconds is None or 0 <= seconds < math.inf


# ------------------------------------------------------------------------------ RateLimitHit, chains


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(None, None), (3, 3.0), (0.5, 0.5), ("4", 4.0), (-1, 0.0)]
    + [(wrong, None) for wrong in (math.nan, math.inf, "soon", True, [1], 10**400)],
)
def test_what_users_raise_is_read(said, seconds):
    """RateLimitHit; also a class of that name, as those who move from another package have."""
    for kind in (
        RateLimitHit,
        type("RateLimitHit", (Exception,), {}),
        type("X", (RateLimitHit,), {}),
    ):
        error = kind("slow down")
        error.retry_after = said
        assert classify_refusal(error) == (SLOW, seconds)


def wrapped(*errors):
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


def test_a_wrapped_error_is_read():
    """Through `raise ... from`; what was merely being handled at the time is not its cause."""
    assert classify_refusal(wrapped(ValueError(), KeyError(), of_httpx(429))) == (SLOW, None)
    error = ValueError()
    error.__context__ = of_httpx(429)
    assert classify_refusal(error) is None


def test_of_several_the_gravest_counts_and_the_outermost_that_names_a_time():
    """Whoever wrapped an error may have known better; and a used-up day is more than a pause."""
    inner = of_httpx(429, {"retry-after": "20"})
    assert classify_refusal(wrapped(RateLimitHit(), inner)) == (SLOW, 20.0)
    assert classify_refusal(wrapped(RateLimitHit(retry_after=3), inner)) == (SLOW, 3.0)
    day = of_openai(429, {"retry-after": "99"}, openais(TPD))
    assert classify_refusal(wrapped(RateLimitHit(retry_after=3), day)) == (QUOTA, 99.0)
    assert classify_refusal(wrapped(day, RateLimitHit(retry_after=3), of_httpx(401))) == (KEY, None)


class Group(Exception):
    def __init__(self, *members):
        super().__init__("several")
        self.exceptions = members


def test_the_members_of_a_group_are_read():
    """The longest time among them; wrapped, nested, and without refusals as well."""
    slow = [of_httpx(429, {"retry-after": text}) for text in ("5", "30", "1")]
    assert classify_refusal(Group(ValueError(), *slow)) == (SLOW, 30.0)
    assert classify_refusal(wrapped(KeyError(), Group(Group(slow[0]), ValueError()))) == (SLOW, 5.0)
    assert classify_refusal(Group(slow[1], of_httpx(401))) == (KEY, None)
    assert classify_refusal(Group(ValueError(), KeyError())) is None
    assert classify_refusal(Group(*"abc", None, slow[0], 3)) == (SLOW, 5.0)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ExceptionGroup came with Python 3.11")
def test_pythons_own_groups_are_read():
    """As a TaskGroup raises them."""
    assert classify_refusal(ExceptionGroup("two", [ValueError(), of_urllib(429)])) == (SLOW, None)  # noqa: F821


def test_cycles_chains_and_crowds_come_to_an_end():
    """A cycle is walked once, and only so many errors are looked at."""
    looked = []

    class Watched(Exception):
        @property
        def status_code(self):
            looked.append(self)

    first, second = Watched(), Watched()
    wrapped(first, second, first)
    assert classify_refusal(first) is None
    assert looked == [first, second]

    endless = type("Endless", (Watched,), {"__cause__": property(lambda self: type(self)())})
    assert classify_refusal(endless()) is None
    crowd = Group()
    crowd.exceptions = [Watched()] * 2 + [
        Group(*(Watched() for _ in range(1000))) for _ in range(1000)
    ]
    assert classify_refusal(crowd) is None
    assert len(looked) == 2 + 64 + 1  # the groups of the crowd are errors themselves
    assert classify_refusal(wrapped(*(ValueError() for _ in range(1000)))) is None


# ------------------------------------------------------------------------------------ nothing escapes

ATTRIBUTES = [
    *("status_code", "status", "http_status", "code", "type", "error_code", "message", "args"),
    *("response", "headers", "resp", "body", "details", "retry_after", "exceptions"),
    *("__cause__", "__class__", "__dict__", "__str__", "items", "get", "_content"),
]


class Outcome(BaseException):
    """As pytest's: no Exception."""


class Hostile:
    """Whatever is touched fails."""

    def __getattribute__(self, name):
        raise Outcome(name)

    def __fail(self, *_):
        raise Outcome

    __str__ = __repr__ = __iter__ = __len__ = __eq__ = __bool__ = __getitem__ = __fail
    __hash__ = __int__ = __index__ = __float__ = __contains__ = __lt__ = __fail


class BadInt(int):
    __int__ = __index__ = __eq__ = __hash__ = Hostile.__str__


class BadDict(dict):
    items = keys = get = __getitem__ = __iter__ = Hostile.__str__


class BadList(list):
    __iter__ = __getitem__ = __len__ = Hostile.__str__


class BadText(str):
    __slots__ = ()
    __str__ = __len__ = lower = strip = __getitem__ = Hostile.__str__


class Made:
    """What is made only when a test begins: hypothesis itself touches the values it draws."""

    def __init__(self, name, make):
        self.name, self.make = name, make

    def __repr__(self):
        return self.name


MADE = [
    Made("hostile", Hostile),
    Made("mock", Mock),
    Made("magic", MagicMock),
    Made("refusing mock", lambda: MagicMock(status_code=429, headers={"Retry-After": "nan"})),
    Made("bad int", lambda: BadInt(429)),
    Made("bad dict", lambda: BadDict(code="insufficient_quota", Error=1)),
    Made("bad list", lambda: BadList([("Retry-After", "3")])),
    Made("bad text", lambda: BadText("per day")),
    Made("bad code", lambda: BadText("billing_x")),
]
KEYS = [*ATTRIBUTES, "Error", "Code", "ResponseMetadata", "HTTPStatusCode", "Retry-After", "Date"]
NAMES = st.sampled_from(ATTRIBUTES)
RAISED = st.sampled_from([ValueError(), Outcome(), SystemExit(), RecursionError(), Warning()])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([400, 401, 402, 403, 429, 503, 529, "insufficient_quota", "per day"])
    | st.sampled_from(MADE),
    lambda inner: (
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
        | st.lists(inner, max_size=4)
        | st.tuples(NAMES, inner)
    ),
    max_leaves=6,
)


def made(value):
    if isinstance(value, Made):
        return value.make()
    if isinstance(value, dict):
        return {name: made(inner) for name, inner in value.items()}
    return type(value)(map(made, value)) if isinstance(value, (list, tuple)) else value


def strange(base, given, raising):
    """Make an error whose attributes, whatever their name, give or raise anything at all."""
    given = made(given)

    def touch(self, name):
        if name in raising:
            raise raising[name]
        return given[name] if name in given else base.__getattribute__(self, name)

    return type("Strange", (base,), {"__getattribute__": touch})("429 per day")


def in_order(refusal):
    return refusal is None or (
        isinstance(refusal, Refusal)
        and isinstance(refusal.kind, RefusalKind)
        and (refusal.retry_after is None or 0 <= refusal.retry_after < math.inf)
    )


@given(
    base=st.sampled_from([Exception, RateLimitHit, OSError, SystemExit, KeyError]),
    given=st.dictionaries(NAMES, VALUES, max_size=6),
    raising=st.dictionaries(NAMES, RAISED, max_size=3),
    outer=st.sampled_from(["response", "__cause__", "exceptions", "body"]),
)
def test_nothing_escapes_whatever_an_error_holds(base, given, raising, outer):
    """Neither Exceptions nor others, from itself or from within; and a signal is always in order."""
    error = strange(base, given, raising)
    for one in (error, Bare(**{outer: error}), Group(error), wrapped(Bare(status=429), error)):
        assert in_order(classify_refusal(one))
        assert is_rate_limit(one) in {True, False}


@pytest.mark.parametrize("broken", ["headers", "body", "details", "response", "type", "exceptions"])
def test_one_attribute_that_raises_does_not_hide_the_others(broken):
    """The status counts though the headers cannot be had."""

    def fail(self):
        raise Outcome

    error = type("Broken", (Bare,), {broken: property(fail)})(status_code=429)
    assert classify_refusal(error) == (SLOW, None)
    for value in (Hostile(), BadDict(a=1), BadList([1]), Mock(), MagicMock()):
        assert classify_refusal(Bare(status_code=429, **{broken: value})) == (SLOW, None)


def test_an_error_that_cannot_say_its_message_is_read_all_the_same():
    """Its status counts."""
    error = type("Mute", (Bare,), {"__str__": Hostile.__str__})(status_code=429)
    assert classify_refusal(error) == (SLOW, None)
    assert is_rate_limit(error)
    assert not is_rate_limit(type("Mute", (Exception,), {"__str__": Hostile.__str__})())


def test_what_is_no_error_says_nothing():
    """Rather than raise."""
    for thing in (None, 429, "429", Hostile(), Mock(status_code=429)):
        assert classify_refusal(thing) is None
        assert not is_rate_limit(thing)


def test_an_interrupt_by_the_user_is_not_swallowed():
    """Stop, pressed while an error is being read, is no fault of that error."""

    class Interrupted(Exception):
        @property
        def status_code(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_refusal(Interrupted())


# ------------------------------------------------------------------------------------------- hearsay


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("429", True),
        ("HTTP 429: slow down", True),
        ("Error code:429.", True),
        ("Rate limit reached", True),
        ("RATE-LIMITED", True),
        ("rate_limit_exceeded", True),
        ("ratelimit", True),
        ("too many requests", True),
        ("TooManyRequests", True),
        ("Quota exceeded for metric", True),
        ("You exceeded your current quota", True),
        ("row 4290", False),
        ("row 1429", False),
        ("a429b", False),
        ("took 0.429 s", False),
        ("took 429.5 s", False),
        ("1,429 rows", False),
        ("429,000 rows", False),
        ("corporate limit", False),
        ("rate limitless", False),
        ("a quota", False),
        ("see https://x.com/429/rate-limit", False),
        ("", False),
    ],
)
def test_a_message_alone_is_enough_for_a_node_that_is_to_be_throttled(message, expected):
    """By whole words, never by a link; and a run does not listen to it."""
    assert is_rate_limit(ValueError(message)) is expected
    assert is_rate_limit(wrapped(KeyError(), ValueError(message))) is expected
    assert classify_refusal(ValueError(message)) is None


def test_a_number_in_an_error_of_another_status_is_something_elses():
    """But words are words: GitHub says with 403 that its rate limit is exceeded."""
    assert not is_rate_limit(Bare("404: no item 429", status_code=404))
    assert is_rate_limit(Bare("API rate limit exceeded", status_code=403))
    assert not is_rate_limit(Bare("rate limit", status_code=401))


def test_a_quota_is_a_limit_for_a_throttled_node():
    """It cannot do more than slow down."""
    assert is_rate_limit(of_openai(429, body=openais(TPD)))
    assert is_rate_limit(RateLimitHit())
