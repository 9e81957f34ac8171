"""What the frequent errors of HTTP and model clients mean, and what to write instead.

Their messages often say neither: a full connection pool is reported as "PoolTimeout", and a client
that outlived its event loop as "Event loop is closed". Add a row to `_HINTS` for an error that costs
people time. The errors are recognised by name and message, so that no client has to be imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .user_objects import within_budget

_MOST_ERRORS = 10  # of a chain
_LONGEST = 2_000  # characters of a message

_CLIENT = r"^(?:openai|anthropic|httpx2?|httpcore2?|aiohttp|requests|urllib3|litellm)\b\S*"


class _Hint(NamedTuple):
    """A hint, and the pattern of what it explains.

    The pattern is searched for in "module.Class: message" of an error and of those that caused it.
    """

    pattern: str
    text: str


_HINTS = (
    _Hint(
        r"^\S+\.PoolTimeout:",
        "All connections of the HTTP client's own pool were in use, and no call ended in time. The pool "
        "holds 100 connections in httpx, and 1,000 in openai and anthropic. Set a limit below that, or "
        "make the pool larger: httpx.AsyncClient(limits=httpx.Limits(max_connections=500)).",
    ),
    _Hint(
        r"Event loop is closed|(?:attached to a different|bound to a different event) loop",
        "A client, session or lock of another event loop is used here. Make it in the node, or use one "
        "loop: calls of flowmagic.run_batch share one, while each asyncio.run has its own.",
    ),
    _Hint(
        r"Session is closed|as the client has been closed",
        "The client was closed before this call, as at the end of `async with`. Keep it open until the "
        "run has ended.",
    ),
    _Hint(
        r"Too many open files",
        "Each open connection is a file. Make one client for all rows rather than one per row, or set a "
        "lower limit.",
    ),
    _Hint(
        r"CERTIFICATE_VERIFY_FAILED",
        "Python does not trust the certificate of the server, or of a proxy on the way. Set SSL_CERT_FILE "
        "to a file with the certificates to trust, and restart the kernel.",
    ),
    _Hint(
        r"getaddrinfo failed|Name or service not known|nodename nor servname|name resolution"
        r"|No address associated with hostname",
        "No server of this name was found: check the URL, the network and the proxy.",
    ),
    _Hint(
        r"Connection refused|Connect call failed|actively refused|All connection attempts failed",
        "Nothing listens at this address: is the server running, and is the port right?",
    ),
    _Hint(
        rf"{_CLIENT}.*(?:Server disconnected|RemoteDisconnected|without response|peer closed connection)"
        r"|^aiohttp\.\S*ServerDisconnectedError:",
        "The server closed the connection before it answered, as servers do with idle connections or "
        "under load. Another attempt usually succeeds: retries=2.",
    ),
    _Hint(
        r"Missing credentials|api_key client option must be set|Could not resolve authentication method",
        "The client found no key. Set it in the environment before the client is made, for example "
        '%env OPENAI_API_KEY=..., or pass api_key=os.environ["..."].',
    ),
    _Hint(
        r"context_length_exceeded|ContextWindowExceededError|prompt is too long",
        "The text of this row is longer than the model accepts. Shorten it, split it, or choose a model "
        "with a larger context.",
    ),
    _Hint(
        r"LLM Provider NOT provided",
        'litellm needs the provider before the name of the model: "openai/gpt-4o", "ollama/llama3".',
    ),
    _Hint(
        r"^\S+\.(?:MissingSchema|UnsupportedProtocol|InvalidURL|InvalidUrlClientError):",
        "The URL must begin with https:// or http://.",
    ),
    _Hint(
        r"^\S*JSONDecodeError: Expecting value: line 1 column 1",
        "The answer is not JSON: it may be empty, or a page that reports an error. Call "
        "response.raise_for_status() first, and look at response.text.",
    ),
    _Hint(
        rf"{_CLIENT}(?:ReadTimeout|ConnectTimeout|APITimeoutError|TimeoutError|\.Timeout):",
        "The service did not answer within the client's timeout. Give the client a longer one, set a "
        "lower limit, or try such rows again: retries=2.",
    ),
)
"""The most specific first."""


def hint_for(error: BaseException) -> str:
    """Return what an error of a client means and what to do about it; "" if that is not known."""
    texts = list(_texts(error))
    found = (hint for hint in _HINTS if any(re.search(hint.pattern, text) for text in texts))
    hint = next(found, None)
    return "" if hint is None else hint.text


def _texts(error: BaseException) -> Iterator[str]:
    each: BaseException | None = error
    for _ in range(_MOST_ERRORS):
        if each is None:
            return
        kind = type(each)
        try:
            message = within_budget(str, each) or ""
        except Exception:  # noqa: BLE001 - the user's own __str__
            message = ""
        yield f"{kind.__module__}.{kind.__qualname__}: {message[:_LONGEST]}"
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
