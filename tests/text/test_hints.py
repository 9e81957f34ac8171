"""What the errors of clients mean, read from the real errors of the real libraries."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from contextlib import contextmanager

import aiohttp
import anthropic
import httpx
import openai
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.text.hints import hint_for

POOL = "the HTTP client's own pool"
LOOP = "lock of another event loop is used here"
CLOSED = "was closed before this call"
REFUSED = "Nothing listens at this address"
DROPPED = "closed the connection before it answered"
SLOW = "did not answer within the client's timeout"
URL = "must begin with https://"
KEY = "found no key"


@contextmanager
def listening(handle=None):
    """Yield the URL of a server that accepts connections, and does no more than `handle` them."""
    server = socket.create_server(("127.0.0.1", 0), backlog=100)

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            handle(connection)

    if handle is not None:
        threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


def drop(connection):
    connection.recv(1_000)
    connection.close()


@pytest.fixture
def silent():
    with listening() as url:
        yield url


@pytest.fixture
def dropping():
    with listening(drop) as url:
        yield url


@pytest.fixture
def dead():
    with listening() as url:
        pass
    return url


def hint_of(call, *args):
    with pytest.raises(Exception) as caught:
        call(*args)
    return hint_for(caught.value)


def awaited(make):
    """Return the hint at the error of an await."""
    return hint_of(asyncio.run, make())


def test_requests_errors_are_explained(silent, dropping, dead):
    """Each as its user would ask it."""
    assert REFUSED in hint_of(requests.get, dead)
    assert DROPPED in hint_of(requests.get, dropping)
    assert SLOW in hint_of(lambda: requests.get(silent, timeout=0.01))
    assert URL in hint_of(requests.get, "example.com")
    response = requests.Response()
    response._content = b"<html>"
    assert "not JSON" in hint_of(response.json)


def test_httpx_errors_are_explained(silent, dropping, dead):
    """A full pool above all: its message is empty."""

    async def fill_the_pool():
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(5, pool=0.01)) as client:
            first = asyncio.ensure_future(client.get(silent))
            try:
                while not client._transport._pool.connections:
                    await asyncio.sleep(0)
                await client.get(silent)
            finally:
                first.cancel()

    assert POOL in awaited(fill_the_pool)
    assert REFUSED in hint_of(httpx.get, dead)
    assert DROPPED in hint_of(httpx.get, dropping)
    assert SLOW in hint_of(lambda: httpx.get(silent, timeout=0.01))
    assert URL in hint_of(httpx.get, "example.com")

    async def use_a_closed_one():
        async with httpx.AsyncClient() as client:
            pass
        await client.get(dead)

    assert CLOSED in awaited(use_a_closed_one)


def test_aiohttp_errors_are_explained(dropping, dead):
    """With the word of the operating system in its message."""

    async def get(url, *, closed=False):
        async with aiohttp.ClientSession() as session:
            if closed:
                await session.close()
            await session.get(url)

    assert REFUSED in awaited(lambda: get(dead))
    assert DROPPED in awaited(lambda: get(dropping))
    assert URL in awaited(lambda: get("example.com"))
    assert CLOSED in awaited(lambda: get(dead, closed=True))


def test_openais_and_anthropics_errors_are_explained(silent, dead, monkeypatch):
    """Also by what caused them, since they may only say "Connection error"."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert KEY in hint_of(openai.OpenAI)
    assert KEY in hint_of(
        lambda: anthropic.Anthropic(base_url=dead).messages.create(
            model="m", max_tokens=1, messages=[]
        )
    )

    def ask(url, **options):
        with openai.OpenAI(api_key="x", base_url=url, max_retries=0, **options) as client:
            client.models.list()

    assert REFUSED in hint_of(ask, dead)
    assert SLOW in hint_of(lambda: ask(silent, timeout=0.01))
    error = openai.APITimeoutError(httpx.Request("GET", dead))
    error.__cause__ = httpx.PoolTimeout("")
    assert POOL in hint_for(error)
    response = httpx.Response(400, request=httpx.Request("GET", dead))
    code = {"code": "context_length_exceeded"}
    assert "longer than the model accepts" in hint_for(
        openai.BadRequestError(f"Error code: 400 - {code}", response=response, body=code)
    )


def test_a_client_of_a_loop_that_was_closed_is_named():
    """As one that is kept in a module, and used in two calls of asyncio.run."""

    class Ok(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ok) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = httpx.AsyncClient()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        asyncio.run(client.get(url))
        assert LOOP in awaited(lambda: client.get(url))
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("litellm.exceptions.BadRequestError", "LLM Provider NOT provided. Pass", "litellm needs"),
        ("litellm.exceptions.ContextWindowExceededError", "", "longer than the model accepts"),
        ("litellm.exceptions.Timeout", "", SLOW),
        ("builtins.OSError", "[Errno 24] Too many open files", "Make one client"),
        ("ssl.SSLCertVerificationError", "[SSL: CERTIFICATE_VERIFY_FAILED] failed", "SSL_CERT_FILE"),
        ("httpx.ConnectError", "[Errno -2] Name or service not known", "No server of this name"),
        ("builtins.RuntimeError", "<asyncio.locks.Lock> is bound to a different event loop", LOOP),
        ("builtins.ValueError", "no hint", ""),
        ("mine.Timeout", "", ""),
        ("builtins.TimeoutError", "", ""),
    ],
)  # fmt: skip
def test_an_error_is_recognised_by_its_name_and_message(name, message, hint):
    """Those of a user's own classes are not taken for a client's."""
    module, _, kind = name.rpartition(".")
    error = type(kind, (Exception,), {"__module__": module})(message)
    found = hint_for(error)
    assert (hint in found) if hint else found == ""


@given(st.text(), st.integers(0, 30))
def test_nothing_escapes_whatever_an_error_says(message, depth):
    """A chain may be a cycle, and a message may raise."""
    error = ValueError(message)
    for _ in range(depth):
        error, error.__context__ = (
            type("Odd", (Exception,), {"__str__": lambda self: 1 / 0})(),
            error,
        )
    error.__cause__ = error
    assert isinstance(hint_for(error), str)
