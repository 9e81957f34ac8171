"""Make pages of the README and the other files that are kept at the top level.

What they link to stands elsewhere here than in the repository; mkdocs calls this for each page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SOURCES = {
    "index.md": "README.md",
    "changes.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
MOVED = {
    "](docs/": "](",
    "](CHANGELOG.md)": "](changes.md)",
    "](CONTRIBUTING.md)": "](contributing.md)",
    "](SECURITY.md)": "](security.md)",
    "[MIT License](LICENSE)": "MIT License",
}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return a page's text, or that of the file it stands for."""
    source = SOURCES.get(page.file.src_uri)
    if source is None:
        return markdown
    text = (ROOT / source).read_text(encoding="utf-8")
    for there, here in MOVED.items():
        text = text.replace(there, here)
    return text
