"""Reading what somebody else made."""

import pytest

from flowmagic.untrusted import get, quietly


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
    assert quietly(lambda: Trap(error).anything) is None


def test_the_users_own_interrupt_does_escape():
    """It is not of the object: somebody wants to stop."""
    with pytest.raises(KeyboardInterrupt):
        get(Trap(KeyboardInterrupt()), "status_code")


def test_what_can_be_read_is_read():
    """An attribute, or what a function gives."""
    assert get(ValueError("x"), "args") == ("x",)
    assert get(object(), "absent") is None
    assert quietly(int, "12") == 12
