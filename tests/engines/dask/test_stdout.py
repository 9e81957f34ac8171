"""What instances print on a worker is noted there, and printed where their run is."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

from pocketflow import Flow, Node

import flowmagic as fm
from flowmagic import DaskEngine
from flowmagic.engines.dask.stdout import Prints, catch, printing
from flowmagic.notebook import streams
from flowmagic.run.api import start
from flowmagic.run.options import Options


def test_what_goes_to_one_stream_in_a_row_is_one_text():
    """The order of the streams is kept; what was taken is not taken again."""
    told = []
    prints = Prints(lambda: told.append("news"))
    for stream, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]:
        prints.note(stream, text)
    assert told == ["news"]
    assert prints.take() == [("stdout", "ab"), ("stderr", "c"), ("stdout", "d")]
    assert prints.take() == []
    prints.note("stdout", "e")
    assert told == ["news", "news"]


def test_what_is_printed_outside_of_instances_stays_on_the_worker(monkeypatch):
    """Its own log, above all. Asked for by every chunk, it is done once."""
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    prints = Prints(lambda: None)
    catch()
    caught = sys.stdout
    catch()
    assert sys.stdout is caught
    print("of the worker")
    token = printing.set(prints)
    print("of an instance")
    printing.reset(token)
    assert below.getvalue() == sys.stdout.getvalue() == "of the worker\n"
    assert prints.take() == [("stdout", "of an instance\n")]


def test_lines_written_together_are_noted_as_well(monkeypatch):
    """By whatever way a text reaches the stream."""
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    monkeypatch.setattr(sys, "stderr", None)
    prints = Prints(lambda: None)
    catch()
    sys.stdout.writelines(["of the worker\n"])
    token = printing.set(prints)
    sys.stdout.writelines(line for line in ("one\n", "two\n"))
    print(1, 2, sep="", file=sys.stdout)
    printing.reset(token)
    assert below.getvalue() == "of the worker\n"
    assert prints.take() == [("stdout", "one\ntwo\n12\n")]


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
