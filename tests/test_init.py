"""The public face: its names, and what importing it does not bring along."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowmagic

from .imported import imported_by

PACKAGE = Path(flowmagic.__file__).parent


def test_public_names_are_sorted_and_exact():
    """`__all__` is sorted, and names every public thing that the package itself holds."""
    names = flowmagic.__all__
    assert names == sorted(names)
    modules = {path.stem for path in PACKAGE.iterdir()}
    held = {
        name
        for name in dir(flowmagic)
        if not name.startswith("_")
        and name not in modules | {"annotations", "importlib", "Any", "TYPE_CHECKING"}
    }
    assert held == set(names)
    assert all(getattr(flowmagic, name).__name__ for name in names)


def test_a_name_that_there_is_not_is_an_attribute_error():
    """As for any module, though some names are imported when they are first used; the nearest is named."""
    message = (
        r"module 'flowmagic' has no attribute 'batch_flow'. Did you mean flowmagic.batchflow\?"
    )
    with pytest.raises(flowmagic.MissingAttributeError, match=message):
        flowmagic.batch_flow
    assert not hasattr(flowmagic, "__path__of_nothing__")


def test_importing_brings_no_notebook_library_along():
    """A script that imports flowmagic pays for none of them."""
    names = (
        "IPython", "ipywidgets", "anywidget", "traitlets", "nest_asyncio2", "pandas", "polars",
        "flowmagic.notebook",
    )  # fmt: skip
    assert imported_by("import flowmagic", *names) == "[]"


def test_importing_brings_nothing_along_that_most_runs_never_need():
    """The Dask engine, journals, checks and the drop-in classes are imported when first used."""
    names = (
        "flowmagic.engines.dask", "flowmagic.flow.checks", "flowmagic.journal.codec",
        "flowmagic.journal.reader", "flowmagic.journal.recorder", "flowmagic.throttled", "sqlite3",
    )  # fmt: skip
    assert imported_by("import flowmagic", *names) == "[]"
    assert imported_by("import flowmagic; flowmagic.check", "flowmagic.flow.checks") != "[]"


def test_loading_the_extension_brings_no_journal_and_no_check_along():
    """They are imported by the first cell that wants them."""
    load = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'flowmagic')"
    )
    names = ("flowmagic.engines.dask", "flowmagic.flow.checks", "flowmagic.journal.reader")
    assert imported_by(load, *names) == "[]"


def test_each_name_of_the_journal_is_where_it_is_looked_for():
    """They too are imported when first used."""
    names = (
        "import flowmagic.journal as journal; [getattr(journal, name) for name in journal.__all__]"
    )
    assert imported_by(names, "flowmagic.journal.reader") != "[]"
