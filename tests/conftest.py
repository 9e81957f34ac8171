"""What holds for every test."""

from __future__ import annotations

import gc
import itertools
import linecache
import sys
import types

import pytest


def pytest_collection_finish():
    """Spare what was imported and collected each look for garbage: it stays to the end.

    A look walked half a million objects of pytest and of libraries, and many tests have one.
    """
    gc.collect()
    gc.freeze()


_numbers = itertools.count()


@pytest.fixture
def cells(monkeypatch):
    return Cells(monkeypatch)


class Cells:
    """Runs code as a notebook does: cell by cell, in a `__main__` that has no file."""

    def __init__(self, monkeypatch):
        module = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", module)
        self.names = vars(module)

    def run(self, code: str) -> types.SimpleNamespace:
        """Run a cell; return all names there are then."""
        file = f"/tmp/ipykernel/{next(_numbers)}.py"
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
        exec(compile(code, file, "exec"), self.names)
        return types.SimpleNamespace(**self.names)
