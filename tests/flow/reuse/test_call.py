"""The call of one exec: what it reads, what is found for it, what is kept of it."""

from __future__ import annotations

import json

from pocketflow import Node

import flowmagic
from flowmagic.flow.reuse.call import Call
from flowmagic.flow.reuse.inputs import Inputs
from flowmagic.flow.reuse.node_code import NodeCode
from flowmagic.records.param_reads import track_reads


class Ask(Node):
    def exec(self, prepared):
        return prepared


class InMemory:
    """A store; `encode` is JSON, which turns tuples into lists."""

    secret = b"secret"

    def __init__(self):
        self.sets, self.outputs, self.asked = [], {}, []

    def reads(self, code):
        return self.sets

    def take(self, key, row):
        self.asked.append(key)
        return self.outputs.get(key)

    def add(self, code, reads, found, row, at):
        self.sets.append(reads)
        self.outputs[found.key] = found

    def encode(self, output, row):
        return json.dumps(output)

    decode = staticmethod(json.loads)


def call(store, params, clock=lambda: 0.0):
    node = Ask()
    node.set_params(track_reads(params))
    code = NodeCode(node, frozenset())
    inputs = Inputs(node, code, None, {})
    return Call(
        clock=clock, store=store, code=code, inputs=inputs, params=node.params, row=0, at=0
    ), node.params


def ran(store, params, output, read=()):
    """Call an exec that reads some params and returns an output; return why it was not kept."""
    made, tracked = call(store, params, iter([2.0, 5.0]).__next__)
    assert made.reused is None
    with made:
        for name in read:
            tracked.get(name)
    reason = made.returned(output, fell_back=False)
    made.succeeded()
    assert tracked.read == {*read}
    return reason


def test_an_output_is_found_for_the_params_that_were_read():
    """The others do not matter; those that were absent must be absent."""
    store = InMemory()
    assert ran(store, {"n": 1, "m": 1}, "one", ["n", "x"]) == ""
    found, tracked = call(store, {"n": 1, "m": 2})
    assert (found.output, found.reused.seconds) == ("one", 3.0)
    assert tracked.read == {"n", "x"}
    for other in ({"n": 2}, {"n": 1, "x": 1}, {}):
        assert call(store, other)[0].reused is None


def test_sets_of_params_that_differ_from_run_to_run_are_all_tried():
    """An exec may read more if a param says so."""
    store = InMemory()
    ran(store, {"n": 1}, "one", ["n"])
    ran(store, {"n": 2, "m": 1}, "two", ["n", "m"])
    assert call(store, {"n": 2, "m": 1})[0].output == "two"
    assert call(store, {"n": 1, "m": 7})[0].output == "one"


def test_an_output_that_would_come_back_as_something_else_is_not_kept():
    """Here an object would be a list."""
    store = InMemory()
    store.encode = lambda output, row: json.dumps(sorted(output))
    assert ran(store, {}, {1, 2}) == "has an output without an exact form"
    assert not store.outputs


def test_an_output_that_cannot_be_read_is_run_again():
    """The file may hold anything."""
    store = InMemory()
    ran(store, {}, "one")
    store.decode = lambda _: 1 / 0
    assert call(store, {})[0].reused is None


def test_nothing_is_kept_unless_the_copy_succeeds():
    """Post may still fail."""
    store = InMemory()
    made, _ = call(store, {})
    with made:
        pass
    made.returned("one", fell_back=False)
    assert not store.outputs
    made.succeeded()
    assert store.outputs


def test_the_tokens_of_its_calls_are_kept_with_an_output():
    """Those that exec has reported, so that a run can say what it has saved."""
    store, limit = InMemory(), flowmagic.CallLimit("service")
    made, _ = call(store, {})
    with made, limit.call(tokens=100) as under:
        under.used(70)
    made.returned("one", fell_back=False)
    made.succeeded()
    assert call(store, {})[0].reused.tokens == 70


def test_the_params_note_what_is_read_again_when_the_call_ends():
    """Also if it raised."""
    made, tracked = call(InMemory(), {"n": 1, "m": 1})
    before = tracked.read
    tracked["m"]
    try:
        with made:
            tracked["n"]
            raise ValueError
    except ValueError:
        pass
    assert tracked.read is before
    assert before == {"n", "m"}
