"""The JavaScript modules of the panel, without a page: their own tests and their types."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flowmagic.records.status import STATUSES

ROOT = Path(__file__).parents[3]
JS = ROOT / "flowmagic" / "notebook" / "panel" / "js"
TESTS = ROOT / "tests" / "notebook" / "panel" / "js"
NODE, TSC = shutil.which("node"), shutil.which("tsc")


def programs(items, _folder):
    """Those of the modules' own tests, if they are asked for."""
    if NODE is None or test_the_modules_pass_their_own_tests.__name__ not in {
        item.originalname for item in items
    }:
        return {}
    files = sorted(map(str, TESTS.rglob("*.test.mjs")))
    assert files
    return {"node": [NODE, "--test", *files]}


@pytest.mark.skipif(NODE is None, reason="no node found: apt-get install nodejs")
def test_the_modules_pass_their_own_tests(program):
    """Node's own test runner runs the tests of the modules that need no page."""
    run = program("node")
    assert run.returncode == 0, run.stdout[-6_000:]
    assert re.search(r"^\W fail 0$", run.stdout, re.MULTILINE)


def test_the_tests_mirror_the_modules():
    """A test lies in the folder of the module that it is named after."""
    tests = [path.relative_to(TESTS) for path in TESTS.rglob("*.test.mjs")]
    missing = [test for test in tests if not (JS / f"{str(test)[: -len('.test.mjs')]}.js").exists()]
    assert not missing


@pytest.mark.skipif(TSC is None, reason="no tsc found: npm install --global typescript@5.5")
def test_the_types_in_the_comments_hold():
    """The JSDoc types are right, as far as TypeScript can tell."""
    run = subprocess.run(
        [
            TSC, "--noEmit", "--allowJs", "--checkJs", "--target", "es2022", "--module", "es2022",
            "--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable",
            *sorted(map(str, JS.rglob("*.js"))),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


def test_the_page_numbers_the_statuses_as_the_kernel_does():
    """A status is sent as its number."""
    text = (JS / "store" / "protocol.js").read_text()
    assert [str(each) for each in STATUSES] == re.findall(
        r'"(\w+)"', text.partition("STATUSES = ")[2].partition(";")[0]
    )
    numbers = dict(re.findall(r"^export const ([A-Z]+) = (\d+);", text, re.MULTILINE))
    assert numbers == {str(each).upper(): str(i) for i, each in enumerate(STATUSES)}


def test_the_style_sheet_and_the_script_agree_on_a_rows_height():
    """The table positions its rows by a height that is also in the style sheet."""
    height = re.search(r"const ROW = (\d+);", (JS / "table" / "table.js").read_text())[1]
    css = (JS.parent / "panel.css").read_text()
    assert f"height: {height}px; align-content: center;" in css
