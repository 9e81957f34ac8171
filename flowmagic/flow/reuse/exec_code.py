"""Finds what the exec of a node can run and read: functions, attributes of `self`, the environment.

What is found is more than what runs: every branch counts, and every function that is named. An exec
that uses anything that may differ from call to call (the time, random numbers, files, other processes)
is impure: its output cannot be taken from an earlier call.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

from pocketflow import AsyncNode

from ..checks.executed_code import Scope
from ..dependencies.members import attributes_of_class
from ..dependencies.names import cells_of, defaults_of, name_of, wrapped_by
from ..dependencies.packages import is_project
from ..dependencies.running_code import tree_of_running
from ..source_code import FunctionTree, callables_in

_CLOCK, _RANDOM, _FILES = "the time", "random numbers", "files"
_PROCESSES, _INTERPRETER = "other processes", "the state of the interpreter"
_IMPURE = {
    "time": _CLOCK,
    **dict.fromkeys(
        ("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"), _CLOCK
    ),
    "datetime.date.today": _CLOCK,
    **dict.fromkeys(
        ("random", "secrets", "numpy.random", "os.urandom", "uuid.uuid1", "uuid.uuid4"), _RANDOM
    ),
    **dict.fromkeys(
        ("builtins.open", "io", "_io", "os", "posix", "nt", "posixpath", "ntpath", "pathlib.Path",
         "shutil", "tempfile", "glob", "sqlite3", "fileinput", "numpy.load", "numpy.loadtxt",
         "numpy.genfromtxt", "numpy.fromfile", "shelve", "dbm"),
        _FILES,
    ),
    **dict.fromkeys(
        ("subprocess", "multiprocessing", "asyncio.create_subprocess_exec",
         "asyncio.create_subprocess_shell", "os.system", "os.popen"),
        _PROCESSES,
    ),
    **dict.fromkeys(
        ("sys", "platform", "getpass", "gc", "inspect", "importlib", "threading.get_ident",
         "asyncio.current_task", "builtins.input", "builtins.id", "builtins.hash",
         "builtins.globals", "builtins.locals", "builtins.vars", "builtins.eval", "builtins.exec",
         "builtins.__import__"),
        _INTERPRETER,
    ),
}  # fmt: skip
"""What may differ from call to call, by dotted name; what begins with the name belongs to it."""

_PURE = {
    "time.sleep", "io.StringIO", "io.BytesIO", "_io.StringIO", "_io.BytesIO",
    "os.environ", "os.getenv", "os.sep", "os.linesep", "sys.maxsize", "sys.getsizeof",
    *(
        f"{module}.{name}"
        for module in ("os.path", "posixpath", "ntpath")
        for name in ("join", "basename", "dirname", "split", "splitext", "normpath")
    ),
}  # fmt: skip
_READS_FRAME = "pandas.read_"
_ENVIRON = "os.environ"
_GETENV = ("os.getenv", "os.environ.get")
_OF_RUNS = frozenset({"params", "successors", "cur_retry", "max_retries", "wait"})
"""Attributes of a node that are no input of its exec, or are looked at by themselves."""


_STEPS = frozenset({"prep", "post", "prep_async", "post_async"})


class ExecCode:
    """What the exec of a node can run and read.

    Attributes:
        attributes: the names of the attributes of the node that it uses.
        uses_any: whether it may use other attributes as well: it passes `self` on, or names them at
            run time.
        environment: the names of the environment variables that it reads.
        why_impure: the first thing found that may differ from call to call, in words that follow the
            name of the node; empty if nothing was found.
    """

    def __init__(self, node: Any) -> None:
        self.attributes: set[str] = set()
        self.uses_any = False
        self.environment: set[str] = set()
        self.why_impure = ""
        self._mro = [each for each in type(node).__mro__ if is_project(each.__module__)]
        self._seen: set[int] = set()
        self._waiting: list[tuple[Any, bool]] = []
        self._use("exec_async" if isinstance(node, AsyncNode) else "exec")
        while self._waiting:
            self._read(*self._waiting.pop())

    def uses(self, name: str) -> bool:
        """Whether the exec may use an attribute of the node."""
        may = self.uses_any and name not in _STEPS
        return (may or name in self.attributes) and name not in _OF_RUNS

    def members(self) -> Iterator[tuple[type, str, Any]]:
        """Yield what the user's classes define of what the exec uses: the class, the name, the value."""
        for kind in self._mro:
            for name, value in sorted(vars(kind).items()):
                if self.uses(name):
                    yield kind, name, value

    def _use(self, name: str) -> None:
        if name in self.attributes:
            return
        self.attributes.add(name)
        for kind in self._mro:
            if name in vars(kind):
                self._waiting += [(each, True) for each in callables_in(vars(kind)[name])]

    def _read(self, value: Any, is_method: bool) -> None:  # noqa: FBT001 - private
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, MethodType):
            value = value.__func__
        if isinstance(value, functools.partial):
            self._add(value.func, *value.args, *value.keywords.values())
        elif isinstance(value, FunctionType):
            self._read_function(value, is_method=is_method)
        elif isinstance(value, type):
            if is_project(value.__module__):
                for kind in value.__mro__:
                    if is_project(kind.__module__):
                        self._add(*(each for _, each in attributes_of_class(kind)))
        else:
            self._waiting += [(each, is_method) for each in wrapped_by(value) or ()]

    def _add(self, *values: Any) -> None:
        self._waiting += [(each, False) for each in values]

    def _read_function(self, function: FunctionType, *, is_method: bool) -> None:
        wrapped = vars(function).get("__wrapped__")
        if wrapped is not None:
            self._waiting.append((wrapped, is_method))
        inner = [value for _, value in cells_of(function)]
        # What a decorator wraps is a method, too.
        self._waiting += [(each, is_method) for each in inner]
        self._add(*(value for _, value in defaults_of(function)))
        if not is_project(str(function.__globals__.get("__name__", ""))):
            return
        tree = tree_of_running(function)
        if tree is None:
            self._impure(f"uses {name_of(function)}, whose source is not known")
            return
        self._read_tree(function, tree, is_method=is_method)

    def _impure(self, why: str) -> None:
        self.why_impure = self.why_impure or why

    def _read_tree(
        self, function: FunctionType, tree: FunctionTree | ast.Lambda, *, is_method: bool
    ) -> None:
        parts = [tree.body] if isinstance(tree, ast.Lambda) else tree.body
        nodes = [each for part in parts for each in ast.walk(part)]
        arguments = [*tree.args.posonlyargs, *tree.args.args]
        receiver = arguments[0].arg if is_method and arguments else ""
        scope = Scope(function, receiver, nodes)
        known: set[int] = set()
        """Names that are the beginning of a longer expression that was read."""
        for node in nodes:
            if isinstance(node, (ast.Subscript, ast.Call)):
                known |= self._read_environment(node, scope)
            if isinstance(node, ast.Attribute):
                known.add(id(node.value))
                if attribute := scope.attribute_of_self(node) or _attribute_of_super(node):
                    self._use(attribute)
        for node in nodes:
            if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in known:
                self._read_name(node, scope, receiver)

    def _read_name(self, node: ast.Name | ast.Attribute, scope: Scope, receiver: str) -> None:
        name = scope.name_of(node)
        if isinstance(node, ast.Name):
            if receiver and node.id == receiver:
                self.uses_any = True
                self._use_all()
            self._add(scope.global_of(node))
        if not name:
            return
        if name == _ENVIRON or name.startswith(f"{_ENVIRON}.") or name in _GETENV:
            self._impure("reads the environment by a name that is not written out")
        elif what := _what_differs(name):
            self._impure(f"uses {what} ({name.removeprefix('builtins.')})")
        elif isinstance(node, ast.Attribute):
            self._add(_found(name))

    def _use_all(self) -> None:
        """Take it that the exec may call every method but those that only prep and post use."""
        for kind in self._mro:
            for name in vars(kind):
                if name not in _STEPS:
                    self._use(name)

    def _read_environment(self, node: ast.Subscript | ast.Call, scope: Scope) -> set[int]:
        """Note the environment variable that an expression reads; return what of it was read so."""
        if isinstance(node, ast.Subscript):
            holder, key = node.value, node.slice
            reads = scope.name_of(holder) == _ENVIRON and isinstance(node.ctx, ast.Load)
        else:
            holder, key = node.func, node.args[0] if node.args else node.func
            reads = scope.name_of(holder) in _GETENV
        if not (reads and isinstance(key, ast.Constant) and isinstance(key.value, str)):
            return set()
        self.environment.add(key.value)
        return {id(holder)}


def _attribute_of_super(node: ast.Attribute) -> str:
    called = node.value.func if isinstance(node.value, ast.Call) else None
    return node.attr if isinstance(called, ast.Name) and called.id == "super" else ""


def _what_differs(name: str) -> str:
    """Return what something uses that may differ from call to call, by its dotted name; or ""."""
    if name.startswith(_READS_FRAME):
        return _FILES
    end = len(name)
    while end > 0:
        if name[:end] in _PURE:
            return ""
        if name[:end] in _IMPURE:
            return _IMPURE[name[:end]]
        end = name.rfind(".", 0, end)
    return ""


def _found(name: str) -> Any:
    """Return what a dotted name of a module of the project leads to; None for anything else."""
    module, _, rest = name.rpartition(".")
    return vars(sys.modules[module]).get(rest) if module in sys.modules else None
