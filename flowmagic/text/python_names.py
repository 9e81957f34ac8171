"""Names as Python code may hold them: whatever is written into code is a literal, or one of these."""

from __future__ import annotations

import keyword
import unicodedata
from typing import TypeGuard


def is_name(text: object) -> TypeGuard[str]:
    """Whether a text is a name in Python, and this very name.

    Python reads `ﬁ` as `fi`, and refuses to assign `__debug__`.

    >>> is_name("user_id"), is_name("class"), is_name("x; import os")
    (True, False, False)
    """
    return (
        isinstance(text, str)
        and text.isidentifier()
        and not keyword.iskeyword(text)
        and text != "__debug__"
        and unicodedata.normalize("NFKC", text) == text
    )


def is_dotted_name(text: str) -> bool:
    """Whether a text is a name, or several with dots between them."""
    return all(map(is_name, text.split(".")))


def one_line(text: str) -> str:
    """Return a text for a comment: in one line, and of printable characters only."""
    return "".join(each if each.isprintable() else " " for each in text)
