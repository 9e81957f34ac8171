"""What an exec gets, and whether it has changed it."""

from __future__ import annotations

import pytest
from pocketflow import Node

from flowmagic.flow.reuse.inputs import Inputs
from flowmagic.flow.reuse.node_code import NodeCode
from flowmagic.records.param_reads import track_reads


class Ask(Node):
    def exec(self, prepared):
        return self.style, prepared


def inputs(prepared, params=None, shared=None, **attributes):
    node = Ask()
    vars(node).update(attributes)
    node.set_params(track_reads(params or {}))
    return node, Inputs(node, NodeCode(node, frozenset()), prepared, shared)


def test_the_texts_are_equal_if_code_attributes_and_prep_are():
    """Whatever else the node has."""
    _, one = inputs(["a"], style="warm", other=1)
    _, same = inputs(["a"], style="warm", other=2)
    _, style = inputs(["a"], style="cold")
    _, prepared = inputs(["b"], style="warm")
    assert one.texts == same.texts
    assert len({one.texts, style.texts, prepared.texts}) == 3


def test_params_that_prep_returns_as_a_whole_count_as_read():
    """With all their values."""
    params = track_reads({"n": 1})
    node = Ask()
    node.set_params(params)
    first = Inputs(node, NodeCode(node, frozenset()), params, None)
    params["n"] = 2
    assert Inputs(node, NodeCode(node, frozenset()), params, None).texts != first.texts
    assert params.read == {"n"}


CHANGES = [
    (lambda node, _: setattr(node, "style", "cold"), "assigns self.style in exec"),
    (lambda node, _: node.params.update(n=2), "changes its params in exec"),
    (lambda node, _: node.params["list"].append(1), "changes its params in exec"),
    (lambda node, _: setattr(node, "params", {}), "assigns self.params in exec"),
    (lambda node, prepared: prepared.append(1), "changes in exec what prep returned"),
    (lambda node, _: setattr(node, "cur_retry", 1), ""),
    (lambda node, _: node.params["list"], ""),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_change_of_an_input_is_noticed(change, said):
    """And named."""
    prepared = []
    node, found = inputs(prepared, {"n": 1, "list": []}, style="warm")
    change(node, prepared)
    assert found.changed() == said


def test_there_is_a_doubt_where_the_shared_store_can_be_reached():
    """Its contents may change while exec runs."""
    shared = {}
    for prepared, style in (
        (shared, ""),
        ([{"all": shared}], ""),
        (None, shared),
        (None, (shared,)),
    ):
        _, found = inputs(prepared, shared=shared, style=style)
        assert "the shared store" in found.doubt
    _, found = inputs({}, shared=shared, style={}, other=shared)
    assert found.doubt == ""
