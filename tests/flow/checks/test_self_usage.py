"""How the methods of a node use `self`, as far as their source tells."""

from __future__ import annotations

from pocketflow import AsyncNode, Node

from flowmagic.flow.checks.node_source import NodeSource
from flowmagic.flow.checks.self_usage import self_usage_of


def use(kind):
    """Return what is read of a class."""
    return self_usage_of(NodeSource(kind()))


class Reads(AsyncNode):
    async def prep_async(self, shared):
        first = self.params["first"]
        text = f"{self.params['in text']} {first}"
        if shared or self.params["in or"]:
            text += self.params["in if"]
        while self.params["in test"]:
            text += self.params["in while"]
        text = self.params["in then"] if text else self.params["in else"]
        for each in self.params["in iter"]:
            text += self.params["in for"] + each
        made = [self.params["in list"] for _ in self.params["in source"]]
        match self.params["in match"]:
            case 1:
                text = self.params["in case"]
        try:
            text = self.params["in try"]
        except KeyError:
            text = ""
        with open(self.params["in with"]):
            made.append(self.params["in body"])
        later = lambda: self.params["in lambda"]
        self.params["n"] += 1
        popped = self.params.pop("popped")
        if popped:
            return later
        return self.params["after a return"]


def test_a_param_is_needed_where_it_is_read_whatever_the_others_are():
    """Not under a condition, in a loop, in a function made there, or behind a way out."""
    found = use(Reads)
    needed = {
        "first", "in text", "in test", "in iter", "in source", "in match", "in with", "in body",
        "n", "popped",
    }  # fmt: skip
    assert set(found.required) == needed
    assert found.optional - found.required.keys() == {
        "in or", "in if", "in while", "in then", "in else", "in for", "in list", "in case",
        "in try", "in lambda", "after a return",
    }  # fmt: skip
    assert found.assigned == {"n"}
    assert (found.may_read_any, found.may_set_any) == (False, False)
    line = Reads.prep_async.__code__.co_firstlineno
    assert found.required["first"] == (__file__, line + 1)


class Asks(Node):
    def exec(self, shared):
        a = self.params.get("a"), self.params.pop("b", None), self.params.setdefault("c", 1)
        del self.params["d"]
        self.params["e"] = a
        return "f" in self.params or "g" not in self.params or 1 < len(a) < 3 or a in [shared, 1]


def test_a_param_with_a_default_is_optional():
    """And one that is set is assigned."""
    found = use(Asks)
    assert found.optional == {"a", "b", "c", "f", "g"}
    assert found.assigned == {"c", "d", "e"}
    assert found.required == {}
    assert (found.may_read_any, found.may_set_any) == (False, False)


def read_by(body):
    """Return whether a method with this body may read, and set, any param."""

    def decide(method):
        kind = type("Made", (Node,), {"exec": method})
        found = self_usage_of(NodeSource(kind()))
        return found.may_read_any, found.may_set_any

    return decide(body)


def test_what_is_done_with_all_params_may_read_any():
    """Nothing can be said then of keys that are not named."""
    assert read_by(lambda self, p: p) == (False, False)  # a lambda cannot be read, and has no say

    def handed(self, p):
        return dict(self.params)

    def whole(self, p):
        return p(self)

    def items(self, p):
        return self.params.items()

    def by_name(self, p):
        return self.params[p]

    def asked(self, p):
        return p in self.params

    def got(self, p):
        return self.params.get(p)

    assert [read_by(each)[0] for each in (handed, whole, items, by_name, asked, got)] == [True] * 6
    assert [read_by(each)[1] for each in (by_name, asked, got, items)] == [False] * 4


def test_what_sets_params_by_no_name_may_set_any():
    """Or replaces them."""

    def by_name(self, p):
        self.params[p] = 1

    def update(self, p):
        self.params.update(p)

    def grown(self, p):
        self.params |= p

    def replaced(self, p):
        self.params = p

    def counted(self, p):
        self.params[p] += 1

    ways = (by_name, update, grown, replaced, counted)
    assert [read_by(each)[1] for each in ways] == [True] * 5


class Changes(Node):
    def exec(self, prepared):
        self.appended.append(prepared)
        self.nested["a"][0].add(1)
        self.keyed["a"] = self.read["b"]
        del self.cut[0]
        self.grown += [1]
        self.bound, other = [], self.read.get(1)
        other.append(self.read)
        self.params["list"].append(1)
        super().exec(prepared)
        return self.helper

    @property
    def helper(self):
        self.in_property.clear()
        return self.read

    def unused(self):
        self.never.append(1)


def test_attributes_that_are_changed_in_place_are_distinguished_from_those_that_are_read():
    """In the methods that a run reaches; one that is given a new value is said so."""
    found = use(Changes)
    assert set(found.mutated) == {
        "appended", "nested", "keyed", "cut", "grown", "in_property",
    }  # fmt: skip
    assert found.rebound == {"bound"}


class Static(Node):
    @staticmethod
    def exec(prepared):
        return prepared["x"]


def test_a_method_without_self_uses_none():
    """Its first argument is an argument."""
    found = use(Static)
    assert found.strings == {"x"}
    assert not found.may_read_any or found.required == {}
