"""Register everything with a shell on `%load_ext flowmagic`, and remove it on unload."""

from __future__ import annotations

import sys
import weakref
from functools import partial
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    context_matcher,
)
from traitlets import TraitError

from ..run.batchrun import BatchRun
from . import cell_panels, streams
from .cell import display_run
from .magic import BatchFlowMagics
from .magic_line import flow_names
from .shell import encodable
from .stdin import InputGuard
from .summary import summary
from .transformers import NAME, await_batchflow, header_first

_NAMES = (f"%%{NAME}", f"%{NAME}")


class Extension:
    """Everything that is registered with one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._magics = _make_magics(shell)
        self._matcher = make_matcher(self._magics)
        self._formatters: list[tuple[Any, Any]] = []
        """Each formatter that shows runs, with what it had for them before."""
        self._guard: InputGuard | None = None

    def load(self) -> None:
        """Register everything."""
        shell = self._shell
        shell.register_magics(self._magics)
        shell.input_transformers_cleanup.append(header_first)
        shell.input_transformers_post.append(await_batchflow)
        shell.Completer.custom_matchers.append(self._matcher)
        shell.events.register("pre_run_cell", cell_panels.begin_cell)
        display = shell.display_formatter
        for formatter, show in (
            (display.formatters["text/html"], summary.as_html),
            (display.formatters["text/plain"], _pretty),
            (display.ipython_display_formatter, partial(display_run, shell)),
        ):
            self._formatters.append((formatter, formatter.type_printers.get(BatchRun)))
            formatter.for_type(BatchRun, show)
        if hasattr(shell, "kernel"):  # without one there is no panel to show what instances print
            streams.install()
            streams.keep_outputs(shell.display_pub)
            self._guard = InputGuard(shell)
            self._guard.install()

    def unload(self) -> None:
        """Remove everything. Runs in progress continue."""
        shell = self._shell
        streams.uninstall()
        streams.release_outputs(shell.display_pub)
        if self._guard is not None:
            self._guard.uninstall()
        for kind in ("line", "cell"):
            if _owner(shell, kind) is self._magics:
                del shell.magics_manager.magics[kind][NAME]
        shell.magics_manager.registry.pop(type(self._magics).__name__, None)
        _remove(shell.configurables, self._magics)
        _remove(shell.input_transformers_cleanup, header_first)
        _remove(shell.input_transformers_post, await_batchflow)
        _remove(shell.Completer.custom_matchers, self._matcher)
        _remove(shell.events.callbacks["pre_run_cell"], cell_panels.begin_cell)
        for formatter, previous in self._formatters:
            if previous is None:
                formatter.type_printers.pop(BatchRun, None)
            else:
                formatter.for_type(BatchRun, previous)


def _make_magics(shell: Any) -> BatchFlowMagics:
    configurables = list(shell.configurables)
    try:
        return BatchFlowMagics(shell=shell)
    except TraitError as error:
        # %config refuses a bad value, and still keeps it for the next object that is configured.
        shell.configurables[:] = configurables
        shell.config.pop(BatchFlowMagics.__name__)
        print(f"flowmagic uses its defaults: {error}", file=sys.stderr)  # noqa: T201 - IPython's way
        return BatchFlowMagics(shell=shell)


_loaded: weakref.WeakKeyDictionary[Any, Extension] = weakref.WeakKeyDictionary()


def load(shell: Any) -> None:
    """Register everything with a shell; if it is registered already, replace it."""
    unload(shell)
    extension = _loaded[shell] = Extension(shell)
    extension.load()


def unload(shell: Any) -> None:
    """Remove what `load` registered, if anything."""
    extension = _loaded.pop(shell, None)
    if extension is not None:
        extension.unload()


def _owner(shell: Any, kind: str) -> Any:
    return getattr(shell.magics_manager.magics[kind].get(NAME), "__self__", None)


def _remove(items: list[Any], item: Any) -> None:
    items[:] = [each for each in items if each is not item]


def _pretty(run: BatchRun, printer: Any, cycle: bool) -> None:  # noqa: FBT001, ARG001 - IPython's form
    printer.text(encodable(summary.as_text(run)))


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
