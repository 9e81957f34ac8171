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
from flowmagic.flow.checks.node_source import NodeSource


def found(method):
    """Return what is found in a method, and in which of its lines."""
    kind = type("Made", (AsyncNode,), {"exec_async": method})
    call = blocking_call(NodeSource(kind()), "exec_async")
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


@pytest.mark.parametrize(
    ("method", "call"),
    [
        (module, ("time.sleep()", 2)),
        (renamed, ("time.sleep()", 1)),
        (dotted, ("urllib.request.urlopen()", 1)),
        (local, ("subprocess.run()", 4)),
        (helped, ("forever(), which calls requests.post()", 1)),
        (direct, ("requests.get()", 1)),
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
    (await later(1)).sleep()
    self.unknown(1)

    def inner():
        time.sleep(1)

    return await asyncio.to_thread(inner)


def test_calls_that_only_look_blocking_are_not_found():
    """A name of the function's own, what another thread or a coroutine does, what cannot be read."""
    assert found(calm) is None


def test_a_method_that_is_not_there_calls_nothing():
    """PocketFlow's own wait for their turn on the loop as they should."""
    assert blocking_call(NodeSource(AsyncNode()), "exec_async") is None
