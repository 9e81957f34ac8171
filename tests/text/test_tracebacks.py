"""Tracebacks, from the user's frames on."""

import concurrent.futures

from pocketflow import AsyncFlow, AsyncNode

from flowmagic import run_batch
from flowmagic.errors import BatchError
from flowmagic.text.redact import MASK, secrets_of
from flowmagic.text.tracebacks import traceback_text

KEY = "sk-very-secret-0123456789"


def _raised(error):
    try:
        raise error
    except type(error) as raised:
        return raised


class Unsayable(Exception):
    def __str__(self):
        raise RuntimeError("no")


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
