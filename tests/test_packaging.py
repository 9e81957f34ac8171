"""What is shipped, and what is said of it."""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import flowmagic
from flowmagic.notebook.magic import BatchFlowMagics

ROOT = Path(__file__).parent.parent
JS = ROOT / "flowmagic" / "notebook" / "panel" / "js"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the wheel and the sdist, as a release has them."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    """The wheel."""
    [path] = built.glob("jupyter_flowmagic-*.whl")
    return zipfile.ZipFile(path)


def _metadata(wheel):
    [name] = [each for each in wheel.namelist() if each.endswith("/METADATA")]
    return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_the_static_files_and_the_type_marker(wheel):
    """A wheel without the modules of the front end could not make a panel."""
    names = set(wheel.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "flowmagic"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {each for each in tracked if (ROOT / each).exists()} <= names
    modules = {each.relative_to(ROOT).as_posix() for each in JS.rglob("*.js")}
    assert "flowmagic/notebook/panel/js/panel.js" in modules <= names
    assert {
        "flowmagic/notebook/panel/panel.css",
        "flowmagic/py.typed",
    } <= names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "flowmagic",
        "jupyter_flowmagic",
    }


def test_the_wheel_needs_no_compiler(wheel):
    """One wheel for every Python and machine, of nothing that has to be built."""
    assert wheel.filename.endswith("-py3-none-any.whl")
    assert {Path(name).suffix for name in wheel.namelist() if "dist-info" not in name} <= {
        ".css",
        ".ipynb",
        ".js",
        ".json",
        ".py",
        ".typed",
    }


def test_the_wheel_says_what_pyproject_says(wheel):
    """Name, version, Python, licence, what it needs, and the README as the page to show."""
    said = _metadata(wheel)
    assert said["Name"] == "jupyter-flowmagic"
    assert said["Version"] == flowmagic.__version__
    assert said["Requires-Python"] == ">=3.10"
    assert said["License-Expression"] == "MIT"
    assert said["Description-Content-Type"] == "text/markdown"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert said.get_payload(decode=True).decode("utf-8").strip() == readme.strip()
    needed = [Requirement(each) for each in said.get_all("Requires-Dist")]
    assert {each.name for each in needed if each.marker is None} == {
        "anywidget",
        "ipython",
        "ipywidgets",
        "nest-asyncio2",
        "pocketflow",
        "wcwidth",
    }


def test_what_is_in_the_wheel_works_by_itself(wheel, tmp_path):
    """Unpacked far from the checkout: a batch runs, and a panel finds its script and its style."""
    wheel.extractall(tmp_path / "installed")
    code = (
        "import flowmagic\n"
        "from pocketflow import AsyncFlow, AsyncNode\n"
        "from flowmagic.notebook.panel.widget import Panel\n"
        "run = flowmagic.run_batch(AsyncFlow(start=AsyncNode()), [{'n': 1}, {'n': 2}])\n"
        "panel = Panel('flow', lambda *_: run)\n"
        "print(flowmagic.__file__, run.ok, len(panel._esm) > 1000, len(panel.style_sheet) > 1000)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert printed.split() == [f"{tmp_path}/installed/flowmagic/__init__.py", *["True"] * 3]


def test_the_wheel_brings_the_notebooks_of_quickstart(wheel, tmp_path):
    """Those of the repository and nothing else; the command finds them without a checkout."""
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    names = [name for name in wheel.namelist() if name.startswith("flowmagic/notebooks/")]
    assert sorted(names) == [f"flowmagic/notebooks/{path.name}" for path in notebooks]
    wheel.extractall(tmp_path / "installed")
    printed = subprocess.run(
        [sys.executable, "-m", "flowmagic", "quickstart", "--list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert [f"{line.split()[0]}.ipynb" for line in printed.splitlines()] == [
        path.name for path in notebooks
    ]


def test_the_sdist_holds_what_is_needed_to_test_and_to_document_it(built):
    """Whoever packages it further finds the tests, the pages and the pinned versions."""
    [path] = built.glob("jupyter_flowmagic-*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "docs/panel.png",
        "flowmagic/notebook/panel/js/panel.js",
        "mkdocs.yml",
        "noxfile.py",
        "requirements/oldest.txt",
        "tests/test_packaging.py",
    } <= names


def test_the_oldest_versions_that_are_tested_are_the_lower_bounds(wheel):
    """What pyproject.toml promises to work with is what the matrix installs."""
    lines = (ROOT / "requirements" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    needed = [Requirement(each) for each in _metadata(wheel).get_all("Requires-Dist")]
    asked = {each.name: each for each in needed}
    users = [each for each in needed if each.marker is None or 'extra == "lab"' in str(each.marker)]
    assert {each.name for each in users} <= {pin.name for pin in pins}
    for pin in pins:
        assert pin.name in asked, f"{pin.name} is pinned, and nothing asks for it"
        [lower] = [each.version for each in asked[pin.name].specifier if each.operator == ">="]
        [oldest] = pin.specifier
        assert oldest.operator == "=="
        assert oldest.version == lower or oldest.version.startswith(f"{lower}."), pin.name
        assert set(oldest.version.removeprefix(lower)) <= {".", "0"}, pin.name


def _options_in(page):
    """The options in the first column of a page's table of them."""
    table = (ROOT / page).read_text().partition("| option | |")[2].partition("\n\n")[0]
    return set(re.findall(r"`(-[-a-z]+)", table))


def test_the_manual_lists_the_options_that_there_are_and_the_readme_some_of_them():
    """The table of options and the parser agree."""
    said = _options_in("docs/magic.md")
    few = _options_in("README.md")
    assert "--limit" in few < said
    # A long form is not repeated where the short one is in the table.
    for action in BatchFlowMagics.batchflow.parser._actions:
        if action.option_strings:
            assert said & set(action.option_strings), action.option_strings
            said -= set(action.option_strings)
    assert not said


def test_the_readmes_links_lead_somewhere():
    """Every file, and every heading of its own, that the README points to is there."""
    readme = (ROOT / "README.md").read_text()
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", readme) if not t.startswith("http")]
    targets += re.findall(r"jupyter lab (\S+)", readme)
    assert targets
    headings = {
        f"#{head.lower().replace(' ', '-')}"
        for head in re.findall(r"^## (.+)$", readme, re.MULTILINE)
    }
    assert [each for each in targets if each not in headings and not (ROOT / each).exists()] == []


def test_the_changelog_knows_the_version():
    """A version that is not in development has its entry."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version = flowmagic.__version__
    assert "[Unreleased]" in changelog if "dev" in version else f"[{version}]" in changelog
