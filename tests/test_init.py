"""The public face: its names, and the wall between the core and the notebook wing."""

from __future__ import annotations

import ast
from pathlib import Path

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
        for name in vars(flowmagic)
        if not name.startswith("_") and name not in modules | {"annotations", "Any"}
    }
    assert held == set(names)


def test_importing_brings_no_notebook_library_along():
    """A script that imports flowmagic pays for none of them."""
    names = (
        "IPython", "ipywidgets", "anywidget", "traitlets", "nest_asyncio2", "pandas", "polars",
        "flowmagic.notebook",
    )  # fmt: skip
    assert imported_by("import flowmagic", *names) == "[]"


def test_core_modules_never_import_the_notebook_wing():
    """Only loading and unloading the extension, inside their functions, reach across."""
    for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("engines/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                named = [node.module or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            else:
                continue
            if any("notebook" in name.split(".") for name in named):
                assert path.name == "__init__.py", path
                assert node.col_offset > 0, path
