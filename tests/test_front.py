"""The front end's modules where no page is needed: their own tests, and their types."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flowmagic.records import STATUSES

ROOT = Path(__file__).parent.parent
FRONT = ROOT / "flowmagic" / "notebook" / "front"
NODE, TSC = shutil.which("node"), shutil.which("tsc")


def programs(items, _folder):
    """Those of the modules' own tests, if they are asked for."""
    if NODE is None or test_the_modules_pass_their_own_tests.__name__ not in {
        item.originalname for item in items
    }:
        return {}
    files = sorted(map(str, (ROOT / "tests" / "front").glob("*.test.mjs")))
    assert files
    return {"node": [NODE, "--test", *files]}


@pytest.mark.skipif(NODE is None, reason="no node found: apt-get install nodejs")
def test_the_modules_pass_their_own_tests(program):
    """What lays out, keeps and words things in the page is tested by node's own runner."""
    run = program("node")
    assert run.returncode == 0, run.stdout[-6_000:]
    assert re.search(r"^\W fail 0$", run.stdout, re.MULTILINE)


@pytest.mark.skipif(TSC is None, reason="no tsc found: npm install --global typescript@5.5")
def test_the_types_in_the_comments_hold():
    """What JSDoc says of the modules is true, as far as TypeScript can tell."""
    run = subprocess.run(
        [
            TSC, "--noEmit", "--allowJs", "--checkJs", "--target", "es2022", "--module", "es2022",
            "--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable",
            *sorted(map(str, FRONT.glob("*.js"))),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


def test_the_page_numbers_the_statuses_as_the_kernel_does():
    """A status travels as its number."""
    text = (FRONT / "wire.js").read_text()
    assert [str(each) for each in STATUSES] == re.findall(
        r'"(\w+)"', text.partition("STATUSES = ")[2].partition(";")[0]
    )
    numbers = dict(re.findall(r"^export const ([A-Z]+) = (\d+);", text, re.MULTILINE))
    assert numbers == {str(each).upper(): str(i) for i, each in enumerate(STATUSES)}


def test_the_style_sheet_and_the_script_agree_on_a_rows_height():
    """The table places its rows by a number that the style sheet has too."""
    height = re.search(r"const ROW = (\d+);", (FRONT / "table.js").read_text())[1]
    css = (FRONT.parent / "panel.css").read_text()
    assert f"height: {height}px; align-items: center;" in css
