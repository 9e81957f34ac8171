"""What holds for every test."""

from __future__ import annotations

import faulthandler
import gc
import itertools
import linecache
import os
import sys
import tempfile
import types
from pathlib import Path

import pytest
from hypothesis import settings

from .ahead import _ahead, _begun, program

__all__ = ["_ahead", "_begun", "program"]  # fixtures

# Where it finds `rfc3987_syntax`, jsonschema has parsers of international addresses built whenever it
# is imported, which takes more than a second; here it finds none, nor does any program that is
# started here: servers, nbconvert, papermill. No test has such an address.
_without = tempfile.TemporaryDirectory()
(Path(_without.name) / "rfc3987_syntax.py").write_text("raise ImportError('spared by the tests')\n")
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [_without.name, os.environ.get("PYTHONPATH")])
)
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


# No property is about time, and a busy machine makes any example slow.
settings.register_profile("flowmagic", deadline=None)
settings.load_profile("flowmagic")

gc.disable()  # what is imported and collected stays: no look for garbage would find any


def spare_what_stays() -> None:
    """Spare what there is each further look for garbage: it stays to the end.

    A look walked half a million objects of pytest and of libraries, and many tests have one.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_finish():
    spare_what_stays()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """After the last test of a folder spare what was imported by its tests, too."""
    done = yield
    if nextitem is not None and nextitem.path.parent != item.path.parent:
        spare_what_stays()
    return done


def pytest_unconfigure():
    """A process that does not end after its last test fails, and says where it hangs."""
    faulthandler.dump_traceback_later(_TO_END, exit=True)


_TO_END = 90.0  # seconds; a journal is given up after 30

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
