"""Finds calls in a method that block the event loop, as far as the source tells.

These are functions that wait, and methods of sync clients, whether a client is made where it is used, or
is a global, or an attribute of the node.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..finding import Place
from .executed_code import Executed, Scope, executed_code
from .node_source import attribute_of
from .reachable_nodes import ReachableNode

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


_FUNCTIONS = {
    ("litellm", "completion"), ("litellm", "embedding"), ("ollama", "chat"), ("ollama", "embed"),
    ("ollama", "generate"),
}  # fmt: skip
"""Functions of packages that have modules within; the top one and the name tell."""

_CLIENTS = {
    ("anthropic", "Anthropic"), ("cohere", "Client"), ("cohere", "ClientV2"), ("google", "Client"),
    ("google", "GenerativeModel"), ("groq", "Groq"), ("httpx", "Client"),
    ("huggingface_hub", "InferenceClient"), ("mistralai", "Mistral"), ("ollama", "Client"),
    ("openai", "AzureOpenAI"), ("openai", "OpenAI"), ("requests", "Session"), ("together", "Together"),
}  # fmt: skip
"""Classes of sync clients; likewise."""

_REQUESTS = _VERBS | {
    "chat", "chat_completion", "complete", "count_tokens", "create", "embed", "embed_content", "generate",
    "generate_content", "parse", "send", "text_generation",
}  # fmt: skip
"""Methods of clients that wait for an answer."""


class BlockingCall(NamedTuple):
    """A call that blocks: its name as in a message, and where in the method it is."""

    name: str
    place: Place


def blocking_call(reached: ReachableNode, name: str) -> BlockingCall | None:
    """Return the first call of a method that blocks, directly or through the user's own helpers."""
    method = reached.source.get(name)
    clients: dict[tuple[Scope, str], str] = {}
    for each in executed_code(reached.source, name):
        clients.update(_named_clients(each))
        called = _blocks(each, reached.node, clients)
        if method is not None and called:
            through = "".join(f"{helper}(), which calls " for helper in each.through)
            return BlockingCall(f"{through}{called}", method.place(each.call))
    return None


def _blocks(each: Executed, node: Any, clients: Mapping[tuple[Scope, str], str]) -> str:
    """Return what a syntax node calls, as in a message, if it is a call that blocks; else ""."""
    if not isinstance(each.node, ast.Call):
        return ""
    function, scope = each.node.func, each.scope
    called = scope.name_of(function)
    if called in _BLOCKING:
        return called.replace("requests.api", "requests").replace("httpx._api", "httpx") + "()"
    if _ends(called) in _FUNCTIONS:
        return ".".join(_ends(called)) + "()"
    if not isinstance(function, ast.Attribute) or function.attr not in _REQUESTS:
        return ""
    owner: ast.expr = function.value
    while isinstance(owner, ast.Attribute) and not scope.attribute_of_self(owner):
        owner = owner.value
    if isinstance(owner, ast.Call):
        client = _client(scope.name_of(owner.func))
    elif isinstance(owner, ast.Name) and (scope, owner.id) in clients:
        client = clients[scope, owner.id]
    else:
        attribute = scope.attribute_of_self(owner)
        value = attribute_of(node, attribute) if attribute else scope.global_of(owner)
        client = _client(f"{type(value).__module__}.{type(value).__name__}")
    return f"{ast.unparse(function)}() of a sync {client}" if client else ""


def _named_clients(each: Executed) -> Iterator[tuple[tuple[Scope, str], str]]:
    """Yield the local names that stand for a sync client that is made there, each with its class."""
    node = each.node
    if isinstance(node, ast.Assign):
        value, targets = node.value, node.targets
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        value, targets = node.context_expr, [node.optional_vars]
    else:
        return
    client = _client(each.scope.name_of(value.func)) if isinstance(value, ast.Call) else ""
    for target in targets if client else ():
        if isinstance(target, ast.Name):
            yield (each.scope, target.id), client


def _client(name: str) -> str:
    """Return the name of a class of sync clients; "" for another one."""
    return _ends(name)[1] if _ends(name) in _CLIENTS else ""


def _ends(name: str) -> tuple[str, str]:
    return name.partition(".")[0], name.rpartition(".")[2]
