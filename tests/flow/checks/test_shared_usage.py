"""Which keys of `shared` methods read, assign, and change in place, as far as the source tells."""

from __future__ import annotations

import pytest
from pocketflow import AsyncNode, Node

from flowmagic.flow.checks.node_source import NodeSource
from flowmagic.flow.checks.shared_usage import shared_usage_of

KEY = "key"


def used(post, kind=Node):
    """Return what a post does, as the names of the keys by what it does with them."""
    hook = "post_async" if kind is AsyncNode else "post"
    usage = shared_usage_of(NodeSource(type("Made", (kind,), {hook: post})()), [hook])
    return {name: set(keys) for name, keys in vars(usage).items() if keys}


def reads(self, shared, prep_res, exec_res):
    return shared["a"], shared.get("b"), shared["c"]["d"], shared[KEY]


def assigns(self, shared, prep_res, exec_res):
    shared["a"] = 1
    shared.update({"b": 2}, c=3)
    shared.setdefault("d", [])


def adds(self, shared, prep_res, exec_res):
    shared["a"].append(1)
    shared["b"]["inner"]["list"].extend([1])
    shared.setdefault("c", []).append(1)
    shared["d"]["fixed"] = 1
    del shared["e"][0]


def through_names(self, shared, prep_res, exec_res):
    log = shared["a"]
    log.append(1)
    seen = shared.setdefault("b", [])
    seen.append(1)
    return seen


def counts(self, shared, prep_res, exec_res):
    shared["a"]["n"] += 1
    shared["b"] += 1


def keyed(self, shared, prep_res, exec_res):
    shared["a"][self.params["i"]] = exec_res
    shared["b"][prep_res].append(1)
    shared["c"][prep_res] += 1
    return shared["d"][prep_res]


def queues(self, shared, prep_res, exec_res):
    shared["a"].put(1)
    shared["b"].put_nowait(1)


def takes(self, shared, prep_res, exec_res):
    return shared["a"].pop(), len(shared["b"]), "c" in shared


def helper(found, value):
    found["not of the store"] = value


def with_store(shared, store):
    shared["a"].append(store["b"])


def helped(self, store, prep_res, exec_res):
    with_store(store, store)
    helper({}, 1)


async def awaited(store):
    store["a"].append(1)


async def helped_async(self, store, prep_res, exec_res):
    await awaited(store)


@pytest.mark.parametrize(
    ("post", "usage"),
    [
        (reads, {"read": {"a", "b", "c", "key"}}),
        (assigns, {"assigned": {"a", "b", "c", "d"}, "read": {"d"}}),
        (adds, {"grown": {"a", "b", "c", "d", "e"}}),
        (through_names, {"grown": {"a", "b"}, "read": {"b"}, "assigned": {"b"}}),
        (counts, {"counted": {"a"}, "read": {"b"}, "updated": {"b"}}),
        (keyed, {"keyed": {"a", "b", "c"}}),
        (queues, {"grown": {"a", "b"}, "queued": {"a", "b"}}),
        (takes, {"grown": {"a"}, "read": {"a"}}),
        (helped, {"grown": {"a"}, "read": {"b"}}),
    ],
)
def test_a_post_uses_these_keys(post, usage):
    """In each way that nodes are written."""
    assert used(post) == usage


def test_async_helpers_are_read_too():
    """With the store under its own name."""
    assert used(helped_async, AsyncNode) == {"grown": {"a"}}


def test_a_line_is_that_of_the_method():
    """Where it calls the helper."""
    source = NodeSource(type("Made", (Node,), {"post": helped})())
    usage = shared_usage_of(source, ["post", "prep"])
    assert usage.grown["a"].line == helped.__code__.co_firstlineno + 1
    assert usage.written == usage.grown
