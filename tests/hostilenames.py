"""Names that would run as code if anything wrote them into code as they are."""

from __future__ import annotations

import ast

from hypothesis import strategies as st

from .hostiletexts import texts

CODE = "open('PWNED', 'a')"
NAMES = (
    f"x\n{CODE}\n#", f"x\r\n{CODE}", f"x\r{CODE}", f"x\u2028{CODE}", f"x\x0c{CODE}", f"x\x85{CODE}",
    f"x;{CODE}", f"x'); {CODE}; ('", f'x"""\n{CODE}\n"""', f"x=1)\n{CODE}\n(", f"{{{CODE}}}",
    f"x\\\n{CODE}", f"#\n{CODE}", f"x, {CODE}, y", f"{CODE}", f"'+{CODE}+'", "'", '"', "\\", "{", "%s", "#",
    "__debug__", "None", "class", "async", "match", "print", "exec", "\ufb01", "\uff43lass", "\U0001d431",
    "é", "a b", "", "1x", "x.y", "x:y", "a\x00b", "\ud800", "\\N{DIGIT ONE}", "__class__", "self", "kind",
    "node0", "shared", "flow", "params_", "flowmagic", "run", "made", "_node", "_datetime", "start_nodes",
)  # fmt: skip

names = st.sampled_from(NAMES) | texts | st.tuples(texts, st.sampled_from(NAMES)).map("".join)
"""Such names, and any others."""


def runs_a_name(code: ast.AST) -> bool:
    """Whether one of these names is more than a literal in code."""
    return any(isinstance(each, ast.Name) and each.id == "open" for each in ast.walk(code))
