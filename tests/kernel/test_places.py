"""Programs that execute notebooks: nbconvert and papermill."""

from __future__ import annotations

import nbformat

from ..test_places import folder, printed

__all__ = ["folder"]  # a fixture


def book(*cells):
    """Return a notebook of cells of code."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python", "language": "python"}
    return made


CELLS = (
    "%load_ext flowmagic\nfrom doubling import *",
    "%%batchflow flow -o run\nrows",
    "print(run.ended, run.results)",
)


def test_nbconvert_executes_a_batch_and_its_page_shows_the_summary(folder):
    """`jupyter nbconvert --execute`: the cell waits, and what stays in the page needs no kernel."""
    nbformat.write(book(*CELLS), folder / "batch.ipynb")
    printed(folder, "-m", "nbconvert", "--execute", "--to", "html", "batch.ipynb")
    page = (folder / "batch.html").read_text(encoding="utf-8")
    assert "True [0, 2, 4, 6, 8]" in page
    assert "5 of 5 succeeded" in page


def test_papermill_gives_the_batch_its_parameters_and_waits_for_it(folder):
    """The rows of a parameterised notebook; the results stand in the notebook that papermill writes."""
    asked = book(CELLS[0], "rows = []", *CELLS[1:])
    asked.cells[1].metadata.tags = ["parameters"]
    nbformat.write(asked, folder / "batch.ipynb")
    options = ["-y", "rows: [{n: 10}, {n: 20}]", "--no-progress-bar", "-k", "python3"]
    printed(folder, "-m", "papermill", "batch.ipynb", "done.ipynb", *options)
    done = nbformat.read(folder / "done.ipynb", as_version=4)
    assert done.cells[-1].outputs[0].text == "True [20, 40]\n"
