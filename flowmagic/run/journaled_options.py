"""The options of a run as its journal keeps them: plain values, and Python for those that are not."""

from __future__ import annotations

import types
from dataclasses import fields
from typing import Any

from ..engines.base import Engine
from ..engines.registry import NAMES
from ..flow.script_source import lambda_source
from ..flow.source_code import source_of
from ..journal.shared_snapshot import Written, text_or_none
from .options import Options


def options_kept(options: Options) -> dict[str, Any]:
    """Return the options of a run as plain values, named as `batchflow` takes them."""
    budget, sharing = options.max_errors, options.sharing
    return {
        "limit": options.limits.concurrency,
        "per_minute": options.limits.per_minute,
        "burst": options.limits.burst,
        "adaptive": None if options.adaptive is None else str(options.adaptive),
        "timeout": options.timeout,
        "max_errors": None
        if budget is None
        else budget.count
        if budget.share is None
        else (budget.share, budget.sample),
        "retries": options.retries.times,
        "threads": options.threads,
        "keep": options.keep,
        "isolate": sharing.isolate,
        "merge": None if sharing.merge is None else getattr(sharing.merge, "__name__", "?"),
        "allow_shared": sorted(sharing.allowed, key=repr) if _has_form(sharing.allowed) else None,
        "track_shared": sharing.track,
        "engine": None if options.engine.name == "local" else options.engine.name,
    }


def options_written(options: Options) -> tuple[dict[str, Written], list[Any]]:
    """Return the options that are no plain values, and the classes and functions that they use."""
    written: dict[str, Written] = {}
    used: list[Any] = []
    for name, value in (("adaptive", options.adaptive), ("retries", options.retries)):
        if value is None:
            continue
        parts, left = [], ""
        for each in fields(value):
            part = getattr(value, each.name)
            if part == each.default:
                continue
            text, why = _expression(part, used)
            if why:
                left = f"{each.name}: {why}"
            else:
                parts.append(f"{each.name}={text}")
        plain = {"adaptive": {"minimum", "start", "maximum"}, "retries": {"times"}}[name]
        if left or not plain.issuperset(part.partition("=")[0] for part in parts):
            made = f"flowmagic.{type(value).__name__}({', '.join(parts)})"
            written[name] = Written(made, left)
    if options.sharing.merge is not None:
        written["merge"] = Written(*_expression(options.sharing.merge, used))
    if (engine := _engine(options.engine)) is not None:
        written["engine"] = engine
    if not _has_form(options.sharing.allowed):
        written["allow_shared"] = Written("", "its keys have no form in a journal")
    return written, used


def _engine(engine: Engine) -> Written | None:
    """Return an engine that is more than its name."""
    where = getattr(engine, "where", None)
    if isinstance(where, str):
        return Written(f"flowmagic.{type(engine).__name__}({where!r})", "")
    if engine.name in NAMES and where is None:
        return None
    kind = type(engine if where is None else where).__name__
    return Written("", f"it was an object of class {kind}, which has no source")


def _expression(value: Any, used: list[Any]) -> tuple[str, str]:
    """Return a value as Python, or why that cannot be."""
    if isinstance(value, (bool, int, float, str, type(None))):
        return repr(value), ""
    if isinstance(value, tuple) and value:
        parts = [_expression(each, used) for each in value]
        return f"({', '.join(text for text, _ in parts)},)", next((w for _, w in parts if w), "")
    if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
        text = lambda_source(value)
        used.append(value)
        return text, "" if text else "it was a lambda, whose source is not known"
    if isinstance(value, (types.FunctionType, type)):
        if not source_of(value) and value.__module__ in ("__main__", "__mp_main__"):
            return "", f"the source of {value.__name__} is not known"
        used.append(value)
        return value.__name__, ""
    return "", f"it was an object of class {type(value).__name__}, which has no source"


def _has_form(value: Any) -> bool:
    return text_or_none(value, None) is not None
