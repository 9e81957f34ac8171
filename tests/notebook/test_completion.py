"""Tab completion on the line of the magic."""

import pytest
from IPython.core.completer import provisionalcompleter


def _complete(shell, text):
    with provisionalcompleter():
        return [each.text for each in shell.ip.Completer.completions(text, len(text))]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%%batchflow fl", ["flow"]),
        ("%batchflow fl", ["flow"]),
        ("%%batchflow flow --l", ["--limit"]),
        (
            "%%batchflow flow --limit 3 --no",
            ["--no-capture", "--no-threads", "--no-track", "--no-wait"],
        ),
        ("%%batchflow flow --shared sto", ["store"]),
    ],
)
def test_options_and_names_complete(shell, text, offered):
    """Options by their beginning, flows and shared stores by name."""
    shell.run("store = {}\nflaw = 3")
    assert _complete(shell, text) == offered


def test_where_a_number_is_due_no_flow_is_offered(shell):
    """After --limit comes a number, which no name completes."""
    assert "flow" not in _complete(shell, "%%batchflow flow --limit f")


def test_files_complete_as_ipython_does(shell, tmp_path, monkeypatch):
    """After -f, IPython's own completion of files is left to work."""
    (tmp_path / "rows.csv").write_text("n\n1\n")
    monkeypatch.chdir(tmp_path)
    assert "rows.csv" in _complete(shell, "%%batchflow flow -f ro")


def test_other_lines_complete_as_before(shell):
    """The matcher speaks only for its own magic."""
    assert "flow" in _complete(shell, "flo")
    assert not any(each.startswith("--") for each in _complete(shell, "%time "))
