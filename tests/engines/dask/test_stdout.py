"""What instances print on a worker is printed in the process of their run."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

from pocketflow import Flow, Node

import flowmagic as fm
from flowmagic import DaskEngine
from flowmagic.engines.dask.stdout import PrintBuffer, current_buffer, install_forwarders
from flowmagic.notebook import streams
from flowmagic.run.api import start
from flowmagic.run.options import Options


def test_what_goes_to_one_stream_in_a_row_is_one_text():
    """The order of the streams is kept; what was taken is not taken again."""
    calls = []
    buffer = PrintBuffer(lambda: calls.append("first"))
    for stream, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]:
        buffer.add(stream, text)
    assert calls == ["first"]
    assert buffer.take() == [("stdout", "ab"), ("stderr", "c"), ("stdout", "d")]
    assert buffer.take() == []
    buffer.add("stdout", "e")
    assert calls == ["first", "first"]


def test_what_is_printed_outside_of_instances_stays_on_the_worker(monkeypatch):
    """Its own log, for one. Every chunk installs the forwarders, but only the first call does anything."""
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    buffer = PrintBuffer(lambda: None)
    install_forwarders()
    forwarder = sys.stdout
    install_forwarders()
    assert sys.stdout is forwarder
    print("of the worker")
    token = current_buffer.set(buffer)
    print("of an instance")
    current_buffer.reset(token)
    assert below.getvalue() == sys.stdout.getvalue() == "of the worker\n"
    assert buffer.take() == [("stdout", "of an instance\n")]


def test_writelines_and_print_are_forwarded_as_well(monkeypatch):
    """As is any other way to write to the stream."""
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    monkeypatch.setattr(sys, "stderr", None)
    buffer = PrintBuffer(lambda: None)
    install_forwarders()
    sys.stdout.writelines(["of the worker\n"])
    token = current_buffer.set(buffer)
    sys.stdout.writelines(line for line in ("one\n", "two\n"))
    print(1, 2, sep="", file=sys.stdout)
    current_buffer.reset(token)
    assert below.getvalue() == "of the worker\n"
    assert buffer.take() == [("stdout", "one\ntwo\n12\n")]


class Speaks(Node):
    def exec(self, _):
        print("exec", self.params["i"])
        print("aside", file=sys.stderr)

    def post(self, shared, prep_res, exec_res):
        print("post", self.params["i"])


async def test_what_instances_print_there_is_printed_here(processes, capsys):
    """In their own contexts, so that it ends in their own outputs where these are kept."""
    run = await fm.batchflow(Flow(start=Speaks()), [{"i": 7}], engine=DaskEngine(processes))
    assert run.ok
    out, err = capsys.readouterr()
    assert out == "exec 7\npost 7\n"
    assert err == "aside\n"


async def test_where_outputs_are_kept_what_is_printed_there_is_in_them(processes):
    """Each instance has its own, as here."""
    streams.install()
    try:
        options = replace(Options.of(engine=DaskEngine(processes)), capture=True)
        run = await start(Flow(start=Speaks()), [{"i": 1}, {"i": 2}], shared=None, options=options)
    finally:
        streams.uninstall()
    assert [sorted(each.printed.splitlines()) for each in run.instances] == [
        ["aside", f"exec {i}", f"post {i}"] for i in (1, 2)
    ]
