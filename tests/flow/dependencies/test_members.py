"""What the user's own classes and objects consist of."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple

import pytest
from pocketflow import AsyncNode

import flowmagic
from flowmagic.flow.dependencies.members import (
    attributes_of_class,
    attributes_of_object,
    changed_by_methods,
    is_limit,
    ordered_names,
    plain_attributes,
)


class Base:
    __slots__ = ("kept", "never")


class Plain(Base):
    """A docstring."""

    style = "short"
    _private = 1

    def __init__(self):
        self.kept = 1
        self.own = 2

    def method(self):
        self.count = 1
        self.log.append(1)
        self.state.count += 1

    @property
    def heading(self):
        self.seen = True


@dataclasses.dataclass
class Settings:
    model: str = "small"
    stop: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self.model += "!"


@dataclasses.dataclass
class More(Settings):
    more: int = 1


class Colour(enum.Enum):
    RED = 1

    @property
    def dark(self):
        return self


class Pair(NamedTuple):
    one: int = 1


def names(kind):
    return [name for name, _ in attributes_of_class(kind)]


def test_a_class_consists_of_what_is_written_in_it():
    """In the order of names; without what Python adds."""
    assert names(Plain) == ["__init__", "_private", "heading", "method", "style"]


def test_a_class_with_fields_consists_of_these_and_of_its_own_methods():
    """Not of methods that were made for it, nor of inherited fields."""
    assert names(Settings) == ["__post_init__", "model", "model", "stop", "model", "stop"]
    assert names(More) == ["more", "more", "more"]  # its value, its annotation and its field
    assert "one" in names(Pair)
    assert not {"__new__", "__init__", "__eq__", "__repr__"} & {*names(Pair), *names(Settings)}


def test_an_enum_consists_of_its_members_and_methods():
    """Not of what Python keeps for it."""
    assert dict(attributes_of_class(Colour)).keys() == {"RED", "dark"}
    assert dict(attributes_of_class(Colour))["RED"] == 1


def test_a_model_of_pydantic_consists_of_its_fields():
    """With their descriptions, which a model is asked for."""
    pydantic = pytest.importorskip("pydantic")

    class Answer(pydantic.BaseModel):
        text: str = pydantic.Field("a", description="brief")

        @property
        def shout(self):
            return self.text

    found = list(attributes_of_class(Answer))
    assert {name for name, _ in found} >= {"text", "shout"}
    assert any(getattr(each, "description", "") == "brief" for _, each in found)
    assert not any(name.startswith("__") or name == "_abc_impl" for name, _ in found)


def test_an_object_consists_of_its_attributes():
    """Those in slots too, if they were assigned."""
    assert attributes_of_object(Plain()) == {"kept": 1, "own": 2}
    assert attributes_of_object(1) == {}


def test_the_attributes_that_methods_change_are_found():
    """What they assign only if it is asked for: a copy of a node has its own."""
    assert changed_by_methods(Plain, assigned=False) == {("log",), ("state", "count")}
    assert changed_by_methods(Plain, assigned=True) == {
        ("log",), ("state", "count"), ("count",), ("seen",),
    }  # fmt: skip


def test_limits_of_our_own_classes_are_no_part_of_a_node():
    """They change no answer; an attribute of the user's does."""

    class Mine(flowmagic.ThrottledParallelBatchNode):
        prompt = "a"

    assert is_limit(Mine, "max_concurrent")
    assert not is_limit(Mine, "prompt")
    assert not is_limit(AsyncNode, "max_retries")


def test_the_order_of_members_and_fields_is_known():
    """Of no other class: the order of methods does not matter."""
    color = enum.Enum("Color", "RED BLUE")
    page = dataclasses.make_dataclass("Page", ["url", "at"])
    assert ordered_names(color) == ["RED", "BLUE"]
    assert ordered_names(page) == ["url", "at"]
    assert ordered_names(Base) == []


def test_the_address_of_a_client_is_one_of_its_plain_attributes():
    """Most clients compute it; a secret in another attribute is masked unless all has to be exact."""

    class Client:
        base_url = property(lambda self: ["http://here"])

        def __init__(self):
            self.api_key, self.model, self._session = "sk-1234567890abcdef", "small", 1

    exact = {"api_key": "sk-1234567890abcdef", "base_url": "['http://here']", "model": "small"}
    assert plain_attributes(Client(), masks=False) == exact
    assert plain_attributes(Client(), masks=True) == {**exact, "api_key": "•••"}
