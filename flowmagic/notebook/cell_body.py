"""Run the body of a cell as Python in the user's namespace, and return the value of its last line."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from typing import Any

from IPython.core.error import UsageError

from ..errors import FlowmagicError
from ..text.redact import masked_source
from .transformers import NAME, refuse_second

NOTHING: Any = object()
"""What `run_body` returns if the body is empty or only comments."""


class BodySyntaxError(FlowmagicError):
    """The body of a cell is not valid Python. Shown like any SyntaxError, without our frames."""

    def __init__(self, error: SyntaxError, traceback: list[str]) -> None:
        super().__init__(str(error))
        self._traceback = traceback

    def _render_traceback_(self) -> list[str]:
        return self._traceback


async def run_body(shell: Any, header: str, body: str) -> Any:
    """Run a cell's body and return the value of its last expression, or NOTHING for an empty body.

    Top-level `await` works. Tracebacks count lines as the cell does, whose first line is `header`.

    Raises:
        UsageError: the body does not end in an expression, ends in rows that are no list, or is a
            second `%%batchflow` cell.
        BodySyntaxError: the body is not valid Python.
        Exception: anything that the body raises.
    """
    __tracebackhide__ = True
    if again := re.match(rf"(?:[ \t]*(?:#.*)?\n)*%%{NAME} ?(.*)", body):
        refuse_second(again[1])
    python = shell.transform_cell(body)
    # The name and number of the cell itself, so that a traceback says "Cell In[5], line 3".
    name = shell.compile.cache(
        f"{header}\n{python}", _cell_number(shell), raw_code=f"{header}\n{body}"
    )
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        try:
            # The blank line takes the place of the header.
            tree = shell.transform_ast(shell.compile.ast_parse(f"\n{python}", filename=name))
            if not tree.body:
                return NOTHING
            *before, last = tree.body
            if not isinstance(last, ast.Expr):
                raise UsageError(_no_value(last))
            if len(rows := _loose_rows(tree.body)) > 1:
                raise UsageError(_no_list(rows, f"\n{python}"))
            first = shell.compile(ast.Module(before, []), name, "exec")
            expression = shell.compile(ast.Expression(last.value), name, "eval")
        except SyntaxError as error:
            traceback = shell.SyntaxTB.structured_traceback(type(error), error, [])
            raise BodySyntaxError(error, traceback) from None
    await _run(shell, first)
    return await _run(shell, expression)


def _cell_number(shell: Any) -> int:
    """Return the number of the calling cell.

    It is taken from the frame of the cell, since some versions of IPython increase `execution_count`
    before a cell runs, others after it.
    """
    frame = sys._getframe(1)
    while frame is not None:
        label = shell.compile.format_code_name(frame.f_code.co_filename)
        if label is not None and (number := re.search(r"\d+", label[1])):
            return int(number[0])
        frame = frame.f_back  # type: ignore[assignment]
    return int(shell.execution_count)


async def _run(shell: Any, code: Any) -> Any:
    __tracebackhide__ = True
    value = eval(code, shell.user_global_ns, shell.user_ns)  # noqa: S307 - it is the user's cell
    return await value if code.co_flags & inspect.CO_COROUTINE else value


def _no_value(last: ast.stmt) -> str:
    names = []
    if isinstance(last, ast.Assign):
        names = [target.id for target in last.targets if isinstance(target, ast.Name)]
    hint = f"add a line with just {names[0]}" if names else 'for example [{"user_id": 1}]'
    return f"The cell ends in a statement (line {last.lineno}), but must end in the param list: {hint}."


def _loose_rows(body: list[ast.stmt]) -> list[ast.Expr]:
    """Return the statements at the end of a body that are each a dict, or a tuple because of a comma.

    Where there are two or more of them, a list was meant.
    """
    rows = []
    for statement in reversed(body):
        if not isinstance(statement, ast.Expr):
            break
        if not isinstance(statement.value, (ast.Dict, ast.Tuple)):
            break
        rows.append(statement)
    return rows[::-1]


_SHOWN = 3  # rows of a corrected list
_WIDTH = 200  # characters of it


def _no_list(statements: list[ast.Expr], source: str) -> str:
    values = [each.value for each in statements]
    rows = [
        row for each in values for row in (each.elts if isinstance(each, ast.Tuple) else [each])
    ]
    texts = [ast.get_source_segment(source, row) or "" for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        texts.append("...")
    corrected = masked_source(f"[{', '.join(texts)}]", set())
    if len(corrected) > _WIDTH or "\n" in corrected:
        corrected = "[{...}, {...}]"
    first, last = statements[0].lineno, statements[-1].lineno
    return (
        f"Lines {first} to {last} of the cell are {len(statements)} statements, and only the last one "
        f"would run. Write one list: {corrected}"
    )
