"""Names as Python code may hold them: whatever is written into code is a literal, or one of these."""

from __future__ import annotations

import ast
import keyword
import operator
import unicodedata
from collections.abc import Callable
from typing import Any, TypeGuard


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


Step = tuple[Callable[[Any, Any], Any], Any]
"""A function that takes an object and a key, and that key: `getattr` or `operator.getitem`."""


def path_of(text: str) -> tuple[str, list[Step]] | None:
    """Return the first name of `my.flow` or `flows["a"]`, and the steps from its value on.

    None if the text is anything but names with attributes and literal keys.
    """
    steps: list[Step] = []
    try:
        node = ast.parse(text, mode="eval").body
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            if isinstance(node, ast.Attribute):
                steps.append((getattr, node.attr))
            else:
                steps.append((operator.getitem, ast.literal_eval(node.slice)))
            node = node.value
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return (node.id, steps[::-1]) if isinstance(node, ast.Name) else None


def one_line(text: str) -> str:
    """Return a text for a comment: in one line, and of printable characters only."""
    return "".join(each if each.isprintable() else " " for each in text)
