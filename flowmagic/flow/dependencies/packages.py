"""Tells the user's own code from installed packages, and which version of a package is installed.

The project is the notebook (`__main__`), and every module whose file is neither in Python's own
library nor in a folder `site-packages` or `dist-packages`; so are packages that were installed with
`pip install -e`. A module without a file is the project's, unless it is Python's own.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from typing import Any

from ...text.user_objects import is_in_library

_OWN = "flowmagic"
_NOTEBOOK = ("__main__", "__mp_main__")


def is_project(module: str) -> bool:
    """Whether a module, given by name, is the user's own code."""
    if module in _NOTEBOOK:
        return True
    top = module.partition(".")[0]
    # PocketFlow and flowmagic are nobody's project, wherever they are.
    if top in sys.stdlib_module_names or top in {_OWN, "pocketflow"}:
        return False
    file = _file_of(module)
    return file is None or not is_in_library(file)


def package_of(module: str) -> str | None:
    """Return the installed package that a module belongs to, as it is imported.

    None if it is the user's own, Python's or flowmagic's.
    """
    top = module.partition(".")[0]
    if top == _OWN or top in sys.stdlib_module_names or is_project(module):
        return None
    return top


def _file_of(module: str) -> str | None:
    found = sys.modules.get(module)
    if found is None:
        return None
    file: Any = vars(found).get("__file__")
    if not file:  # a package without an `__init__`
        paths = list(vars(found).get("__path__") or ())
        file = paths[0] if paths else None
    return file if isinstance(file, str) else None


@functools.lru_cache(maxsize=256)  # reading it takes some 300 µs
def version_of(package: str) -> str | None:
    """Return the version of a package, given by the name it is imported by; None if it is not known."""
    try:
        return importlib.metadata.version(package) if package else None
    except (importlib.metadata.PackageNotFoundError, ValueError):
        # It may be distributed under another name.
        version: Any = vars(sys.modules.get(package) or object).get("__version__")
        return version if isinstance(version, str) else None
