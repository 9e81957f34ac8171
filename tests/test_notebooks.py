"""The notebooks as they are stored."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

WIDGET = "application/vnd.jupyter.widget-view+json"
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


MACHINE = re.compile(r"/root|/home/|/tmp/(?!folder)|\.venv|site-packages")
"""What would tell of the machine that executed a notebook."""

MOST_BYTES = 300_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_clean(path):
    """No personal metadata, and cell ids that stay: changes read as changes."""
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    ids = [cell.id for cell in notebook.cells]
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each) for each in ids), "named by hand"
    assert len(set(ids)) == len(ids)
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert path.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_what_a_reader_can_see(path):
    """The summary of each run, and no widget, error or folder. `docs/store_outputs.py` stores them."""
    cells = nbformat.read(path, as_version=nbformat.NO_CONVERT).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        assert all(each.output_type != "error" for each in cell.outputs), cell.id
        kinds = {kind for each in cell.outputs for kind in each.get("data", {})}
        assert WIDGET not in kinds
        if cell.source.startswith("%%batchflow") and "--check" not in cell.source:
            assert "text/html" in kinds, cell.id
        assert not MACHINE.search(str(cell.outputs)), cell.id
