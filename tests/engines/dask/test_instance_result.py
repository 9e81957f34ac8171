"""Results, writes and errors of instances come back from a worker."""

from __future__ import annotations

import threading
import traceback

import httpx
import pytest
from pocketflow import AsyncFlow, AsyncNode, Node

import flowmagic as fm
from flowmagic import DaskEngine, RemoteError
from flowmagic.engines.dask.instance_result import dump_error, dump_output, load_error, load_output
from flowmagic.engines.dask.serialization import SourceFiles
from flowmagic.errors import OutputLostError
from flowmagic.limits.refusals import classify_refusal


class Big(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        shared["big"] = bytes(self.params["size"])
        return "b" * self.params["size"]


async def test_results_too_large_for_a_message_come_back_too(cluster):
    """Among small ones in the same chunk."""
    sizes = [10, 100_000, 20, 3_000_000]
    run = await fm.batchflow(Big(), [{"size": n} for n in sizes], engine=DaskEngine(cluster))
    assert run.results == ["b" * n for n in sizes]
    assert [len(each.writes["big"]) for each in run.instances] == sizes


class Returns(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        make = self.params["make"]
        if make == "write":
            shared["lock"] = threading.Lock()
        if make == "unpicklable error":
            raise Unpicklable(threading.Lock(), code=429)
        if make == "hopeless error":
            raise Hopeless("no way")
        return threading.Lock() if make == "result" else make


class Unpicklable(Exception):
    def __init__(self, lock, *, code):
        super().__init__("it said no", lock)
        self.code = code
        self.lock = lock


made: list = []


class Hopeless(Exception):
    def __reduce__(self):
        raise TypeError("never")

    def __new__(cls, *args):
        if not args or args[0] != "no way" or made:
            raise TypeError("not even so")
        made.append(cls)
        return super().__new__(cls, *args)


async def test_what_cannot_be_sent_back_fails_its_instance_and_is_named(cluster):
    """The others succeed; an error is rebuilt from its parts, or becomes a RemoteError with its text."""
    made.clear()
    makes = ["fine", "result", "write", "unpicklable error", "hopeless error"]
    run = await fm.batchflow(Returns(), [{"make": m} for m in makes], engine=DaskEngine(cluster))
    fine, result, write, unpicklable, hopeless = run.results
    assert fine == "fine"
    assert isinstance(result, RemoteError)
    assert "The result is a lock, which cannot be sent back from the worker" in str(result)
    assert "The value written to shared['lock'] is a lock" in str(write)
    assert type(unpicklable) is Unpicklable
    assert unpicklable.code == 429
    assert "it said no" in str(unpicklable)
    assert type(hopeless) is RemoteError
    assert "Hopeless: no way (The error itself could not be sent from the worker: " in str(hopeless)


class Cannot:
    """Can be pickled, or not, or cannot be unpickled."""

    def __init__(self, what):
        self.what = what

    def __reduce__(self):
        if self.what == "be pickled":
            raise Mute
        return _refuse, ()


def _refuse():
    raise Mute


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (threading.Lock(), "is a lock, which cannot be sent back from the worker (TypeError: "),
        (Cannot("be pickled"), "is a Cannot, which cannot be sent back from the worker (Mute: "),
        (
            Cannot("be unpickled"),
            "was sent back from the worker, but cannot be unpickled here (Mute",
        ),
    ],
)
def test_an_output_that_cannot_travel_is_named_as_lost(output, said):
    """Whatever its own code raises."""
    lost = load_output(dump_output(output))
    assert isinstance(lost, OutputLostError)
    assert f"This output {said}" in str(lost)


class Answers(AsyncNode):
    async def exec_async(self, _):
        kind = self.params["kind"]
        return threading.Lock() if kind == "lock" else kind * self.params.get("times", 1)


class Repeats(Answers):
    async def exec_async(self, _):
        return None if self.params["kind"] == "lock" else f"again: {self.params['kind']}"


async def test_outputs_come_back_in_any_size_and_one_that_cannot_leaves_its_row_succeeded(cluster):
    """The objects of each node copy; an OutputLostError with the reason is in the place of a lost one."""
    first = Answers()
    first >> Repeats()
    rows = [{"kind": "a"}, {"kind": "b", "times": 100_000}, {"kind": "lock"}]
    run = await fm.batchflow(AsyncFlow(start=first), rows, engine=DaskEngine(cluster))
    assert run.ok
    assert run.outputs[:2] == ["again: a", "again: b"]
    copies = [[copy.output for copy in each.copies] for each in run.instances]
    assert copies[:2] == [["a", "again: a"], ["b" * 100_000, "again: b"]]
    (lost, none) = copies[2]
    assert none is None
    assert run.outputs[2] is lost
    assert "This output is a lock, which cannot be sent back from the worker" in str(lost)


def sent_back(error):
    return load_error(dump_error(error), SourceFiles(Node()))


def raised(error, cause=None):
    try:
        if cause is None:
            raise error
        raise error from cause
    except BaseException as caught:
        return caught


def test_class_arguments_attributes_and_notes_stay():
    """As with pickle."""
    error = raised(KeyError("a", 5))
    error.more = [1]
    twin = sent_back(error)
    assert (type(twin), twin.args, twin.more) == (KeyError, ("a", 5), [1])


def test_the_traceback_leads_to_the_same_lines():
    """Its text is the same."""
    error = raised(ValueError("here"))
    text = "".join(traceback.format_tb(sent_back(error).__traceback__))
    assert [line for line in text.splitlines() if "File" in line] == [
        line
        for line in "".join(traceback.format_tb(error.__traceback__)).splitlines()
        if "File" in line
    ]
    assert "raise error" in text


def test_causes_and_contexts_are_sent_too():
    """With their own tracebacks; a long chain is cut."""
    twin = sent_back(raised(ValueError("outer"), raised(KeyError("inner"))))
    assert type(twin.__cause__) is KeyError
    assert twin.__cause__.__traceback__ is not None
    assert twin.__suppress_context__
    error = ValueError(0)
    for number in range(1, 50):
        error = raised(ValueError(number), error)
    depth, twin = 0, sent_back(error)
    while twin is not None:
        depth, twin = depth + 1, twin.__cause__
    assert depth == 11


def test_a_context_that_was_suppressed_stays_so():
    """`raise ... from None` shows no context, before and after."""
    try:
        try:
            raise KeyError("hidden")
        except KeyError:
            raise ValueError("shown") from None
    except ValueError as error:
        twin = sent_back(error)
    assert type(twin.__context__) is KeyError
    assert twin.__suppress_context__
    assert "hidden" not in "".join(traceback.format_exception(twin))


def test_an_error_never_raised_has_no_traceback():
    """It can be sent all the same."""
    assert sent_back(ValueError("x")).__traceback__ is None


def test_a_provider_s_refusal_still_says_when_to_come_back():
    """Its constructor needs a response, so pickle alone could not load it."""
    request = httpx.Request("GET", "http://127.0.0.1/")
    response = httpx.Response(429, headers={"retry-after": "7"}, request=request)
    twin = sent_back(raised(httpx.HTTPStatusError("slow", request=request, response=response)))
    assert type(twin) is httpx.HTTPStatusError
    assert classify_refusal(twin).retry_after == 7


class Holds(Exception):
    def __init__(self, *, lock):
        super().__init__("it holds", lock)
        self.lock = lock
        self.code = 5


def test_the_repr_replaces_what_cannot_be_pickled_of_an_error():
    """The rest is kept."""
    twin = sent_back(raised(Holds(lock=threading.Lock())))
    assert (type(twin), twin.code) == (Holds, 5)
    assert "lock" in twin.lock
    assert "it holds" in str(twin)


class Fragile(Exception):
    def __reduce__(self):
        raise TypeError("not this one")

    @property
    def __dict__(self):
        raise TypeError("nor its parts")


def test_an_error_that_cannot_be_pickled_at_all_becomes_a_remote_error_with_its_text():
    """With the reason, and with its traceback."""
    twin = sent_back(raised(Fragile("the tank is empty")))
    assert type(twin) is RemoteError
    assert "Fragile: the tank is empty (The error itself could not be sent from" in str(twin)
    assert twin.__traceback__ is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_exceptions_outside_of_exception_are_sent_too(error):
    """A node may raise anything."""
    assert type(sent_back(raised(error))) is type(error)
