"""The fake provider over HTTP."""

from __future__ import annotations

import asyncio
import socket
import struct

import httpx
import pytest

from flowmagic.testing import FakeProvider, Fault, serve


def ask(url, text="hi", path="/chat/completions", **json):
    body = {"model": "small", "messages": [{"role": "user", "content": text}], **json}
    return httpx.post(url + path, json=body, timeout=30)


def test_it_answers_like_openai():
    """With the number of tokens."""
    with serve(FakeProvider(str.upper)) as url:
        answer = ask(url, "hello there").json()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "HELLO THERE"}
    assert answer["model"] == "small"
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}


def test_it_refuses_like_openai():
    """Status, headers and body are those that clients read."""
    faults = {0: Fault.RATE_LIMIT, 1: Fault.RATE_LIMIT_WITHOUT_WAIT, 2: Fault.OVERLOADED}
    with serve(FakeProvider(faults=faults, quota=1)) as url:
        limited, silent, overloaded, _, quota = (ask(url) for _ in range(5))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert limited.json()["error"]["code"] == "rate_limit_exceeded"
    assert (silent.status_code, "retry-after" in silent.headers) == (429, False)
    assert overloaded.status_code == 503
    assert (quota.status_code, quota.json()["error"]["code"]) == (429, "insufficient_quota")


def test_it_lasts_until_it_is_closed():
    """For several cells, where no `with` block can be."""
    service = serve(FakeProvider())
    assert ask(service.url).status_code == 200
    service.close()
    with pytest.raises(httpx.ConnectError):
        ask(service.url)


def test_a_broken_answer_is_no_json():
    """It is cut off in the middle."""
    with serve(FakeProvider(faults={0: Fault.BROKEN})) as url, pytest.raises(ValueError):
        ask(url).json()


def test_what_hangs_is_let_go_at_the_end():
    """The service ends at once, and the log says so."""
    provider = FakeProvider(faults={0: Fault.HANG})

    async def main():
        with serve(provider) as url:
            async with httpx.AsyncClient() as client:
                asked = asyncio.create_task(
                    client.post(f"{url}/chat/completions", json={"messages": [{"content": "hi"}]})
                )
                while not provider.calls:
                    await asyncio.sleep(0.01)
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)

    asyncio.run(main())
    while provider.at_work:
        pass
    assert provider.counts == {"cancelled": 1}


def test_a_wrong_request_is_told_so():
    """The path or the body."""
    with serve(FakeProvider()) as url:
        assert ask(url, path="/completions").status_code == 404
        wrong = httpx.post(f"{url}/chat/completions", json={"prompt": "hi"})
    assert (wrong.status_code, wrong.json()["error"]["message"]) == (
        400,
        "The body has no messages.",
    )


async def test_the_official_client_works_as_it_is():
    """OpenAI's own package."""
    openai = pytest.importorskip("openai", reason="pip install openai")
    with serve(FakeProvider(str.upper, faults={1: Fault.RATE_LIMIT})) as url:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            messages = [{"role": "user", "content": "hi"}]
            answer = await client.chat.completions.create(model="small", messages=messages)
            assert answer.choices[0].message.content == "HI"
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model="small", messages=messages)


def test_a_client_that_is_gone_is_no_error(capfd):
    """Its process was killed, or its call cancelled: nothing is printed, and the next one is served."""
    with serve(FakeProvider(str.upper)) as url:
        port = int(url.split(":")[2].partition("/")[0])
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as client:
                # Closed with a reset, as by the end of a process that has not read its answer.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert ask(url).status_code == 200
    assert capfd.readouterr().err == ""
