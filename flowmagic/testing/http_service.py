"""A fake provider over HTTP, with the face of OpenAI: `POST /v1/chat/completions`."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .fake_provider import OK, FakeProvider, Fault, Reply, outcome_of, tokens_of

_PATH = "/v1/chat/completions"
_NOT_FOUND, _BAD_REQUEST = 404, 400


class _Server(ThreadingHTTPServer):
    """Has a thread for each call, and lets those go at the end that hang."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, provider: FakeProvider) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, but not that a client has gone, which is no fault of the service."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # so that clients can keep their connections

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != _PATH:
            self._send(_NOT_FOUND, _error(f"There is no {self.path}; this is {_PATH}.", ""))
            return
        try:
            asked = json.loads(body)
            prompt = str(asked["messages"][-1]["content"])
        except (ValueError, LookupError, TypeError):
            self._send(_BAD_REQUEST, _error("The body has no messages.", "invalid_request"))
            return
        self._answer(prompt, str(asked.get("model") or "fake"))

    def _answer(self, prompt: str, model: str) -> None:
        provider, closing = self.server.provider, self.server.closing
        call, reply = provider.take(prompt, time.monotonic())
        hangs = reply.fault is Fault.HANG
        is_over = closing.wait(None if hangs else reply.seconds)
        provider.end(call, "cancelled" if is_over else outcome_of(reply), time.monotonic())
        if is_over:
            self.close_connection = True
            return
        if reply.status != OK:
            self._send(reply.status, _error(reply.text, reply.code), reply.headers)
            return
        answer = json.dumps(_completion(call.number, prompt, model, reply)).encode()
        if reply.fault is Fault.BROKEN:
            self._send(OK, answer[: len(answer) // 2])
        else:
            self._send(OK, answer)

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.suppress(ConnectionError):  # the client may have gone
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Print nothing: a line per call is too much for a notebook."""


def _completion(number: int, prompt: str, model: str, reply: Reply) -> dict[str, Any]:
    asked, answered = tokens_of(prompt), tokens_of(reply.text)
    message = {"role": "assistant", "content": reply.text}
    return {
        "id": f"fake-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        },
    }


def _error(text: str, code: str) -> dict[str, Any]:
    return {"error": {"message": text, "code": code or None, "type": code or None}}


class ProviderService:
    """A provider that answers on this computer. `serve` starts it.

    A `with` block gives the URL, and closes the service at its end.

    Attributes:
        url: the base URL for clients; `POST {url}/chat/completions` answers the last message.
    """

    def __init__(self, provider: FakeProvider) -> None:
        self._server = _Server(provider)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more, and let go of calls that hang."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> str:
        return self.url

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(provider: FakeProvider) -> ProviderService:
    """Answer over HTTP for a provider, as OpenAI would, until the service is closed.

    In one cell write `with serve(provider) as url:`, for several ones `service = serve(provider)`, and
    `service.close()` at the end.
    """
    return ProviderService(provider)
