"""The calls that would block the loop, as far as the source tells."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.request
from time import sleep as nap

import pytest
import requests
from pocketflow import AsyncNode

from flowmagic.flow.checks.blocking import blocking_call
from flowmagic.flow.checks.reachable_nodes import reachable_nodes


def found(method):
    """Return what is found in a method, and in which of its lines."""
    kind = type("Made", (AsyncNode,), {"exec_async": method})
    node = kind()
    node.client = openai.OpenAI()
    call = blocking_call(*reachable_nodes(node), "exec_async")
    return call and (call.name, call.place.line - method.__code__.co_firstlineno)


def forever(prompt):
    return forever(prompt) or requests.post("here", json=prompt)


async def later(prompt):
    time.sleep(1)


def lines(prompt):
    yield time.sleep(1)


hidden = eval("lambda: time.sleep(1)")


async def module(self, p):
    await asyncio.sleep(0)
    time.sleep(1)


async def renamed(self, p):
    nap(1)


async def dotted(self, p):
    return urllib.request.urlopen(p)


async def local(self, p):
    import time as clock
    from subprocess import run

    return clock, run(p, check=False)


async def helped(self, p):
    return forever(p)


async def direct(self, p):
    return requests.get(p)


async def awaited(self, p):
    return await asyncio.gather(later(p), later(p))


class openai:
    """Stands for the package."""

    class OpenAI:
        """Stands for a sync client."""

    class AsyncOpenAI:
        """Stands for an async client."""


for each in (openai.OpenAI, openai.AsyncOpenAI):
    each.__module__ = "openai"
OpenAI = openai.OpenAI
client, client_async = OpenAI(), openai.AsyncOpenAI()


def ask_client(prompt):
    mine = OpenAI()
    return mine.chat.completions.create(messages=[prompt])


async def asked(self, p):
    return ask_client(p)


async def of_the_module(self, p):
    return client.responses.create(input=p)


async def of_the_node(self, p):
    return self.client.chat.completions.create(messages=[p])


async def chained(self, p):
    return OpenAI().embeddings.create(input=p)


async def within(self, p):
    with requests.Session() as session:
        return session.get(p)


async def imported(self, p):
    from litellm import completion

    return completion(model="m", messages=[p])


@pytest.mark.parametrize(
    ("method", "call"),
    [
        (module, ("time.sleep()", 2)),
        (renamed, ("time.sleep()", 1)),
        (dotted, ("urllib.request.urlopen()", 1)),
        (local, ("subprocess.run()", 4)),
        (helped, ("forever(), which calls requests.post()", 1)),
        (direct, ("requests.get()", 1)),
        (awaited, ("later(), which calls time.sleep()", 1)),
        (asked, ("ask_client(), which calls mine.chat.completions.create() of a sync OpenAI", 1)),
        (of_the_module, ("client.responses.create() of a sync OpenAI", 1)),
        (of_the_node, ("self.client.chat.completions.create() of a sync OpenAI", 1)),
        (chained, ("OpenAI().embeddings.create() of a sync OpenAI", 1)),
        (within, ("session.get() of a sync Session", 2)),
        (imported, ("litellm.completion()", 3)),
    ],
)
def test_it_is_found_whatever_it_is_called(method, call):
    """By module, by a name of its own, by an import within, through a function of the user's."""
    assert found(method) == call


async def calm(self, time):
    time.sleep(1)
    json.loads("1")
    os.path.join("a", "b")
    len([])
    p = list(lines(1))
    p[0]()
    hidden()
    self.unknown(1)

    def inner():
        time.sleep(1)

    def reply(prompt):
        return later(prompt)

    (await client_async.create(1)).close()
    openai.OpenAI().with_options(timeout=1)
    return await asyncio.to_thread(inner, reply)


def test_calls_that_only_look_blocking_are_not_found():
    """A name of the function's own, what another thread does, what cannot be read, an async client."""
    assert found(calm) is None


def test_a_method_that_is_not_there_calls_nothing():
    """PocketFlow's own wait for their turn on the loop as they should."""
    assert blocking_call(*reachable_nodes(AsyncNode()), "exec_async") is None
