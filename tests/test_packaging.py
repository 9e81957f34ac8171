"""What is shipped, and what is said of it."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import flowmagic
from flowmagic.notebook.magic import BatchFlowMagics

ROOT = Path(__file__).parent.parent
FRONT = ROOT / "flowmagic" / "notebook" / "front"


def test_the_wheel_holds_the_static_files_and_the_type_marker(tmp_path):
    """A wheel without the modules of the front end could not make a panel."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("jupyter_flowmagic-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "flowmagic"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {each for each in tracked if (ROOT / each).exists()} <= names
    front = {f"flowmagic/notebook/front/{each.name}" for each in FRONT.glob("*.js")}
    assert "flowmagic/notebook/front/panel.js" in front <= names
    assert {
        "flowmagic/notebook/panel.css",
        "flowmagic/py.typed",
    } <= names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_the_readme_lists_the_options_that_there_are():
    """The table of options in the README and the parser agree."""
    readme = (ROOT / "README.md").read_text()
    table = readme.partition("| option | |")[2].partition("\n\n")[0]
    said = set(re.findall(r"`(-[-a-z]+)", table))
    # A long form is not repeated where the short one is in the table.
    for action in BatchFlowMagics.batchflow.parser._actions:
        if action.option_strings:
            assert said & set(action.option_strings), action.option_strings
            said -= set(action.option_strings)
    assert not said


def test_the_readmes_links_lead_somewhere():
    """Every file that the README points to is there."""
    readme = (ROOT / "README.md").read_text()
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", readme) if not t.startswith("http")]
    targets += re.findall(r"jupyter lab (\S+)", readme)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_changelog_knows_the_version():
    """A version that is not in development has its entry."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version = flowmagic.__version__
    assert "[Unreleased]" in changelog if "dev" in version else f"[{version}]" in changelog
