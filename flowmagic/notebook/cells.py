"""Names of cells, in place of the files that IPython compiles them from."""

from __future__ import annotations

from IPython.core.getipython import get_ipython


def name_of(filename: str) -> str:
    """Return `Cell In[3]` for the file of a cell of the present shell, and other names as they are."""
    shell = get_ipython()
    if shell is None:
        return filename
    label = shell.compile.format_code_name(filename)
    return filename if label is None else " ".join(label)
