"""Reading what somebody else made."""

import abc
import dataclasses
import json
import sys
import time
import types

import pytest

from flowmagic.text import user_objects
from flowmagic.text.formatting import error_text, params_text, short_repr
from flowmagic.text.user_objects import (
    copied_by_dict,
    get,
    is_in_main,
    is_user_code,
    or_none,
    within_budget,
)


class Trap:
    """Raises whatever it was given when it is touched."""

    def __init__(self, error):
        object.__setattr__(self, "error", error)

    def __getattribute__(self, name):
        raise object.__getattribute__(self, "error")


@pytest.mark.parametrize("error", [ValueError(), AttributeError(), SystemExit(), GeneratorExit()])
def test_nothing_that_goes_wrong_in_reading_escapes(error):
    """None instead, also of what is no Exception."""
    assert get(Trap(error), "status_code") is None
    assert or_none(lambda: Trap(error).anything) is None


def test_the_users_own_interrupt_does_escape():
    """It is not of the object: somebody wants to stop."""
    with pytest.raises(KeyboardInterrupt):
        get(Trap(KeyboardInterrupt()), "status_code")


def test_what_can_be_read_is_read():
    """An attribute, or what a function gives."""
    assert get(ValueError("x"), "args") == ("x",)
    assert get(object(), "absent") is None
    assert or_none(int, "12") == 12


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that stands still unless a test moves it, and no type that has taken long before."""
    monkeypatch.setattr(user_objects, "_taken", {})
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    return clock


class Clock:
    now = 0.0


def kind_of(clock, seconds: float, *, raises: bool = False):
    """Return a type of which each repr and str takes so long, and counts them."""

    class Slow(Exception):
        said = 0

        def __repr__(self) -> str:
            type(self).said += 1
            clock.now += seconds
            if raises:
                raise ValueError
            return "Slow(1)"

        __str__ = __repr__

    return Slow


def test_a_type_may_take_half_a_second_in_all(clock):
    """Then its values are called by its type, without being asked."""
    kind = kind_of(clock, 0.3)
    shown = [short_repr(kind()) for _ in range(100)]
    assert shown[:2] == ["Slow(1)"] * 2
    assert set(shown[2:]) == {"<Slow, whose repr takes too long>"}
    assert kind.said == 2
    assert clock.now < 1


def test_one_that_is_slow_once_is_asked_again(clock):
    """The first repr of a type may import half a library."""
    kind = kind_of(clock, 0.45)
    assert short_repr(kind()) == short_repr(kind()) == "Slow(1)"


def test_what_takes_but_a_moment_may_be_asked_for_ever(clock):
    """A quick repr of which there are many is no slow one."""
    kind = kind_of(clock, 0.01)
    assert {short_repr(kind()) for _ in range(200)} == {"Slow(1)"}


def test_the_others_of_a_row_are_shown_as_they_are(clock):
    """Each type has its own time; a type of the same name too."""
    slow, other = kind_of(clock, 1), kind_of(clock, 0)
    short_repr(slow())
    assert params_text({"a": slow(), "b": 1, "c": other()}) == (
        "a=<Slow, whose repr takes too long>, b=1, c=Slow(1)"
    )


def test_a_slow_repr_that_raises_is_slow_as_well(clock):
    """It is not asked ever again only to fail."""
    kind = kind_of(clock, 0.3, raises=True)
    for _ in range(10):
        assert "Slow" in short_repr(kind())
    assert kind.said == 2


def test_an_error_with_a_slow_message_is_told_by_its_type(clock):
    """As for a repr."""
    kind = kind_of(clock, 1)
    assert error_text(kind()) == "Slow: Slow(1)"
    assert error_text(kind()) == "Slow: (its message takes too long)"


def test_a_type_is_not_blamed_for_one_that_had_its_place_in_memory(clock):
    """Types of a cell that runs again and again come and go, and their ids are used again."""
    kind = kind_of(clock, 1)
    short_repr(kind())
    user_objects._taken[id(int)] = user_objects._taken[id(kind)]
    assert within_budget(repr, 1) == "1"
    assert within_budget(repr, kind()) is None


def test_code_is_a_librarys_or_the_users():
    """A library's; the user's own."""
    assert not is_user_code(pytest.Item)
    assert not is_user_code(json.dumps)
    assert is_user_code(Trap)
    assert not is_in_main(Trap)


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_a_package_of_another_environment_is_a_library_too(folder, monkeypatch):
    """Debian's dist-packages and the user's site-packages are not among Python's own paths."""
    module = types.ModuleType("somewhere")
    module.__file__ = f"/home/me/.local/{folder}/somewhere.py"
    monkeypatch.setitem(sys.modules, "somewhere", module)
    value = type("Theirs", (), {"__module__": "somewhere"})
    assert not is_user_code(value)
    module.__file__ = "/home/me/my-packages/somewhere.py"
    assert is_user_code(value)


def test_a_plain_class_is_copied_by_its_dict():
    """One without hooks for copying, slots, or what a class written in C keeps."""
    for kind in (
        type("Own", (), {}),
        dataclasses.make_dataclass("Frozen", ["a"], frozen=True),
        type("Abstract", (abc.ABC,), {}),
    ):
        assert copied_by_dict(kind)
    for refused in (
        int,
        type("List", (list,), {}),
        type("Error", (ValueError,), {}),
        type("Slots", (), {"__slots__": ("a",)}),
        type("Copy", (), {"__copy__": lambda self: self}),
        type("Deep", (), {"__deepcopy__": lambda self, memo: self}),
        type("State", (), {"__getstate__": lambda self: {}}),
    ):
        assert not copied_by_dict(refused)
