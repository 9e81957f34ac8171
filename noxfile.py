"""Everything that a release has to pass: `nox` runs all of it, `nox --list` says what there is.

The table of a whole run is in docs/supported.md. Browsers are left to `.ci/run`: what they show does
not hang on the version of Python.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False  # one Python less is one row less
nox.options.reuse_venv = "yes"

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
KERNELS = ["6.29", "7.0", "7.3", "7.4"]  # in which messages of widgets take different ways
SHOWN = ["ipython", "ipykernel", "ipywidgets", "anywidget"]

ROW = f"""
import platform
from importlib.metadata import version
print("|", " | ".join([platform.python_version(), *map(version, {SHOWN})]), "|")
"""


def _install(session: nox.Session, *what: str) -> None:
    """Install the checkout with all that its tests need."""
    session.install("-U", "pip")  # that of Python 3.10 takes minutes to find old versions that fit
    session.install("-e", ".[test]", *what)


def _test(session: nox.Session, *options: str) -> None:
    """Run the suite without its browser part, and print the versions as a row of the table."""
    session.run("python", "-m", "pytest", "-q", "-m", "not browser", *options, *session.posargs)
    session.run("python", "-c", ROW)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Run the suite with the newest versions of everything."""
    _install(session)
    _test(session)


@nox.session(python=PYTHONS)
def oldest(session: nox.Session) -> None:
    """Run the suite with the lower bounds of pyproject.toml."""
    _install(session, "-c", "requirements/oldest.txt")
    _test(session)


@nox.session(python="3.12")
@nox.parametrize("kernel", KERNELS)
def ipykernel(session: nox.Session, kernel: str) -> None:
    """Run what runs in a notebook with one version of the kernel."""
    _install(session, f"ipykernel=={kernel}.*")
    _test(session, "tests/notebook", "tests/test_panel.py", "tests/test_notebooks.py")


@nox.session
def package(session: nox.Session) -> None:
    """Build, check what is to be uploaded, and install it where there is neither checkout nor compiler."""
    session.install("build", "twine")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder)
        files = [str(each) for each in Path(folder).iterdir()]
        session.run("twine", "check", "--strict", *files)
        clean = Path(folder) / "clean"
        session.run("python", "-m", "venv", str(clean))
        python = str(clean / ("Scripts" if os.name == "nt" else "bin") / "python")
        [wheel] = Path(folder).glob("*.whl")
        for what in (
            ["pip", "install", "-q", "--only-binary", ":all:", str(wheel)],
            ["pip", "check"],
            ["IPython", "--no-banner", "-c", "%load_ext flowmagic\n%batchflow"],
        ):
            session.run(python, "-m", *what, external=True, env={"VIRTUAL_ENV": str(clean)})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages, and fail where a link leads nowhere."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
def lite(session: nox.Session) -> None:
    """Try the magic and the panel in a JupyterLite site with the checkout in it; needs npm and Chromium."""
    session.install("-U", "pip")
    session.install("jupyterlite-core", "jupyterlite-pyodide-kernel", "jupyter-server")
    session.install("anywidget", "ipywidgets", "playwright")  # the first two are the site's, too
    session.run("python", "tests/jupyterlite.py")
