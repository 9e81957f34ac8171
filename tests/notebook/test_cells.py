"""Tracebacks name cells, not the files that IPython compiles them from."""

from flowmagic.notebook.cells import name_of


def test_a_failure_in_a_cells_code_names_the_cell(shell):
    """What one can find again: Cell In[2], and the line in it."""
    number = shell.ip.execution_count - 1  # the cell that defined the flow
    shell.run("%%batchflow flow -o run\n[{'n': 13}]")
    shell.run("from flowmagic.notebook.detail import detail_of\ndetail = detail_of(run.records, 0)")
    text = shell["detail"]["traceback"]
    assert f'File "Cell In[{number}]", line 11, in post_async' in text  # its first line is blank
    assert 'raise ValueError("unlucky")' in text


def test_other_files_keep_their_names(shell):
    """Only cells of this shell are renamed."""
    assert name_of("/home/me/nodes.py") == "/home/me/nodes.py"


def test_without_a_shell_names_stay():
    """In a script there are no cells."""
    assert name_of("<stdin>") == "<stdin>"
