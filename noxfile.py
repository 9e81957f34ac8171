"""Everything that a release has to pass: `nox` runs all of it, `nox --list` says what there is.

The table of a whole run is in docs/supported.md. Browsers are left to `.ci/run`: what they show does
not hang on the version of Python. Beside it stands `nox -s vscode`, which needs npm and a browser.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False  # one Python less is one row less
nox.options.reuse_venv = "yes"

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
KERNELS = ["6.29", "7.0", "7.3", "7.4"]  # in which messages of widgets take different ways
WIDGETS = "@vscode/jupyter-ipywidgets8@1.0.9"  # the bundle that VS Code's Jupyter extension loads
AROUND_THEM = ["@jupyterlab/services@7", "esbuild@0.28", "requirejs@2"]
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
    _test(session, "tests/notebook", "tests/kernel")


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
            ["flowmagic", "quickstart", "--headless", "--folder", str(clean / "notebooks")],
        ):
            session.run(python, "-m", *what, external=True, env={"VIRTUAL_ENV": str(clean)})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages, and fail where a link leads nowhere."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session(default=False)
def lite(session: nox.Session) -> None:
    """Build the site that docs/try.md links to, and try it; needs npm and Chromium."""
    session.install("-U", "pip")
    session.install("jupyterlite-core", "jupyterlite-pyodide-kernel", "jupyter-server")
    session.install("anywidget", "ipywidgets", "playwright")  # the first two are the site's, too
    session.run("python", "tests/jupyterlite.py", "site/lite")  # beside the pages of `nox -s docs`


@nox.session(default=False)
def vscode(session: nox.Session) -> None:
    """Look at the panel in the widgets of VS Code; what is fetched from npm takes 50 MB."""
    _install(session)
    with tempfile.TemporaryDirectory() as folder:
        # Without what it needs to be built, which is 360 MB.
        session.run("npm", "pack", "--pack-destination", folder, WIDGETS, external=True)
        [packed] = Path(folder).glob("*.tgz")
        with tarfile.open(packed) as archive:
            bundle = archive.extractfile("package/dist/ipywidgets.js")
            (Path(folder) / "ipywidgets.js").write_bytes(bundle.read())
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder]
        session.run("npm", "install", *options, *AROUND_THEM, external=True)
        modules = Path(folder) / "node_modules"
        session.run(
            str(modules / ".bin" / "esbuild"),
            "tests/vscode/host.js",
            "--bundle",
            "--format=esm",
            "--external:/webview/ipywidgets.js",
            f"--outfile={folder}/host.js",
            env={"NODE_PATH": str(modules)},
            external=True,
        )
        session.run(
            *("python", "-m", "pytest", "-q", "tests/browser/test_vscode_in_page.py"),
            *session.posargs,
            env={"FLOWMAGIC_VSCODE": folder, "FLOWMAGIC_REQUIRE_BROWSER": "1"},
        )
