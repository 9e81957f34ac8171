"""Tab completion for the line of `%%batchflow` and `%batchflow`: options, and names of flows."""

from __future__ import annotations

from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    context_matcher,
)

from .magic import BatchFlowMagics

_NAMES = ("%%batchflow", "%batchflow")


def make_matcher(magics: BatchFlowMagics) -> Any:
    """Return a matcher to append to IPython's `custom_matchers`."""
    options = sorted(
        option for action in magics.batchflow.parser._actions for option in action.option_strings
    )
    valued = {
        option
        for action in magics.batchflow.parser._actions
        if action.nargs != 0
        for option in action.option_strings
    }

    @context_matcher(identifier="flowmagic.batchflow")
    def match(context: CompletionContext) -> Any:
        line = context.text_until_cursor.lstrip()
        words = line.split(" ")
        if words[0] not in _NAMES or len(words) == 1:
            return {"completions": []}
        token = words[-1]
        before = words[-2]
        if before in ("-f", "--file"):
            return {"completions": []}  # IPython's own completion of files
        if before == "--shared":
            found: list[Any] = [
                SimpleCompletion(name, type="instance")
                for name, value in magics.shell.user_ns.items()
                if isinstance(value, dict) and not name.startswith("_") and name.startswith(token)
            ]
        elif before in valued:
            return {"completions": [], "suppress": True}
        elif token.startswith("-"):
            found = [SimpleCompletion(o, type="param") for o in options if o.startswith(token)]
        else:
            names = magics.flow_names()
            found = [SimpleCompletion(n, type="instance") for n in names if n.startswith(token)]
            if not token:
                found += [SimpleCompletion(o, type="param") for o in options if o[:2] == "--"]
        return {"completions": found, "suppress": True}

    return match
