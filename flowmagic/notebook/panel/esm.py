"""Joins the JavaScript modules of the panel into the one script that a page loads.

A page gets a single file, since a module that imports another one would have to fetch it over the
network. Each module becomes a function that is called once and returns its exports, so two modules
may use the same name for different things. There is no build step: the wheel contains the modules as
they were written.

Each panel brings the script to its page, which would compile and run it anew for each. So it has neither
comments nor indentation, which are a quarter of it, and runs once in a page: its further copies take
over what it has returned.
"""

from __future__ import annotations

import hashlib
import pathlib
import posixpath
import re

_NAME = r"[A-Za-z_$][\w$]*"
# A path with a "." or ".." anywhere but at its start would have a second spelling: it is refused.
_IMPORT = re.compile(
    r"^import \{(?P<names>[^{}]*)\} "
    r"from \"(?P<path>(?:\./|(?:\.\./)+)(?:[a-z0-9_]+/)*[a-z0-9_]+)\.js\";\n",
    re.MULTILINE,
)
_DECLARED = re.compile(
    rf"^export (?=(?:const|class|function|async function) (?P<name>{_NAME}))", re.MULTILINE
)
_DEFAULT = re.compile(r"^export default (?=\{)", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*|^.*\bimport\s*\(.*", re.MULTILINE)
# Lines that are comments, and the indentation of others. No string of a module has several lines.
_FOR_READERS = re.compile(r"^\s*(?://.*|/\*(?:(?!\*/)[\s\S])*\*/\s*)\n|^[ \t]+", re.MULTILINE)


class ScriptError(Exception):
    """The modules cannot be joined: one is missing, or two import each other."""


def joined(folder: pathlib.Path, entry: str) -> str:
    """Return one self-contained ES module: `entry` and everything that it imports.

    A module is known by its key: its path relative to `folder`, without `.js`.

    Args:
        folder: the root of all modules.
        entry: the key of the module whose default export the script exports.

    Raises:
        ScriptError: a module or an export is missing, modules import each other in a cycle, an
            import leaves `folder`, or an import or export has an unsupported form.
    """
    exports: dict[str, set[str]] = {}
    parts: list[str] = []

    def add(key: str, importers: tuple[str, ...]) -> None:
        if key in importers:
            cycle = " -> ".join([*importers[importers.index(key) :], key])
            raise ScriptError(
                f"Modules import each other: {cycle}. Move what they share to a third module."
            )
        if key in exports:
            return
        file = folder / f"{key}.js"
        if not file.is_file():
            by = f"{importers[-1]}.js imports" if importers else "the script starts with"
            raise ScriptError(f"There is no module {key}.js in {folder}, which {by}.")
        text = _FOR_READERS.sub("", file.read_text(encoding="utf-8"))
        for match in _IMPORT.finditer(text):
            imported = _resolved(key, match["path"])
            add(imported, (*importers, key))
            missing = set(_names(match["names"])) - exports[imported]
            if missing:
                raise ScriptError(
                    f"{key}.js imports {', '.join(sorted(missing))}, which {imported}.js "
                    f"does not export. It exports: {', '.join(sorted(exports[imported]))}."
                )
        exports[key] = {match["name"] for match in _DECLARED.finditer(text)}
        parts.append(_part(key, text, exports[key]))

    add(entry, ())
    body = "\n".join([*parts, f"return {_variable(entry)}.$default;"])
    name = f"flowmagic {hashlib.sha256(body.encode()).hexdigest()}"
    # A function that is not called is hardly compiled.
    return f'function run() {{\n{body}\n}}\nexport default (globalThis["{name}"] ??= run());\n'


def _part(key: str, text: str, exported: set[str]) -> str:
    """Return a module as a constant that holds its exports."""
    body = _IMPORT.sub(
        lambda match: (
            f"const {{ {', '.join(_names(match['names']))} }} = "
            f"{_variable(_resolved(key, match['path']))};\n"
        ),
        text,
    )
    body = _DECLARED.sub("", body)
    body, defaults = _DEFAULT.subn("const $default = ", body)
    left = _LEFT.search(body)
    if left:
        raise ScriptError(
            f"{key}.js has a line that cannot be joined: {left[0].strip()!r}. Write "
            'import { one, other } from "../folder/module.js"; with lower-case letters, digits '
            "and _ in the path, and export const, class or function."
        )
    returned = ", ".join([*sorted(exported), *["$default"] * defaults])
    return f"const {_variable(key)} = (() => {{\n{body}\nreturn {{ {returned} }};\n}})();\n"


def _resolved(importer: str, path: str) -> str:
    """Return the key of the module that `importer` imports by a relative path."""
    key = posixpath.normpath(posixpath.join(posixpath.dirname(importer), path))
    if key.startswith("../"):
        raise ScriptError(
            f"{importer}.js imports {path}.js, which lies outside the folder of the modules."
        )
    return key


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _variable(key: str) -> str:
    # Injective: a key has no "$". The prefix keeps it apart from `$default`.
    return f"module${key.replace('/', '$')}"
