"""What the pages say is true: their code runs, their lists are whole, and they can be built."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowmagic
from flowmagic import errors

from .notebook.conftest import Shell, shell

__all__ = ["shell"]  # a fixture

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "flowmagic"

BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    page
    for page in [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"]
    if "```python\n" in page.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_prints_what_the_page_says(
    page: Path, shell: Shell, tmp_path, monkeypatch
):
    """Block by block, as cells; what stands in a block of text below one is what it printed."""
    monkeypatch.chdir(tmp_path)
    printed = ""
    try:
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind == "text":
                assert printed == text
                continue
            done = shell.run(text)
            assert done.success, f"{text}\n{done.text}"
            printed = done.text
        if page.name == "README.md":
            assert shell["run"].ok
            assert shell["shared"]["failed"] == 0
    finally:
        for name in flowmagic.named_limits():
            flowmagic.remove_limit(name)


def test_the_reference_has_every_public_name():
    """And no other."""
    listed = re.findall(
        r"^::: flowmagic\.(\w+)$", (DOCS / "reference.md").read_text(), re.MULTILINE
    )
    assert sorted(listed) == flowmagic.__all__


NOT_FOR_USERS = {"ScriptError", "AssertionError"}  # of our own mistakes


def _template(message: ast.expr) -> str:
    """Return what a message says whatever is wrong: its first sentence, with … for each value."""
    if isinstance(message, ast.JoinedStr):
        parts = [
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in message.values
        ]
    elif isinstance(message, ast.Constant) and isinstance(message.value, str):
        parts = [message.value]
    else:
        return ""
    sentence = re.match(r".*?(?=\.(?: |$|…$|… [A-Z])|$)", "".join(parts))
    assert sentence is not None
    return sentence[0] if re.search(r"\w+ .*\w", sentence[0]) else ""


def messages() -> Iterator[tuple[str, str]]:
    """Yield the module and the template of each message that flowmagic raises."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            name = ast.unparse(node.exc.func)
            if name in NOT_FOR_USERS or not node.exc.args:
                continue
            if template := _template(node.exc.args[0]):
                yield path.relative_to(PACKAGE).as_posix(), template


def test_every_error_and_every_message_has_its_place_in_the_troubleshooting():
    """Whoever looks for the words that they see finds them, with … where the value stands."""
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert len(classes) > 10
    assert [name for name in classes if f"`{name}`" not in page] == []
    found = list(messages())
    assert len(found) > 100
    spans = [short or long for long, short in re.findall(r"`` (.+?) ``|`([^`]+)`", page)]
    missing = [
        f"{module}: {template}"
        for module, template in found
        if not any(span.startswith(template) for span in spans)
    ]
    assert not missing, "docs/troubleshooting.md does not have:\n" + "\n".join(missing)


def test_every_module_has_its_place_in_the_page_about_the_code():
    """And nothing stands there that is no module."""
    page = (DOCS / "inside.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)`", page))
    modules = {path.stem for kind in ("py", "js") for path in PACKAGE.rglob(f"*.{kind}")} - {
        "__init__"
    }
    assert modules - told == set()
    assert told - modules == set()


def programs(items, folder):
    """What builds the pages, if that is asked for."""
    if sys.version_info < (3, 11) or not any("pages_can_be_built" in each.name for each in items):
        return {}
    return {"build": [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", f"{folder}/site"]}


@pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="the pages are built with Python 3.11: the last mkdocstrings for 3.10 does not go with "
    "the last pymdown-extensions for it",
)
def test_the_pages_can_be_built_and_every_link_leads_somewhere(program):
    """With mkdocs, whose strict mode takes each of its warnings for an error."""
    done = program("build")
    assert done.returncode == 0, done.stdout + done.stderr
    site = Path(done.args[-1])
    first = (site / "index.html").read_text(encoding="utf-8")
    assert "without flooding the provider" in first
    assert (site / "panel.gif").exists()
