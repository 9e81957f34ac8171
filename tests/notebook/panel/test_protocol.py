"""The messages, which kernel and page must know alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints, is_typeddict

import pytest

from flowmagic.notebook.panel import protocol

JS = Path(protocol.__file__).parent / "js"
SCRIPT = "".join(module.read_text() for module in sorted(JS.rglob("*.js")))


def typedefs():
    """Return the fields of each JSDoc typedef of the front end, by name."""
    found = re.findall(
        r"@typedef \{\{(.*?)\}\} (\w+)",
        (JS / "store" / "protocol.js").read_text().replace("\n *", ""),
    )
    return {name: re.findall(r"(\w+)\??: ", fields) for fields, name in found}


MESSAGES = {name: kind for name, kind in vars(protocol).items() if is_typeddict(kind)}


@pytest.mark.parametrize("name", [name for name in MESSAGES if name != "Command"])
def test_the_page_knows_each_message_by_the_same_fields(name):
    """What is typed here is typed there, in the same order."""
    assert typedefs()[name] == list(get_type_hints(MESSAGES[name]))


def test_the_page_asks_by_the_same_fields():
    """But for its name and the number, which the one function that sends puts in."""
    asked = set(get_type_hints(protocol.Command)) - {"client", "n"}
    assert set(typedefs()["Command"]) == asked


def test_the_page_asks_for_nothing_else_and_for_all_of_it():
    """Each kind of command is sent somewhere in the script: named there, or by a button's name."""
    kinds = set(get_args(get_type_hints(protocol.Command)["type"]))
    sent = set(re.findall(r'send\(\{ type: "(\w+)"', SCRIPT))
    titles = SCRIPT.partition("const TITLES = {")[2].partition("};")[0]
    buttons = set(re.findall(r'^  (\w+): "', titles, re.MULTILINE))
    assert sent | buttons == kinds
