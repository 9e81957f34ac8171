"""The user's own code, and installed packages."""

from __future__ import annotations

import importlib.metadata
import sys
import types

import pytest

from flowmagic.flow.dependencies.packages import is_project, package_of, version_of


def test_the_notebook_and_modules_outside_of_libraries_are_the_project():
    """A test is; PocketFlow and flowmagic are not, wherever they are."""
    assert is_project("__main__")
    assert is_project(__name__)
    for name in (
        "pytest",
        "_pytest.python",
        "json",
        "builtins",
        "_thread",
        "pocketflow",
        "flowmagic.run",
    ):
        assert not is_project(name), name


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("/home/me/project/prompts.py", True),
        ("/home/me/project/.venv/lib/python3.12/site-packages/prompts.py", False),
        ("/usr/lib/python3/dist-packages/prompts.py", False),
        (None, True),
    ],
)
def test_the_file_of_a_module_decides(monkeypatch, file, own):
    """So that a package installed with `pip install -e` is the project's."""
    module = types.ModuleType("prompts_somewhere")
    module.__file__ = file
    monkeypatch.setitem(sys.modules, "prompts_somewhere", module)
    assert is_project("prompts_somewhere") == own
    assert package_of("prompts_somewhere") == (None if own else "prompts_somewhere")


def test_a_package_without_an_init_is_known_by_its_folder(monkeypatch):
    """As a namespace package is."""
    module = types.ModuleType("spaces")
    module.__path__ = ["/usr/lib/site-packages/spaces"]
    monkeypatch.setitem(sys.modules, "spaces", module)
    assert not is_project("spaces")


def test_a_module_that_is_not_imported_is_not_known_to_be_installed():
    """It was made by hand, or removed since."""
    assert is_project("no_such_module_anywhere")


def test_a_package_is_named_as_it_is_imported():
    """Neither Python's nor flowmagic's own counts; PocketFlow does."""
    assert package_of("_pytest.python") == "_pytest"
    assert package_of("pocketflow") == "pocketflow"
    for name in ("json.decoder", "flowmagic.run", "__main__", __name__):
        assert package_of(name) is None


def test_a_version_is_that_of_the_distribution_or_of_the_module(monkeypatch):
    """A package may be distributed under another name."""
    version_of.cache_clear()
    assert version_of("pocketflow") == importlib.metadata.version("pocketflow")
    module = types.ModuleType("named_otherwise")
    monkeypatch.setitem(sys.modules, "named_otherwise", module)
    assert version_of("named_otherwise") is None
    version_of.cache_clear()
    module.__version__ = "1.2"
    assert version_of("named_otherwise") == "1.2"
    assert version_of("no_such_module_anywhere") is None
    assert version_of("") is None
    version_of.cache_clear()
