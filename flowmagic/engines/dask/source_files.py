"""Finds the source files of functions that were pickled by value, so that tracebacks show their lines."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from ...flow.graph import nodes_of


class SourceFiles:
    """The source files of the methods of a flow's node classes, and of the functions that they use.

    A function that was pickled by value has lost the name of its file.
    """

    def __init__(self, flow: Any) -> None:
        self._codes: dict[str, list[CodeType]] = {}
        waiting: list[Any] = [
            getattr(value, "__func__", value)
            for kind in node_classes_of(flow)
            for base in kind.__mro__
            for value in vars(base).values()
        ]
        seen = set()
        while waiting:
            function = waiting.pop()
            if not isinstance(function, FunctionType) or function in seen:
                continue
            seen.add(function)
            waiting += [value for _, value in names_used_by(function)]
            for code in _codes_in(function.__code__):
                self._codes.setdefault(code.co_name, []).append(code)

    def find(self, file: str, function: str, line: int) -> str:
        """Return the source file of a line of a function.

        Args:
            file: the file that its traceback names; it is returned if it is a real one, or if no
                function matches.
            function: the name of the function.
            line: the number of the line.
        """
        if not file.startswith("<"):
            return file
        for code in self._codes.get(function, ()):
            if line in {number for _, _, number in code.co_lines()}:
                return code.co_filename
        return file


def node_classes_of(flow: Any) -> list[type]:
    """Return the node classes of a flow, each once, in the same order in every process."""
    return list(dict.fromkeys(map(type, nodes_of(flow))))


def names_used_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the variables of a function's closure and the globals that it names, with their values."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # the variable is not bound yet
            continue
    for code in _codes_in(function.__code__):
        for name in code.co_names:
            if name in function.__globals__:
                yield name, function.__globals__[name]


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function, and that of the functions defined in it."""
    codes = [code]
    while codes:
        code = codes.pop()
        yield code
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
