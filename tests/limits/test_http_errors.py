"""What is read of an error: its status, and the words of its body."""

from __future__ import annotations

import io
import json
import urllib.error
import warnings
from email.message import Message
from http import HTTPStatus
from unittest.mock import MagicMock, Mock

import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.limits.http_errors import ErrorText, status_of, text_of
from flowmagic.limits.refusals import RefusalKind, classify_refusal, is_rate_limit

from .clienterrors import (
    LIBRARIES,
    LOW,
    REQUEST,
    TPD,
    URI,
    Bare,
    of_aiohttp,
    of_anthropic,
    of_httpx,
    openais,
)

SLOW, QUOTA, KEY = RefusalKind


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda make: make.__name__)
def test_the_status_is_read_from_the_errors_of_every_library(library):
    """Each library keeps it in another place."""
    assert [status_of(library(status)) for status in (404, 429, 503)] == [404, 429, 503]


def test_an_error_without_a_status_has_none():
    """Nor is a number in its message taken for one."""
    assert status_of(ValueError("429 Too Many Requests")) is None
    assert status_of(Bare(response=None)) is None


def test_codes_and_messages_are_read_from_the_keys_that_providers_use():
    """They may stand at any depth; the other parts of a body are left out."""
    body = {
        "error": {
            "code": "slow_down",
            "type": "requests",
            "message": "Too fast.",
            "input": "secret",
        },
        "detail": ["not under a known key", {"msg": "Wait."}],
        "status": 429,
    }
    text = ErrorText()
    text.add_body(body)
    assert text.codes == ["slow_down", "requests"]
    assert text.prose == ["Too fast.", "Wait."]
    assert text.delay is None


def test_the_delay_of_a_body_is_read_in_seconds():
    """Google writes it as "26s"; one that is no number is left out."""
    for delay, wait in (("26s", 26.0), ("0.5s", 0.5), ("soon", None)):
        text = ErrorText()
        text.add_body({"details": [{"retryDelay": delay}]})
        assert text.delay == wait


def test_links_are_cut_out_of_messages():
    """A link to a page about billing does not make an error one about billing."""
    text = ErrorText()
    text.add_prose("Slow down, see https://example.com/billing/daily for more.")
    assert "billing" not in text.prose[0]
    assert text.prose[0].startswith("Slow down, see https")


def test_the_message_of_an_error_counts_if_asked_for():
    """The message of a bad request may quote the request, so its body takes precedence."""
    body = {"message": "No such model."}
    error = Bare("Try again tomorrow.", body=body)
    assert text_of(error, 429, with_message=False).prose == ["No such model."]
    assert text_of(error, 429, with_message=True).prose == ["No such model.", "Try again tomorrow."]
    assert text_of(error, 400, with_message=True).prose == ["No such model."]
    assert text_of(Bare("Pay."), 400, with_message=True).prose == ["Pay."]
    empty = Bare("Pay.", response=httpx.Response(400))  # as litellm makes one
    assert text_of(empty, 400, with_message=True).prose == ["Pay."]


def test_the_codes_of_the_error_itself_come_first():
    """Numbers among them are not codes: they are read as the status."""
    error = Bare(code="insufficient_quota", type="requests", status=429, body={"code": "other"})
    assert text_of(error, 429, with_message=False).codes == [
        "insufficient_quota",
        "requests",
        "other",
    ]


def test_a_status_among_googles_codes_is_read_where_it_is_a_class_attribute():
    """As in google-api-core: an HTTPStatus on the class."""

    class ResourceExhausted(Exception):
        code = HTTPStatus.TOO_MANY_REQUESTS

    assert classify_refusal(ResourceExhausted("429 exhausted")) == (SLOW, None)


def test_the_code_of_a_grpc_error_is_read_as_the_status_that_it_stands_for():
    """Though it is a method; that of another library is not called."""

    class RpcError(Exception):
        """As of grpc, once its module is."""

    name = "RESOURCE_EXHAUSTED"
    error = RpcError()
    error.code = lambda: type("StatusCode", (), {"name": name})
    assert status_of(error) is None
    RpcError.__module__ = "grpc.aio._call"
    assert status_of(error) == 429
    name = "UNAVAILABLE"
    assert status_of(error) is None


@pytest.mark.parametrize("wrong", ["429", 429.0, True, None, Mock(), MagicMock(), [429], b"429"])
@pytest.mark.parametrize("name", ["status_code", "status", "http_status", "code"])
def test_a_status_that_is_no_integer_is_none(wrong, name):
    """Neither guessed nor complained of; and an integer in another place still counts."""
    assert classify_refusal(Bare(**{name: wrong})) is None
    other = "status" if name == "status_code" else "status_code"
    assert classify_refusal(Bare(**{name: wrong, other: 429})) == (SLOW, None)


def test_a_body_that_is_text_is_read():
    """JSON or a short note; but a page has words of its own."""
    for body in (json.dumps(openais(TPD)), TPD, TPD.encode(), bytearray(TPD, "ascii")):
        assert classify_refusal(Bare("no", status_code=429, body=body)) == (QUOTA, 398.304)
    for body in (
        f"<html>{TPD}</html>",
        "x" * 500 + TPD,
        json.dumps({"message": TPD, "x": "x" * 70_000}),
    ):
        assert classify_refusal(Bare("no", status_code=429, body=body)) == (SLOW, None)


def test_what_was_asked_and_comes_back_in_the_answer_is_not_read():
    """A bad request may quote an input that speaks of anything."""
    body = {"detail": [{"type": "missing", "input": LOW, "value": "insufficient_quota"}]}
    assert classify_refusal(of_httpx(400, body=body)) is None
    body = {"error": {"type": "invalid_request_error", "message": "Too long.", "input": LOW}}
    assert classify_refusal(of_anthropic(400, body=body)) is None


def test_no_body_is_fetched():
    """A stream that has not been read is left alone, and the status still counts."""

    class Stream(httpx.SyncByteStream):
        def __iter__(self):
            raise AssertionError("read")

    response = httpx.Response(429, stream=Stream(), request=REQUEST)
    error = httpx.HTTPStatusError("429", request=REQUEST, response=response)
    assert classify_refusal(error) == (SLOW, None)
    assert not response.is_stream_consumed

    raw = Mock()
    response = requests.Response()
    response.status_code, response.raw = 429, raw
    assert classify_refusal(requests.HTTPError("429", response=response)) == (SLOW, None)
    assert response._content is False
    assert raw.mock_calls == []

    file = io.BytesIO(json.dumps(openais(TPD)).encode())
    error = urllib.error.HTTPError(URI, 429, "no", Message(), file)
    assert classify_refusal(error) == (SLOW, None)
    assert file.tell() == 0


def test_no_deprecated_attribute_is_touched():
    """Aiohttp's `code` warns; even where its `status` is no integer."""
    for status in (429, 404, 0, None, "429"):
        error = of_aiohttp(429)
        error.status = status
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            classify_refusal(error)
            is_rate_limit(error)
        assert caught == []


@given(
    body=st.recursive(
        st.text() | st.integers() | st.none(),
        lambda one: (
            st.lists(one)
            | st.dictionaries(
                st.sampled_from(["error", "code", "message", "type", "retryDelay"]), one
            )
        ),
    )
)
def test_any_body_is_borne(body):
    """A refusal stays one whatever its body holds."""
    for form in (body, json.dumps(body)):
        assert classify_refusal(Bare("no", status_code=429, body=form)).kind in {SLOW, QUOTA, KEY}


def test_deep_and_endless_bodies_and_headers_are_cut():
    """No body is too deep, no mapping too long."""
    deep = body = {}
    for _ in range(100_000):
        deep["error"] = deep = {}
    loop = {"message": "per day"}
    loop["error"] = loop
    assert classify_refusal(Bare("no", status_code=429, body=body)) == (SLOW, None)
    assert classify_refusal(Bare("no", status_code=429, body=loop)) == (QUOTA, None)
    assert classify_refusal(Bare("no", status_code=429, body="[" * 60_000)) == (SLOW, None)

    class Endless(dict):
        def items(self):
            while True:
                yield "error", "x"

    assert classify_refusal(Bare("no", status_code=429, headers=Endless(), body=Endless())) == (
        SLOW,
        None,
    )
