"""The panel's script: the modules of `front/`, joined into the one text that a page is given.

A page gets one file: a module that imported another would have to find it over the network. So each
module becomes a function that is called once and returns what it exports; two modules may use the
same name for different things. No build: the modules stand in the wheel as they were written.
"""

from __future__ import annotations

import pathlib
import re

_NAME = r"[A-Za-z_$][\w$]*"
_IMPORT = re.compile(
    r"^import \{(?P<names>[^{}]*)\} from \"\./(?P<module>[a-z]+)\.js\";\n", re.MULTILINE
)
_DECLARED = re.compile(
    rf"^export (?=(?:const|class|function|async function) (?P<name>{_NAME}))", re.MULTILINE
)
_DEFAULT = re.compile(r"^export default (?=\{)", re.MULTILINE)
_LEFT = re.compile(
    r"^[ \t]*(?:import|export)\b.*|^(?!\s*(?://|/?\*)).*\bimport\s*\(.*", re.MULTILINE
)


class ScriptError(Exception):
    """The modules of the front end cannot be joined: one is missing, or two import each other."""


def joined(folder: pathlib.Path, entry: str) -> str:
    """Return one self-contained ES module: `entry`, a module's name, and all that it imports.

    Raises:
        ScriptError: a module or an export is missing, modules import each other in a circle, or an
            import or export has a form that is not understood here.
    """
    exports: dict[str, set[str]] = {}
    parts: list[str] = []

    def take(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise ScriptError(
                f"Modules import each other: {circle}. Move what they share to a third one."
            )
        if name in exports:
            return
        file = folder / f"{name}.js"
        if not file.is_file():
            by = f"{path[-1]}.js imports" if path else "the panel is made of"
            raise ScriptError(f"There is no module {name}.js in {folder}, which {by}.")
        text = file.read_text(encoding="utf-8")
        for found in _IMPORT.finditer(text):
            take(found["module"], (*path, name))
            missing = set(_names(found["names"])) - exports[found["module"]]
            if missing:
                raise ScriptError(
                    f"{name}.js imports {', '.join(sorted(missing))}, which {found['module']}.js "
                    f"does not export. It exports: {', '.join(sorted(exports[found['module']]))}."
                )
        exports[name] = {found["name"] for found in _DECLARED.finditer(text)}
        parts.append(_part(name, text, exports[name]))

    take(entry, ())
    return "\n".join([*parts, f"export default {_variable(entry)}.$default;\n"])


def _part(name: str, text: str, exported: set[str]) -> str:
    """Return a module as a constant that holds what it exports."""
    body = _IMPORT.sub(
        lambda found: (
            f"const {{ {', '.join(_names(found['names']))} }} = {_variable(found['module'])};\n"
        ),
        text,
    )
    body = _DECLARED.sub("", body)
    body, defaults = _DEFAULT.subn("const $default = ", body)
    left = _LEFT.search(body)
    if left:
        raise ScriptError(
            f"{name}.js has a line that cannot be joined: {left[0].strip()!r}. Write "
            'import { one, other } from "./module.js"; and export const, class or function.'
        )
    gives = ", ".join([*sorted(exported), *["$default"] * defaults])
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {gives} }};\n}})();\n"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _variable(module: str) -> str:
    return f"${module}"
