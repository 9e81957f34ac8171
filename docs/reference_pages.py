"""Make a page of each entry of reference.md, except the errors, and list the pages in their place.

mkdocs calls these functions while it builds the site.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import flowmagic
import flowmagic.notebook

PAGE = "reference.md"
ENTRY = re.compile(r"^::: flowmagic\.(?P<name>[\w.]+)\n(?P<options>(?: {4}.*\n)*)", re.MULTILINE)


def _entries() -> list[re.Match[str]]:
    text = (Path(__file__).parent / PAGE).read_text(encoding="utf-8")
    return list(ENTRY.finditer(text.partition("\n## Errors\n")[0]))


def _path(entry: re.Match[str]) -> str:
    return f"reference/{entry['name'].rpartition('.')[2]}.md"


def on_config(config: Any) -> Any:
    """Put the pages into the navigation, below their list."""
    [section] = [section for section in config.nav if PAGE in section.values()]
    pages = [{entry["name"].rpartition(".")[2]: _path(entry)} for entry in _entries()]
    section.update({name: [PAGE, *pages] for name in section})
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages, each with its name as its title."""
    for entry in _entries():
        options = entry["options"] or "    options:\n"
        content = f"::: flowmagic.{entry['name']}\n{options}      heading_level: 1\n"
        files.append(File.generated(config, _path(entry), content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Replace the entries of the list by links, each with the first line of its docstring."""
    if page.file.src_uri != PAGE:
        return markdown
    before, errors, rest = markdown.partition("\n## Errors\n")
    return ENTRY.sub(_link, before) + errors + rest


def _link(entry: re.Match[str]) -> str:
    value: Any = flowmagic
    for part in entry["name"].split("."):
        value = getattr(value, part)
    summary = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
    return f"- [`{entry['name']}`]({_path(entry)}): {summary}\n"
