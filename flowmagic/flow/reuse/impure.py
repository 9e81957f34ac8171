"""Names of what may differ from call to call: the time, random numbers, files, other processes.

A name stands for all that begins with it: `random` for `random.choice`. Where nothing tells what an
object is, the names of methods do: `.now()` asks for the time, whatever it is called on.
"""

from __future__ import annotations

import sys

from ..dependencies.packages import is_project

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
         "shutil", "tempfile", "glob", "sqlite3", "fileinput", "linecache", "numpy.loadtxt",
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
         "threading.get_native_id", "threading.current_thread", "asyncio.current_task",
         "asyncio.all_tasks", "socket.gethostname", "builtins.input", "builtins.id", "builtins.hash",
         "builtins.globals", "builtins.locals", "builtins.vars", "builtins.eval", "builtins.exec",
         "builtins.__import__"),
        _INTERPRETER,
    ),
}  # fmt: skip
_PURE = {
    "time.sleep", "io.StringIO", "io.BytesIO", "_io.StringIO", "_io.BytesIO",
    "json.load", "pickle.load", "tomllib.load", "yaml.load",  # they get a file that is open
    "os.environ", "os.getenv", "os.sep", "os.linesep", "sys.maxsize", "sys.getsizeof",
    *(
        f"{module}.{name}"
        for module in ("os.path", "posixpath", "ntpath")
        for name in ("join", "basename", "dirname", "split", "splitext", "normpath")
    ),
}  # fmt: skip
_OF_LIBRARIES = ("open", "load", "imread")
"""Functions of libraries that read files, as those do whose name begins with `read_`."""

_METHODS = {
    **dict.fromkeys(("now", "utcnow", "today"), _CLOCK),
    **dict.fromkeys(
        ("open", "read_text", "read_bytes", "iterdir", "exists", "is_file", "is_dir", "stat", "glob",
         "rglob", "write_text", "write_bytes"),
        _FILES,
    ),
}  # fmt: skip
INTROSPECTED = frozenset(
    {"__doc__", "__code__", "__globals__", "__closure__", "__subclasses__", "__builtins__"}
)
"""Names by which code finds what does not count, such as docstrings."""


def differing(name: str) -> str:
    """Return what something uses that may differ from call to call, by its dotted name; or ""."""
    end = len(name)
    while end > 0:
        if name[:end] in _PURE:
            return ""
        if name[:end] in _IMPURE:
            return _IMPURE[name[:end]]
        end = name.rfind(".", 0, end)
    package, last = name.partition(".")[0], name.rpartition(".")[2]
    if not (last in _OF_LIBRARIES or last.startswith("read_")):
        return ""
    return "" if package in sys.modules and is_project(package) else _FILES


def differing_method(name: str, arguments: int) -> str:
    """Return what a method uses that may differ from call to call, by its name only; or ""."""
    if name == "time" and not arguments:  # of an event loop
        return _CLOCK
    return _METHODS.get(name, "")
