"""Execute the notebooks and store them with their outputs, so that whoever reads them sees something.

Run: python docs/store_outputs.py. It takes a minute. A panel is live only beside its kernel, so the
summary below it is what is stored of it.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
_TEMPORARY = re.compile(rf"{tempfile.gettempdir()}/[\w.-]+")
_SHOWN = "/tmp/folder"  # noqa: S108 - it is only shown: the name of a new folder says nothing


def executed(path: Path) -> Any:
    """Return a notebook with the outputs of an execution just now."""
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    clear(notebook)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
        asyncio.run(client.async_execute())
    clean(notebook)
    return notebook


def clear(notebook: Any) -> None:
    """Remove all outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def clean(notebook: Any) -> None:
    """Leave what a reader can see: no widgets, no times of execution, no names of folders."""
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [
                _cleaned(each) for each in cell.outputs if WIDGET not in each.get("data", {})
            ]


def _cleaned(output: Any) -> Any:
    if "text" in output:
        output.text = _TEMPORARY.sub(_SHOWN, output.text)
    for kind, data in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = _TEMPORARY.sub(_SHOWN, data)
    output.get("metadata", {}).clear()
    return output


if __name__ == "__main__":
    for notebook_path in NOTEBOOKS:
        nbformat.write(executed(notebook_path), notebook_path)
        print(notebook_path.name)  # noqa: T201 - for who runs it
