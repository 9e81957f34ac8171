"""What the pages say is true: their code runs, their lists are whole, and they can be built."""

import ast
import html
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowmagic
from benchmarks.__main__ import BENCHMARKS
from flowmagic import errors

from .notebook.conftest import Shell, shell

__all__ = ["shell"]  # a fixture

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "flowmagic"

BLOCK = re.compile(r'^```(python|text)(?: title="(\S+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = [
    page
    for page in [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"]
    if "```python" in page.read_text(encoding="utf-8")
]


def run_page(page: Path, run_cell: Callable[[str], str], folder: Path) -> None:
    """Run the code of a page block by block: a cell, or if it has a title, a file of that name.

    A block of text shows what the code above it printed.
    """
    printed = ""
    for kind, title, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "text":
            assert printed == text
        elif title:
            (folder / title).write_text(text, encoding="utf-8")
            printed = run_file(folder / title)
        else:
            printed = run_cell(text)


def run_file(path: Path) -> str:
    """Run a script, or the tests in it, and return what a script printed."""
    tests = path.name.startswith("test_")
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", path.name] if tests else [path.name]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=path.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return "" if tests else done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_prints_what_the_page_says(
    page: Path, shell: Shell, tmp_path, monkeypatch
):
    """In a shell where cells wait for their runs; `tests/kernel/test_docs.py` has the live notebook."""
    monkeypatch.chdir(tmp_path)

    def run_cell(text: str) -> str:
        done = shell.run(text)
        assert done.success, f"{text}\n{done.text}"
        return done.text

    try:
        run_page(page, run_cell, tmp_path)
        if page.name == "README.md":
            assert shell["run"].ok
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
            template = _template(node.exc.args[0])
            if template and not template.startswith(
                "module … has no attribute"
            ):  # Python's own words
                yield path.relative_to(PACKAGE).as_posix(), template


def _is_found(template: str, spans: list[str]) -> bool:
    """Whether a span has three or more words of a message in a row, or is an example of it."""
    phrases = (span for span in spans if len(span.split()) >= 3)
    if any(phrase in template for phrase in phrases):
        return True
    example = ".+".join(map(re.escape, template.split("…")))
    return any(re.match(example, span) for span in spans)


def test_every_error_and_every_message_has_its_place_in_the_troubleshooting():
    """Whoever searches it for words of a message that are not their own finds the message."""
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
        f"{module}: {template}" for module, template in found if not _is_found(template, spans)
    ]
    assert not missing, "docs/troubleshooting.md does not have:\n" + "\n".join(missing)


ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
JS = "notebook/panel/js"


def section(title: str) -> str:
    """Return a section of docs/architecture.md, from its heading to the next one."""
    [text] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    return text


def tree() -> list[str]:
    """Return the paths in the tree of docs/architecture.md; those of folders end in a slash.

    Each level is indented by two more spaces.
    """
    [block] = re.findall(
        r"^```text\nflowmagic/\n(.*?)^```$", section("The tree"), re.MULTILINE | re.DOTALL
    )
    paths = []
    parents: list[str] = []
    for line in block.splitlines():
        indent, name = re.fullmatch(r"((?:  )+)(\S+) +\S.*", line).groups()
        depth = len(indent) // 2 - 1
        assert depth <= len(parents), line
        parents[depth:] = [name]
        paths.append("".join(parents))
    return paths


def test_the_tree_has_every_folder_of_the_package_and_no_other():
    """Every Python package, and every folder of the panel's JavaScript."""
    folders = {path.parent for path in PACKAGE.rglob("__init__.py")} - {PACKAGE}
    folders |= {path.parent for path in (PACKAGE / JS).rglob("*.js")}
    on_disk = {f"{folder.relative_to(PACKAGE).as_posix()}/" for folder in folders}
    assert {path for path in tree() if path.endswith("/")} == on_disk


def test_the_tree_names_no_file_that_is_missing():
    """It names the few files that are in no folder."""
    files = [path for path in tree() if not path.endswith("/")]
    assert files
    assert [path for path in files if not (PACKAGE / path).is_file()] == []


def test_every_file_that_the_architecture_names_exists():
    """On the way of one params dict and on the rest of the page; paths start at the package."""
    named = re.compile(r"`((?:\w+/)*(?:\w+\.(?:py|js|toml)|\w+/))`")
    assert len(set(named.findall(section("The way of one params dict")))) >= 12
    paths = named.findall(ARCHITECTURE)
    assert [path for path in paths if not any((at / path).exists() for at in (PACKAGE, ROOT))] == []


def test_every_name_on_the_way_of_a_params_dict_is_in_the_code():
    """Classes, methods and functions: in the Python files on the way, or in the panel's JavaScript."""
    way = section("The way of one params dict") + section("From a red cell back to its cause")
    files = [PACKAGE / path for path in re.findall(r"`((?:\w+/)+\w+\.py)`", way)]
    code = "\n".join(path.read_text(encoding="utf-8") for path in [*files, *PACKAGE.rglob("*.js")])
    spans = re.findall(r"`([A-Za-z_]\w*(?:\.\w+)*)`", way)
    names = {name for span in spans for name in span.split(".")}
    assert len(names) > 30
    assert names - set(re.findall(r"\w+", code)) == set()


def test_every_file_that_the_page_for_contributors_names_exists():
    """Those that it names by their path from the top of the repository."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:flowmagic|tests|docs|requirements)/[\w/.]*)`", page)
    assert len(paths) > 12
    assert [path for path in paths if not (ROOT / path).exists()] == []


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
    for name, signature in {
        "BatchRun": "to_frame( *, expand: bool = False, nodes: bool = False, mask: bool = False, )",
        "CallLimit": "burst: int = 1, window: float = 60.0",
        "batchflow": "adaptive: Adaptive | str | tuple[int, int, int] | None = None, timeout",
        "check": "limit: int = 5",
    }.items():
        page = (site / "reference" / name / "index.html").read_text(encoding="utf-8")
        text = " ".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())
        assert signature in text, f"{name} has no page of its own with its types and defaults"
    assert "JournalError" in (site / "reference" / "index.html").read_text(encoding="utf-8")
    assert "Report a fault" in (site / "security" / "index.html").read_text(encoding="utf-8")


def test_every_command_of_the_proofs_can_be_given():
    """The benchmark, its options, and the file of tests are there."""
    page = (DOCS / "proofs.md").read_text(encoding="utf-8")
    found = re.findall(r"`(python -m benchmarks|pytest) ([^\s`]+)([^`]*)`", page)
    assert len(found) >= 7
    for command, name, options in found:
        if command == "pytest":
            assert (ROOT / name).exists(), name
        else:
            given = re.findall(r"--([\w-]+) \d+", options)
            assert set(given) <= set(BENCHMARKS[name].OPTIONS), f"{name}{options}"


def test_the_readme_is_short_and_begins_with_how_to_try_it():
    """Whoever opens the repository can start within a screen; and reads it all in four minutes."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.split()) <= 900
    lines = readme.splitlines()
    assert any("python -m flowmagic quickstart" in line for line in lines[:15])


def test_whatever_names_an_install_from_pypi_says_that_it_is_not_there_yet():
    """A paragraph with such a command, or the one that the command belongs to."""
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]:
        for paragraph in re.split(r"\n(?=#)", page.read_text(encoding="utf-8")):
            if re.search(r"pip install \S*jupyter-flowmagic", paragraph):
                assert "not on PyPI yet" in paragraph, f"{page.name}: {paragraph}"
