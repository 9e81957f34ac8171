"""What a process knows of the calls that hang in it, and says when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from flowmagic.engines import abandoned_calls


class Call:
    """A call of a node in an instance."""

    returned = False
    abandoned_at = 0.0

    def __init__(self, kind, index=0):
        self.kind, self.index = kind, index


class Ask:
    pass


class Fetch:
    pass


@pytest.fixture(autouse=True)
def _nothing_before(monkeypatch):
    monkeypatch.setattr(abandoned_calls, "_calls", {})


def test_a_call_is_known_until_it_has_returned_or_is_removed():
    """What is shown of it: node, instance, and since when."""
    before = time.time()
    first, second = Call(Ask, 3), Call(Fetch, 4)
    for call in (first, second):
        abandoned_calls.add(call)
    shown = abandoned_calls.described(abandoned_calls.unreturned())
    assert [(each.node, each.index) for each in shown] == [("Ask", 3), ("Fetch", 4)]
    assert before <= shown[0].since <= shown[1].since <= time.time()
    first.returned = True
    assert abandoned_calls.unreturned() == [second]
    abandoned_calls.remove(second)
    abandoned_calls.remove(second)
    assert abandoned_calls.unreturned() == []


def test_a_process_is_full_at_the_bound_and_no_more_when_one_returns(monkeypatch):
    """The reason counts the calls by node, the most frequent first."""
    monkeypatch.setattr(abandoned_calls, "MAX_ABANDONED", 3)
    calls = [Call(Ask), Call(Fetch), Call(Fetch)]
    for call in calls:
        assert abandoned_calls.why_full() == ""
        abandoned_calls.add(call)
    assert abandoned_calls.why_full() == (
        "3 abandoned calls of sync nodes have not returned (2 of Fetch, 1 of Ask)"
    )
    calls[0].returned = True
    assert abandoned_calls.why_full() == ""


def test_a_program_waits_a_moment_for_calls_that_are_about_to_return(monkeypatch, capfd):
    """A file that a thread is writing is not cut off, and nothing is said."""
    monkeypatch.setattr(abandoned_calls, "_EXIT_WAIT", 60)
    call = Call(Ask)
    abandoned_calls.add(call)
    threading.Timer(0.05, setattr, (call, "returned", True)).start()
    abandoned_calls._report()
    assert call.returned
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("stderr", [True, False])
def test_a_program_without_a_stderr_says_nothing(monkeypatch, capfd, stderr):
    """As under pythonw, where there is none to write to."""
    monkeypatch.setattr(abandoned_calls, "_EXIT_WAIT", 0)
    abandoned_calls.add(Call(Ask))
    if not stderr:
        monkeypatch.setattr(sys, "__stderr__", None)
    abandoned_calls._report()
    out, err = capfd.readouterr()
    assert out == ""
    assert bool(err) == stderr


SCRIPT = """
import threading, flowmagic
from pocketflow import Node

class Ask(Node):
    def exec(self, _):
        threading.Event().wait()

print(flowmagic.run_batch(Ask(), [{}, {}, {}], limit=2, timeout=1).counts.failed)
"""


def test_a_script_with_threads_that_hang_ends_and_says_what_it_leaves_behind():
    """On stderr: how many calls, and of which node. Nothing waits for them."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert done.stderr == (
        "flowmagic: this program ends before 3 abandoned calls of sync nodes have returned (3 of Ask). "
        "Give such calls a timeout of their own.\n"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_knows_none_of_the_calls_of_its_parent():
    """Their threads are not in it: it neither waits for them nor reports them."""
    code = (
        SCRIPT
        + """
import os, sys
sys.stdout.flush()
if os.fork() == 0:
    sys.exit(0)
os.wait()
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr.count("flowmagic:") == 1
