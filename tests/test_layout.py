"""The layout: tests mirror the package, and each package says what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "flowmagic"
TESTS = ROOT / "tests"

MOST_ENTRIES = 15

CROSS_CUTTING = {
    "engines/dask/test_processes.py": "what only a cluster of real processes shows",
    "flow/checks/test_checks.py": "`check`, which is in the package's __init__",
    "journal/test_golden.py": "opens the files that each format has written",
    "notebook/panel/test_js.py": "runs the tests of the modules in the page",
    "run/test_fidelity.py": "compares whole runs with PocketFlow's own classes",
}
"""Test files beside the modules that are about none of them, each with its reason."""


def modules() -> list[Path]:
    """Return the modules of the package, without `__init__`, relative to it."""
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in found if path.name != "__init__.py")


def expected_file(module: Path) -> Path:
    """Return where the tests of a module belong, relative to `tests/`."""
    return module.with_name(f"test_{module.stem.strip('_')}.py")


def test_each_module_has_its_test_file():
    """In the same folders, with its name."""
    lacking = [str(each) for each in modules() if not (TESTS / expected_file(each)).exists()]
    assert lacking == []


def test_each_test_file_in_a_mirrored_folder_has_its_module():
    """Otherwise it is left over from one that was moved, or it is listed with a reason."""
    expected = {str(expected_file(each)) for each in modules()}
    folders = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    found = {
        str(path.relative_to(TESTS))
        for folder in folders
        for path in (TESTS / folder).rglob("test_*.py")
    }
    assert sorted(found - expected) == sorted(CROSS_CUTTING)


def test_the_package_can_be_taken_in_at_a_glance():
    """Whoever opens it sees few entries, each with a noun of the domain."""
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_each_package_says_what_it_is_for_and_what_it_may_import():
    """In the docstring of its `__init__`."""
    silent = []
    for path in sorted(PACKAGE.rglob("__init__.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if "may import" not in text.replace("\n", " "):
            silent.append(str(path.relative_to(PACKAGE).parent))
    assert silent == []


def test_each_folder_with_modules_is_a_package():
    """So that a new one cannot do without a docstring; the tests are packages, too."""
    for root in (PACKAGE, TESTS):
        folders = {path.parent for path in root.rglob("*.py")}
        assert [str(each) for each in folders if not (each / "__init__.py").exists()] == []
