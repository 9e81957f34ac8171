"""Values as text for a screen."""

import concurrent.futures
import time
from collections import OrderedDict, UserDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

from flowmagic import run_batch
from flowmagic.errors import BatchError
from flowmagic.text.formatting import (
    error_line,
    error_text,
    params_text,
    short_repr,
    traceback_text,
    truncate,
)
from flowmagic.text.redact import MASK, secrets_of

from .secretvalues import KEY, Client, Model, Pair


class KindOfDict(dict):
    pass


@pytest.mark.parametrize(
    "params",
    [
        {"api_key": KEY},
        {"headers": {"Authorization": f"Bearer {KEY}"}},
        {"nested": [{"deep": ({"token": KEY},)}]},
        {"client": Client(KEY)},
        {"mapping": UserDict(password=KEY)},
        {"ordered": OrderedDict(secret=KEY)},
        {"kind of dict": KindOfDict(token=KEY)},
        {"api_key": KEY.encode()},
        {"api_key": KEY, "url": f"https://example.com/?key={KEY}"},
        {"api_key": KEY, KEY: 1},
        {"model": Model(api_key=KEY)},
        {"pair": Pair("a", KEY)},
        {"api_keys": [KEY, "another"], "note": f"used {KEY}"},
        {"credentials": {"user": "me", "pass": KEY}, "note": f"used {KEY}"},
        {"secret": Client(KEY), "note": f"used {KEY}"},
    ],
)
def test_a_secret_is_masked_at_any_depth_and_where_it_is_quoted(params):
    """Mappings, lists, dataclasses; and the same value under another key."""
    text = params_text(params)
    assert KEY not in text
    assert MASK in text


@pytest.mark.parametrize("at", range(0, 120, 7))
def test_no_part_of_a_secret_is_left_by_cutting_it_in_two(at):
    """Wherever it stands in a longer text: what is shown is masked before it is cut."""
    value = "x" * at + KEY + "y" * 10_000
    secrets = {KEY}
    for text in (
        params_text({"api_key": KEY, "text": value}),
        params_text({"api_key": KEY, value: 1}),
        short_repr(value, 80, secrets),
        short_repr([value], 80, secrets),
        short_repr(value.encode(), 80, secrets),
        short_repr(Holder(value), 80, secrets),
        error_text(ValueError(value), secrets, 80),
    ):
        assert KEY[:4] not in text, text


def test_no_part_of_a_secret_is_left_where_many_are_masked():
    """Masks are short: what was far behind in the text comes into view."""
    secret = "".join(f"part{n}" for n in range(20))
    assert "part" not in short_repr(secret * 1_000, 40, {secret})
    assert "part" not in error_text(ValueError(secret * 1_000), {secret}, 40)


class Holder:
    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return f"<Holder of {self.text}>"


def test_a_text_is_cut_to_its_width():
    """With an ellipsis, and never with a character that cannot be sent."""
    assert truncate("abcdef", 4) == "abc…"
    assert truncate("abcd", 4) == "abcd"
    truncate("\ud800", 4).encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ad\u202enimda", r"ad\u202enimda"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("\x1b[31mred\x00\x9b", r"\x1b[31mred\x00\x9b"),
        ("half \ud800", r"half \ud800"),
        ("a\nb\tc", "a\nb\tc"),
        ("\u05d0\u05d1 \u200f é \U0001f600", "\u05d0\u05d1 \u200f é \U0001f600"),
    ],
)
def test_what_no_screen_shows_stands_as_an_escape(text, shown):
    """What would turn the text around it, move a terminal's cursor, or cannot be sent; no letters."""
    assert truncate(text, 80) == shown
    assert short_repr(Holder(text), 80) == f"<Holder of {shown}>".replace("\n", " ")


@given(st.text(), st.integers(1, 40))
def test_escapes_leave_no_text_too_long(text, width):
    """Also where each letter becomes six."""
    shown = truncate(text, width)
    assert len(shown) <= width
    assert truncate(shown, width) == shown


class Hostile:
    def __repr__(self):
        raise RuntimeError("no")


class HostileMapping(UserDict):
    def __iter__(self):
        raise RuntimeError("no")


class Metaphorical(type):
    def __instancecheck__(cls, other):
        return False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r"'a\nb'"),
        (None, "None"),
        ([1, [2, [3, [4, [5]]]]], "[1, [2, [3, [4, [...]]]]]"),
        ({"a": {"b": {"c": {"d": {}}}}}, "{'a': {'b': {'c': {'d': {…}}}}}"),
        (Client("x" * 9), f"Client(api_key={MASK}, retries=3)"),
        (dict.fromkeys(range(10), 0), "{" + ", ".join(f"{i}: 0" for i in range(8)) + ", …}"),
    ],
)
def test_a_value_is_shown_briefly(value, text):
    """On one line, in the order it has, to a depth and a length."""
    assert short_repr(value) == text


def test_a_repr_that_raises_is_no_error():
    """Whatever somebody's object does when it is looked at."""
    assert "Hostile" in short_repr(Hostile())
    assert short_repr(HostileMapping()) == "<HostileMapping, whose repr raised RuntimeError>"
    assert "x=<Hostile" in params_text({"x": Hostile()})


@pytest.mark.parametrize(
    "value", ["x" * 10**7, b"x" * 10**7, ["x" * 10**7] * 10, {"k": "x" * 10**7}]
)
def test_ten_megabytes_are_cut_before_they_are_copied(value):
    """A long text costs no more than a short one."""
    began = time.perf_counter()
    for _ in range(100):
        assert len(params_text({"value": value})) <= 200
    assert time.perf_counter() - began < 5  # some 10 ms; building the repr each time takes 10 s


def test_many_params_are_cut_too():
    """The text does not grow with their number."""
    assert len(params_text(dict.fromkeys(map(str, range(10**5)), "value"), 120)) == 120


class Unsayable(Exception):
    def __str__(self):
        raise RuntimeError("no")


def test_an_error_is_one_line():
    """Type and message, cut, masked."""
    assert error_text(ValueError("two\nlines")) == "ValueError: two lines"
    assert error_text(ValueError()) == "ValueError"
    assert error_text(ValueError(KEY), {KEY}) == f"ValueError: {MASK}"
    assert len(error_text(ValueError("x" * 10**6))) == 200
    assert "cannot be shown" in error_text(Unsayable())
    assert error_line("KeyError", "a\nb", 80) == "KeyError: a b"
    assert error_line("KeyError", "", 80) == "KeyError"


SECRET = st.text(min_size=4, max_size=30).filter(
    lambda text: MASK not in text and text.strip(" •…'\"") != ""
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(max_size=20), VALUE, max_size=5),
    st.text(alphabet="abcdefghijkl0123456789-_", min_size=12, max_size=40),
    st.integers(10, 200),
)
def test_no_text_holds_a_secret_or_is_too_long(params, secret, width):
    """Whatever else is in the params, and wherever the value is quoted."""
    params = {**params, "api_key": secret, "quoted": f"see {secret}!"}
    text = params_text(params, width)
    assert secret not in text
    assert len(text) <= width
    text.encode()
    assert secret not in error_text(ValueError(f"{params}"), secrets_of(params), width)
    assert len(short_repr(params, width)) <= width
    short_repr(params, width).encode()


def _raised(error):
    try:
        raise error
    except type(error) as raised:
        return raised


def test_a_traceback_begins_in_the_users_code():
    """Frames of flowmagic, PocketFlow and the thread pool are left out; the user's line is there."""

    class Fails(AsyncNode):
        async def exec_async(self, _):
            raise ValueError(f"bad key {self.params['api_key']}")

    run = run_batch(AsyncFlow(start=Fails()), [{"api_key": KEY}])
    text = traceback_text(run[0].error, secrets_of(run[0].params))
    assert 'raise ValueError(f"bad key' in text
    assert text.endswith(f"ValueError: bad key {MASK}\n")
    assert text.count("File ") == 1
    assert "pocketflow" not in text

    with concurrent.futures.ThreadPoolExecutor() as pool:
        error = pool.submit(_raised, 1).exception()
    assert "concurrent" not in traceback_text(error)
    assert "_raised" in traceback_text(error)


def test_an_error_inside_pocketflow_keeps_pocketflows_frames():
    """Where no frame is the user's, theirs tell more than none; ours never do."""
    run = run_batch(AsyncFlow(start=AsyncFlow()), [{"n": 1}])
    bad = run_batch(AsyncNodeInSyncFlow, [{"n": 1}])
    text = traceback_text(bad[0].error)
    assert "Use run_async." in text
    assert "pocketflow" in text
    assert "course.py" not in text
    assert run.counts.total == 1


def _sync_flow_of_an_async_node():
    from pocketflow import Flow

    return Flow(start=AsyncNode())


AsyncNodeInSyncFlow = _sync_flow_of_an_async_node()


def test_the_causes_frames_are_hidden_as_well():
    """`raise ... from` keeps the chain."""
    error = _raised(ValueError("outer"))
    error.__cause__ = _raised(KeyError("inner"))
    text = traceback_text(error)
    assert "KeyError: 'inner'" in text
    assert "direct cause" in text


def test_names_of_files_can_be_replaced():
    """A notebook calls its cells by their numbers."""
    text = traceback_text(_raised(ValueError("x")), name_of=lambda name: "Cell In[7]")
    assert 'File "Cell In[7]", line' in text


def test_an_error_of_ours_is_its_message():
    """It says what to do; where we noticed helps nobody."""
    assert (
        traceback_text(_raised(BatchError("The batch is None.")))
        == "BatchError: The batch is None.\n"
    )


def test_an_error_that_cannot_be_formatted_is_named():
    """An exception whose __cause__ or __str__ misbehaves."""
    assert "Unsayable" in traceback_text(Unsayable())


def test_a_traceback_is_bounded():
    """Deep recursion and long messages."""

    def deep(n):
        return deep(n - 1) if n else 1 / 0

    try:
        deep(500)
    except ZeroDivisionError as error:
        assert traceback_text(error).count("File ") <= 30
    assert len(traceback_text(_raised(ValueError("x" * 10**6)))) == 20_000
