"""`python -m flowmagic quickstart`: the notebooks of the package, copied to a folder and opened.

It imports JupyterLab or IPython only when it opens or executes a notebook, and nothing of flowmagic: the
notebooks do.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
SOURCES = next(
    # In a wheel they are in the package, in a checkout beside it.
    folder
    for folder in (_HERE / "notebooks", _HERE.parent / "notebooks")
    if folder.is_dir()
)
"""The folder with the notebooks as they were shipped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code: 0, or 1 if something was missing or failed."""
    options = _parser().parse_args(arguments)
    if options.list:
        for path in _notebooks():
            print(f"{path.stem:16} {_title(path)}")  # noqa: T201 - the output of a command
        return 0
    headless = options.headless or not has_display()
    if not headless and importlib.util.find_spec("jupyterlab") is None:
        return _fail(f"The notebooks need jupyterlab: {sys.executable} -m pip install jupyterlab")
    try:
        first = copy_notebooks(options.folder)
    except OSError as error:
        return _fail(f"The notebooks cannot be copied to {options.folder}: {error.strerror}")
    print(f"The notebooks are in {first.parent}")  # noqa: T201
    return execute(first) if headless else open_in_lab(first)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m flowmagic", description="Try flowmagic.")
    commands = parser.add_subparsers(required=True, metavar="quickstart")
    quickstart = commands.add_parser(
        "quickstart",
        help="copy the notebooks to a folder and open the first one",
        description="Copy the notebooks to a folder and open the first one in JupyterLab. "
        "Where there is no display, execute it here. None needs an account or a network.",
    )
    quickstart.add_argument(
        "--folder",
        type=Path,
        default=Path("flowmagic-notebooks"),
        help="where to copy them (%(default)s); a notebook that is there already is kept",
    )
    quickstart.add_argument(
        "--headless", action="store_true", help="execute the first one here, without a browser"
    )
    quickstart.add_argument("--list", action="store_true", help="list the notebooks and copy none")
    return parser


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201
    return 1


def _notebooks() -> list[Path]:
    return sorted(SOURCES.glob("*.ipynb"))


def _cells(notebook: Path) -> list[tuple[str, str]]:
    """Return the type and the text of each cell."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


def _title(notebook: Path) -> str:
    return _cells(notebook)[0][1].partition("\n")[0].lstrip("# ")


def has_display() -> bool:
    """Whether a browser can be opened: always on Windows and macOS, elsewhere if a variable says so."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, variables))


def copy_notebooks(folder: Path) -> Path:
    """Copy the notebooks that are not in the folder yet, and return the path of the first one.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for path in _notebooks():
        if not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
    return folder / _notebooks()[0].name


def open_in_lab(notebook: Path) -> int:
    """Open a notebook in JupyterLab, and return its exit code when it has been stopped.

    Its server answers this machine only, and only with its token; so it may run as root, too.
    """
    from jupyterlab.labapp import main as lab  # noqa: PLC0415 - optional, and takes a second

    return int(lab([*_lab_arguments(notebook), "--ServerApp.ip=127.0.0.1"]) or 0)


def _lab_arguments(notebook: Path) -> list[str]:
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [str(notebook), *["--allow-root"] * is_root]


def execute(notebook: Path) -> int:
    """Execute a notebook in this process, and print its headings and what its cells print.

    Each `%%batchflow` cell shows its progress if this is a terminal, and its summary.

    Returns:
        0, or 1 if a cell failed; the cells after it do not run.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    os.chdir(notebook.parent)
    config: Any = Config()
    config.HistoryManager.enabled = False
    shell: Any = InteractiveShell.instance(config=config)
    for kind, text in _cells(notebook):
        if kind == "markdown":
            for line in text.splitlines():
                if line.startswith("#"):
                    print(f"\n{line}\n")  # noqa: T201
        elif not shell.run_cell(text).success:
            return 1
    command = " ".join([sys.executable, "-m", "jupyterlab", *_lab_arguments(notebook)])
    print(f"\nTo open it in a browser: {command}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
