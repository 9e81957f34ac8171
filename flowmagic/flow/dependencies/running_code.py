"""What a function that is in use does: its code, and the source that compiles to this very code.

A file may be edited after it was imported, and a cell run again. So the source that is found for a
function counts only if it compiles to the function's own code; otherwise the code alone is known.
"""

from __future__ import annotations
import __future__

import ast
import dis
import functools
import hashlib
import inspect
import operator
import sys
import warnings
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from ...text.redact import masked_data
from ..source_code import FunctionTree, Parsed, lines_of, parsed
from .scopes import Chain, Names
from .syntax import Syntax, syntax_of

PYTHON = sys.implementation.cache_tag or f"{sys.implementation.name}-{sys.version_info[:2]}"
"""The version of Python that code is for; another one compiles the same source to other code."""

_FUTURE = functools.reduce(
    operator.or_, (getattr(__future__, each).compiler_flag for each in __future__.all_feature_names)
)
_HAS_DOCSTRING: int | None = getattr(inspect, "CO_HAS_DOCSTRING", None)  # since Python 3.14
_NOT_COUNTED = inspect.CO_NESTED | (_HAS_DOCSTRING or 0)


class RunningCode(NamedTuple):
    """The code of a function.

    Attributes:
        code: a text that is equal for code that does the same in one version of Python.
        syntax: what its source tells. If no source compiles to the code, the text is empty, and only
            the globals are known that the code itself reads and assigns.
    """

    code: str
    syntax: Syntax


_MOST_KNOWN = 20_000
_known: dict[int, tuple[CodeType, RunningCode]] = {}
"""By `id`: to hash a code object takes longer than to look at it. It is kept, so that its id is."""


def running_code(function: FunctionType) -> RunningCode:
    """Return the code of a function."""
    code = function.__code__
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[id(code)] = code, _read(function)
    return known[1]


def _read(function: FunctionType) -> RunningCode:
    text = code_text(function.__code__)
    tree = _tree_of(function, text)
    return RunningCode(
        text, _syntax_of_code(function.__code__) if tree is None else syntax_of(tree)
    )


def code_text(code: CodeType) -> str:
    """Return a text that does not depend on file, lines, docstring, nor the order of sets."""
    constants = code.co_consts
    if _has_docstring(code):
        constants = (None, *constants[1:])
    return repr(
        (
            code.co_code,
            code.co_names,
            code.co_varnames,
            code.co_freevars,
            code.co_cellvars,
            (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
            code.co_flags & ~_NOT_COUNTED,
            getattr(code, "co_exceptiontable", b""),  # since Python 3.11
            [_constant_text(each) for each in constants],
        )
    )


def _has_docstring(code: CodeType) -> bool:
    if _HAS_DOCSTRING is not None:
        return bool(code.co_flags & _HAS_DOCSTRING)
    return (
        bool(code.co_flags & inspect.CO_OPTIMIZED)
        and not code.co_name.startswith("<")
        and bool(code.co_consts)
        and type(code.co_consts[0]) is str
    )


def _constant_text(value: Any) -> str:
    if isinstance(value, CodeType):
        return code_text(value)
    if isinstance(value, (tuple, frozenset)):
        texts = map(_constant_text, value)
        # The order of a frozenset differs from process to process.
        items = texts if isinstance(value, tuple) else sorted(texts)
        return f"{type(value).__name__}({', '.join(items)})"
    # The repr of a long int is refused.
    return f"{type(value).__name__} {hex(value) if type(value) is int else value!r}"


def digest(text: str, secrets: frozenset[str] | None) -> str:
    """Return the digest of a text in which secrets are masked; None masks nothing."""
    if secrets is not None:
        text = masked_data(text, secrets)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


# The texts of code are kept in any case.
_digest_of_code = functools.lru_cache(maxsize=20_000)(digest)


def digest_of(function: FunctionType, secrets: frozenset[str] | None) -> str:
    """Return "digest of the source:digest of the code" of a function, see `digest`."""
    code, syntax = running_code(function)
    if syntax.text and secrets is None:  # the source has no secrets, and tells all else
        code = repr(literals_in(function.__code__))
    source = _digest_of_code(syntax.text, secrets) if syntax.text else ""
    return f"{source}:{_digest_of_code(code, secrets)}"


def literals_in(code: CodeType) -> list[str]:
    """Return the strings and bytes in code, without docstrings, in a fixed order and each once."""
    waiting: list[Any] = [code]
    found: set[str] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, CodeType):
            waiting += value.co_consts[_has_docstring(value) :]
        elif isinstance(value, (tuple, frozenset)):
            waiting += value
        elif isinstance(value, (str, bytes)):
            found.add(repr(value))
    return sorted(found)


def tree_of_running(function: FunctionType) -> FunctionTree | ast.Lambda | None:
    """Return the definition that compiles to a function's code; None if none is found."""
    found: FunctionTree | ast.Lambda | None = _tree_of(function, code_text(function.__code__))
    return found


def _tree_of(function: FunctionType, text: str) -> Any:
    """See `tree_of_running`; `text` is the text of the code.

    Of two lambdas in one line none is taken: nothing tells them apart in every version of Python.
    """
    code = function.__code__
    file = parsed(code.co_filename, lines_of(function))
    if code.co_name == "<lambda>":
        found = [each for each in _lambdas(file) if each.lineno == code.co_firstlineno]
        tree: Any = found[0] if len(found) == 1 else None
    else:
        tree = file.functions.get((code.co_name, code.co_firstlineno))
    if tree is None:
        return None
    same = (code.co_name, code.co_firstlineno)
    for by_statement in (False, True):
        compiled = _compiled(file, code.co_flags & _FUTURE, by_statement=by_statement)
        if any(code_text(each) == text for each in compiled.get(same, ())):
            return tree
    return None


def _lambdas(file: Parsed) -> list[ast.Lambda]:
    return [each for each in ast.walk(file.tree) if isinstance(each, ast.Lambda)]


def _compiled(
    file: Parsed, flags: int, *, by_statement: bool
) -> dict[tuple[str, int], list[CodeType]]:
    """Return the code of all functions of a file or cell, by name and first line.

    IPython compiles a cell statement by statement. This makes a difference: a call of what the module
    itself has imported is compiled in another way.
    """
    known: dict[tuple[str, int], list[CodeType]] | None = file.compiled.get((flags, by_statement))
    if known is None:
        known = file.compiled[flags, by_statement] = {}
        body = file.tree.body
        trees = [ast.Module([each], []) for each in body] if by_statement else [file.tree]
        for each in (code for tree in trees for code in _codes(_code_of(tree, flags))):
            known.setdefault((each.co_name, each.co_firstlineno), []).append(each)
    return known


def _code_of(tree: ast.Module, flags: int) -> CodeType:
    # A cell may await something at its top.
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python gave them when it compiled the source itself
            code: CodeType = compile(tree, "<source>", "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return compile("", "<source>", "exec")
    return code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _syntax_of_code(code: CodeType) -> Syntax:
    names = Names()
    for each in (code, *_codes(code)):
        names.reads |= _reads(each)
        names.changes |= {(i.argval,) for i in dis.get_instructions(each) if i.opname in _ASSIGN}
    return Syntax("", names)


def _reads(code: CodeType) -> set[Chain]:
    reads: set[Chain] = set()
    chain: Chain = ()
    for each in dis.get_instructions(code):
        if chain and each.opname in _READ_ATTRIBUTE:
            chain = (*chain, each.argval)
            continue
        if chain:
            reads.add(chain)
        chain = (each.argval,) if each.opname in _READ else ()
    return reads


_READ = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_READ_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_ASSIGN = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
