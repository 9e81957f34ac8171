"""Tab completion of options and names on the lines of `%%batchflow` and `%batchflow`."""

from __future__ import annotations

from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    context_matcher,
)

from .magic import BatchFlowMagics
from .namespace import flow_names

_NAMES = ("%%batchflow", "%batchflow")


def make_matcher(magics: BatchFlowMagics) -> Any:
    """Return a matcher to append to IPython's `custom_matchers`."""
    takes_value = {
        option: action.nargs != 0
        for action in magics.batchflow.parser._actions
        for option in action.option_strings
    }
    options = sorted(takes_value)

    @context_matcher(identifier="flowmagic.batchflow")
    def match(context: CompletionContext) -> Any:
        line = context.text_until_cursor.lstrip()
        words = line.split(" ")
        if words[0] not in _NAMES or len(words) == 1:
            return {"completions": []}
        token = words[-1]
        previous = words[-2]
        if previous in ("-f", "--file"):
            return {"completions": []}  # left to IPython's completion of files
        if previous == "--shared":
            matches: list[Any] = [
                SimpleCompletion(name, type="instance")
                for name, value in magics.shell.user_ns.items()
                if isinstance(value, dict) and not name.startswith("_") and name.startswith(token)
            ]
        elif takes_value.get(previous):
            return {"completions": [], "suppress": True}
        elif token.startswith("-"):
            matches = [SimpleCompletion(o, type="param") for o in options if o.startswith(token)]
        else:
            names = flow_names(magics.shell.user_ns)
            matches = [SimpleCompletion(n, type="instance") for n in names if n.startswith(token)]
            if not token:
                matches += [SimpleCompletion(o, type="param") for o in options if o[:2] == "--"]
        return {"completions": matches, "suppress": True}

    return match
