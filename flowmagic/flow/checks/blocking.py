"""Finds calls in a method that block the event loop, as far as the source tells."""

from __future__ import annotations

import ast
from typing import NamedTuple

from ..finding import Place
from .executed_code import executed_code
from .node_source import NodeSource

_VERBS = {"delete", "get", "head", "options", "patch", "post", "put", "request", "stream"}
_BLOCKING = {
    "time.sleep", "os.system", "urllib.request.urlopen", "urllib.request.urlretrieve",
    "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    *(
        f"{module}.{verb}"
        for module in ("requests", "requests.api", "httpx", "httpx._api")
        for verb in _VERBS
    ),
}  # fmt: skip


class BlockingCall(NamedTuple):
    """A call that blocks: its name as in a message, and where in the method it is."""

    name: str
    place: Place


def blocking_call(source: NodeSource, name: str) -> BlockingCall | None:
    """Return the first call of a method that blocks, directly or through the user's own helpers."""
    method = source.get(name)
    for each in executed_code(source, name):
        called = each.scope.name_of(each.node.func) if isinstance(each.node, ast.Call) else ""
        if method is not None and called in _BLOCKING:
            shown = called.replace("requests.api", "requests").replace("httpx._api", "httpx")
            through = "".join(f"{helper}(), which calls " for helper in each.through)
            return BlockingCall(f"{through}{shown}()", method.place(each.call))
    return None
