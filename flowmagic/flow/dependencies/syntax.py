"""What the syntax tree of a function tells: its normalised text, and the names it reads and changes.

Two functions have the same text if they differ in comments, docstrings, quotes, layout and line
numbers only. What Python evaluates when it executes the `def` is not in the text, since its values
count instead: the decorators, and the defaults of parameters.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ...text.redact import MASK, secret_literals
from ..source_code import FunctionTree
from .scopes import Chain, Names, Scope, change_of

_CHANGING = frozenset(
    [
        "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft",
        "insert", "intersection_update", "move_to_end", "pop", "popitem", "popleft", "put", "put_nowait",
        "remove", "reverse", "rotate", "setdefault", "sort", "subtract", "symmetric_difference_update",
        "update", "write", "writelines",
    ]
)  # fmt: skip
"""Methods that change the object they are called on, of Python's own containers, queues and files."""

_HOOKS = frozenset({"prep", "post", "prep_async", "post_async"})
MAKERS = frozenset({"__init__", "__new__", "__post_init__"})


class Syntax(NamedTuple):
    """What a function consists of.

    Attributes:
        text: equal for functions that are the same.
        names: what it reads and changes.
    """

    text: str
    names: Names


def syntax_of(tree: FunctionTree | ast.Lambda) -> Syntax:
    """Return what the definition of a function tells."""
    reader = _SyntaxReader(tree)
    return Syntax("\n".join(reader.text), reader.names)


_NO_NAMES = Names()
_NO_SCOPE = Scope("function", None, _NO_NAMES)


class _SyntaxReader:
    """Walks a definition once."""

    def __init__(self, tree: FunctionTree | ast.Lambda) -> None:
        self.text: list[str] = []
        arguments = [each.arg for each in (*tree.args.posonlyargs, *tree.args.args)]
        name = getattr(tree, "name", "")
        shared = {"shared", *(arguments[1:2] if name in _HOOKS else ())}
        receiver = arguments[0] if arguments else ""
        self.names = Names(receiver, frozenset(shared), makes=name in MAKERS)
        self._masked: set[int] = set()
        self._scope: Scope = _NO_SCOPE
        self._function(tree, is_top=True)

    def _visit(self, node: ast.AST) -> None:
        _VISITS.get(type(node), _SyntaxReader._generic)(self, node)

    def _generic(self, node: ast.AST) -> None:
        text = self.text
        text.append(type(node).__name__)
        for field in node._fields:
            value = getattr(node, field, None)
            # A field that is empty may not be there in another version of Python.
            if value is None or field == "ctx":
                continue
            if type(value) is list:
                if value:
                    text.append(field)
                    self._visit_all(value)
            elif isinstance(value, ast.AST):
                text.append(field)
                self._visit(value)
            else:
                text.append(f"{field} {value!r}")
        text.append(")")

    def _visit_all(self, nodes: Iterable[Any]) -> None:
        self.text.append("[")
        for each in nodes:
            if isinstance(each, ast.AST):
                self._visit(each)
            else:
                self.text.append(repr(each))
        self.text.append("]")

    # Names

    def _name(self, node: ast.Name) -> None:
        self.text.append(f"Name {node.id}")
        if isinstance(node.ctx, ast.Load):
            self._scope.reads.add((node.id,))
        else:
            self._scope.bind(node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node, is_assignment=True)
        chain = _chain(node)
        if chain is None:
            self._generic(node)
        else:
            self.text.append(f"Name {'.'.join(chain)}")
            self._scope.reads.add(chain)

    def _subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node)
        self._generic(node)

    def _call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
            self._change(node)
        self._generic(node)

    def _change(self, target: ast.expr, *, is_assignment: bool = False) -> None:
        found = change_of(target, is_assignment=is_assignment)
        if found is not None:
            self._scope.changes.append(found)

    def _named(self, node: ast.NamedExpr) -> None:
        self._assigning(node)
        self._scope.bind_outside(node.target.id)

    def _import(self, node: ast.Import) -> None:
        self._generic(node)
        for each in node.names:
            top = each.name.partition(".")[0]
            self._scope.bind(each.asname or top)
            self._scope.imports[each.asname or top] = (each.name if each.asname else top,)

    def _import_from(self, node: ast.ImportFrom) -> None:
        self._generic(node)
        module = "." * node.level + (node.module or "")
        for each in node.names:
            self._scope.bind(each.asname or each.name)
            self._scope.imports[each.asname or each.name] = (module, each.name)

    def _global(self, node: ast.Global) -> None:
        self._scope.globals.update(node.names)

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        self._scope.nonlocals.update(node.names)

    def _binding(self, node: Any) -> None:
        """Visit what binds the name that one of its fields holds."""
        self._generic(node)
        name = getattr(node, "rest", None) or getattr(node, "name", None)
        if isinstance(name, str):
            self._scope.bind(name)

    # Values

    def _constant(self, node: ast.Constant) -> None:
        value: Any = MASK if id(node) in self._masked else node.value
        # The repr of a long int is refused.
        self.text.append(f"{type(value).__name__} {hex(value) if type(value) is int else value!r}")

    def _joined(self, node: ast.JoinedStr) -> None:
        if id(node) in self._masked:
            self.text.append(f"str {MASK!r}")
        else:
            self._generic(node)

    def _expression_statement(self, node: ast.Expr) -> None:
        # A text that stands alone is a docstring, or a comment.
        if not isinstance(node.value, ast.Constant):
            self._generic(node)

    def _nothing(self, node: ast.AST) -> None:
        """Leave a `pass` out: a docstring may have taken its place."""

    def _assigning(self, node: ast.AST) -> None:
        """Visit what may assign a secret."""
        self._masked.update(map(id, secret_literals(node)))
        self._generic(node)

    # Scopes

    def _function(self, node: Any, *, is_top: bool = False) -> None:
        if isinstance(node, ast.Lambda):
            self.text.append("lambda")
        else:
            if not is_top:
                self._scope.bind(node.name)
            self.text.append(f"{type(node).__name__} {'' if is_top else node.name}")
        arguments: ast.arguments = node.args
        if not is_top:
            self._visit_all(getattr(node, "decorator_list", []))
            self._masked.update(map(id, secret_literals(arguments)))
            self._visit_all([*arguments.defaults, *arguments.kw_defaults])
        scope = self._enter("function")
        for kind in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
            each = getattr(arguments, kind)
            for argument in each if isinstance(each, list) else [each]:
                if argument is not None:
                    scope.bind(argument.arg)
                    self.text.append(f"{kind} {argument.arg}")
                    self._annotation(argument.annotation)
        self._annotation(getattr(node, "returns", None))
        for each in getattr(node, "type_params", []):
            self._visit(each)
        self._visit_all(node.body if isinstance(node.body, list) else [node.body])
        self._leave()

    def _annotation(self, annotation: ast.expr | None) -> None:
        """Visit an annotation, whose names are not followed: the function itself does not use them."""
        if annotation is not None:
            scope, self._scope = self._scope, Scope("function", None, _NO_NAMES)
            self._visit(annotation)
            self._scope = scope

    def _class(self, node: ast.ClassDef) -> None:
        self._scope.bind(node.name)
        self.text.append(f"class {node.name}")
        for each in (node.decorator_list, node.bases, node.keywords):
            self._visit_all(each)
        self._enter("class")
        self._visit_all(node.body)
        self._leave()

    def _comprehension(self, node: Any) -> None:
        first = node.generators[0]
        self.text.append(type(node).__name__)
        self._visit(first.iter)  # in the scope around it
        self._enter("comprehension")
        for each in node.generators:
            self._visit(each.target)
            if each is not first:
                self._visit(each.iter)
            self._visit_all(each.ifs)
            self.text.append(str(each.is_async))
        for field in ("key", "value", "elt"):
            if hasattr(node, field):
                self._visit(getattr(node, field))
        self._leave()

    def _enter(self, kind: str) -> Scope:
        parent = None if self._scope is _NO_SCOPE else self._scope
        self._scope = Scope(kind, parent, self.names)
        return self._scope

    def _leave(self) -> None:
        self._scope.leave()
        self._scope = self._scope.parent or _NO_SCOPE
        self.text.append(")")


def _chain(node: ast.expr) -> Chain | None:
    """Return the name and the attributes that an expression consists of; None for any other one."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None


_VISITS: dict[type, Callable[[_SyntaxReader, Any], None]] = {
    ast.Name: _SyntaxReader._name,
    ast.Attribute: _SyntaxReader._attribute,
    ast.Subscript: _SyntaxReader._subscript,
    ast.Call: _SyntaxReader._call,
    ast.NamedExpr: _SyntaxReader._named,
    ast.Import: _SyntaxReader._import,
    ast.ImportFrom: _SyntaxReader._import_from,
    ast.Global: _SyntaxReader._global,
    ast.Nonlocal: _SyntaxReader._nonlocal,
    ast.ExceptHandler: _SyntaxReader._binding,
    ast.MatchAs: _SyntaxReader._binding,
    ast.MatchStar: _SyntaxReader._binding,
    ast.MatchMapping: _SyntaxReader._binding,
    ast.Constant: _SyntaxReader._constant,
    ast.JoinedStr: _SyntaxReader._joined,
    ast.Expr: _SyntaxReader._expression_statement,
    ast.Pass: _SyntaxReader._nothing,
    ast.Assign: _SyntaxReader._assigning,
    ast.AnnAssign: _SyntaxReader._assigning,
    ast.keyword: _SyntaxReader._assigning,
    ast.Dict: _SyntaxReader._assigning,
    ast.FunctionDef: _SyntaxReader._function,
    ast.AsyncFunctionDef: _SyntaxReader._function,
    ast.Lambda: _SyntaxReader._function,
    ast.ClassDef: _SyntaxReader._class,
    ast.ListComp: _SyntaxReader._comprehension,
    ast.SetComp: _SyntaxReader._comprehension,
    ast.DictComp: _SyntaxReader._comprehension,
    ast.GeneratorExp: _SyntaxReader._comprehension,
}
