"""The source files of functions that a traceback from a worker leads to."""

from __future__ import annotations

from pocketflow import Flow, Node

from flowmagic.engines.dask.source_files import SourceFiles


def test_it_finds_the_file_of_a_method_and_of_the_functions_that_it_uses():
    """A real file, and one of an unknown function, are returned as they are."""

    def helper():
        return 1

    class Uses(Node):
        def exec(self, _):
            return helper()

    source_files = SourceFiles(Flow(start=Uses()))
    line = helper.__code__.co_firstlineno + 1
    assert source_files.find("<dynamic-code>", "helper", line) == __file__
    assert source_files.find("<dynamic-code>", "helper", line + 1000) == "<dynamic-code>"
    assert source_files.find("/a/file.py", "helper", line) == "/a/file.py"
