"""What to write instead of a name that does not exist."""

from __future__ import annotations

import copy
import pickle

import pytest

from flowmagic.errors import MissingAttributeError
from flowmagic.text.suggestions import by_wrong_name, did_you_mean, missing_attribute


class Car:
    wheels = 4

    def __init__(self):
        self.speed = 50
        self._broken = True

    @property
    def fuel(self):
        return self.tank.level

    def __getattr__(self, name):
        return missing_attribute(self, name, "car", {"velocity": "car.speed"})


def said(car, name):
    """Return the message of an attribute that a car does not have."""
    with pytest.raises(MissingAttributeError) as caught:
        getattr(car, name)
    return str(caught.value)


def test_the_nearest_name_is_suggested_in_its_form():
    """And none if none is near."""
    assert did_you_mean("limts", ["limit", "keep"]) == "Did you mean limit?"
    assert did_you_mean("limits", {"limit": 1}, "{}=5") == "Did you mean limit=5?"
    assert did_you_mean("colour", ["limit"]) == ""


def test_a_table_is_turned_around():
    """From what to write to what is written by mistake, and back."""
    assert by_wrong_name({"x": "a b", "y": "c"}) == {"a": "x", "b": "x", "c": "y"}


def test_a_missing_attribute_names_what_to_write():
    """From the table; or else what the object has that looks like it, on the class or on itself."""
    car = Car()
    assert said(car, "velocity") == "'Car' object has no attribute 'velocity'. Write car.speed."
    assert said(car, "wheel") == ("'Car' object has no attribute 'wheel'. Did you mean car.wheels?")
    assert said(car, "sped") == "'Car' object has no attribute 'sped'. Did you mean car.speed?"
    assert said(car, "broken") == "'Car' object has no attribute 'broken'."


def test_those_who_only_ask_are_not_misled():
    """`hasattr`, a default, and the hooks that libraries look for."""
    car = Car()
    assert not hasattr(car, "velocity")
    assert getattr(car, "velocity", None) is None
    with pytest.raises(AttributeError, match="^'Car' object has no attribute '_repr_html_'$"):
        car._repr_html_
    assert copy.copy(car).speed == pickle.loads(pickle.dumps(car)).speed == 50
    assert not hasattr(object.__new__(Car), "speed")


def test_the_error_of_a_property_is_its_own():
    """Not that there is no such property."""
    assert said(Car(), "fuel") == "'Car' object has no attribute 'tank'."
