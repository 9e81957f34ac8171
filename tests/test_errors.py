"""Errors say what was found, what was expected, and what to write."""

import warnings

import pytest

import flowmagic
from flowmagic import errors
from flowmagic.errors import from_users_frame, users_stack_level


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.BatchError, TypeError),
        (errors.FlowError, TypeError),
        (errors.LimitError, ValueError),
        (errors.NoRunningLoopError, RuntimeError),
        (errors.BlockedLoopError, RuntimeError),
        (errors.SharedError, TypeError),
        (errors.MissingExtraError, ImportError),
        (errors.InputError, EOFError),
        (errors.OptionError, TypeError),
        (errors.MissingAttributeError, AttributeError),
        (errors.MissingIndexError, IndexError),
    ],
)
def test_each_error_is_caught_by_ours_and_by_pythons_name(error, base):
    """`except ValueError` is what somebody writes who does not know our names."""
    assert issubclass(error, errors.FlowmagicError)
    assert issubclass(error, base)


def test_every_error_is_drawn_in_the_tree_and_public():
    """The docstring's tree leaves none out, and all can be imported from the package."""
    ours = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.FlowmagicError)
    ]
    assert len(ours) == 17
    for name in ours:
        assert name in errors.__doc__
        assert getattr(flowmagic, name) is getattr(errors, name)


def test_ipython_shows_one_line():
    """The message says what to do; our frames would not."""
    assert errors.BatchError("It is None.")._render_traceback_() == ["BatchError: It is None."]


def test_many_failures_are_counted_and_the_first_are_shown():
    """The count, three in full, and where all of them are."""
    failures = [(index, ValueError(f"bad {index}")) for index in (1, 4, 6, 7, 9)]
    error = errors.InstancesFailedError(failures, 10)
    assert str(error).splitlines() == [
        "5 of 10 instances failed:",
        "  instance 1: ValueError: bad 1",
        "  instance 4: ValueError: bad 4",
        "  instance 6: ValueError: bad 6",
        "  … and 2 more, all in `.failures`",
    ]
    assert error.failures == failures
    assert error.total == 10
    assert "more" not in str(errors.InstancesFailedError(failures[:3], 10))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (3, "an int (3)"),
        ("abc", "a str ('abc')"),
        (1.5, "a float (1.5)"),
        (["x"], "a list"),
        (object(), "an object"),
        (dict, "the class dict"),
        ("x" * 100, "a str ('" + "x" * 38 + "…)"),
    ],
)
def test_what_was_found_is_named_by_its_type_and_a_short_value(value, text):
    """Values of containers are not repeated: they may be long, or secret."""
    assert errors.describe(value) == text


def test_frames_of_ours_are_taken_off_the_top_of_a_traceback():
    """It begins in the user's code, wherever that stands in the chain of calls."""

    def users():
        raise KeyError("x")

    scope = {"__name__": "flowmagic.somewhere", "users": users}
    exec("def ours():\n    users()", scope)
    with pytest.raises(KeyError) as raised:
        scope["ours"]()
    error = raised.value
    error.__traceback__ = error.__traceback__.tb_next  # from `ours` on
    trimmed = from_users_frame(error)
    assert trimmed is error
    assert trimmed.__traceback__.tb_frame.f_code.co_name == "users"


def test_an_error_that_is_all_ours_keeps_its_traceback():
    """There is nothing to begin with; nothing is lost."""
    error = ValueError("never raised")
    assert from_users_frame(error) is error


def test_a_warning_can_name_the_line_that_called_flowmagic():
    """However many of our functions lie in between."""
    scope = {"__name__": "flowmagic.somewhere", "warn": warnings.warn, "level": users_stack_level}
    exec("def inner():\n    warn('mind', stacklevel=level())\ndef outer():\n    inner()", scope)
    with pytest.warns(UserWarning, match="mind") as caught:
        scope["outer"]()
    assert [each.filename for each in caught] == [__file__]
