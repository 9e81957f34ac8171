"""The code of the pages, in the cells of a live notebook."""

from __future__ import annotations

import nbformat
import pytest

from ..test_docs import DOCS, PAGES, run_page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_in_a_live_notebook(page, kernel, tmp_path):
    """Where a `%%batchflow` cell returns at once, a page says when to wait."""
    # `%reset` has removed `__spec__`, which multiprocessing reads.
    kernel.run(f"import os; os.chdir({str(tmp_path)!r}); __spec__ = None")

    def run_cell(text: str) -> str:
        answer = kernel.run(text, timeout=120)
        assert answer.status == "ok", f"{text}\n{answer.error}"
        return answer.stdout

    try:
        run_page(page, run_cell, tmp_path)
    finally:
        kernel.run("for name in flowmagic.named_limits(): flowmagic.remove_limit(name)")


def test_the_notebook_to_try_in_a_browser_runs_in_a_kernel_too(kernel):
    """All its rows end, and its last cell prints answers; `nox -s lite` runs it in JupyterLite."""
    notebook = nbformat.read(DOCS / "try.ipynb", as_version=nbformat.NO_CONVERT)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            text = cell.source.replace("%pip install -q jupyter-flowmagic\n", "")
            answer = kernel.run(text.replace("--limit 3", "--limit 50"))
            assert answer.status == "ok", answer.error
    assert "{'user_id': 4, 'type': 'premium'} -> " in answer.stdout
