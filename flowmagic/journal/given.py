"""What a run was given besides its rows, as a journal keeps it: its options, and the shared store."""

from __future__ import annotations

import types
from collections.abc import Set as AbstractSet
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engines import Engine
from ..engines.named import NAMES
from .encoding import encoded
from .sources import expression_of, source_of

if TYPE_CHECKING:
    from ..options import Options  # which needs this package

_MOST_KEYS = 100
_LONGEST = 2_000  # characters of a value of the shared store


class Written(NamedTuple):
    """An option that is no plain value, as Python.

    Attributes:
        expression: that makes it, from the definitions kept with it; empty if there is none.
        left: what of it is left out, and why; empty if nothing is.
    """

    expression: str
    left: str


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
        for field in fields(value):
            part = getattr(value, field.name)
            if part == field.default:
                continue
            text, why = _expression(part, used)
            if why:
                left = f"{field.name}: {why}"
            else:
                parts.append(f"{field.name}={text}")
        plain = {"adaptive": {"minimum", "start", "maximum"}, "retries": {"times"}}[name]
        if left or not plain.issuperset(each.partition("=")[0] for each in parts):
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
        text = expression_of(value)
        used.append(value)
        return text, "" if text else "it was a lambda, whose source is not known"
    if isinstance(value, (types.FunctionType, type)):
        if not source_of(value) and value.__module__ in ("__main__", "__mp_main__"):
            return "", f"the source of {value.__name__} is not known"
        used.append(value)
        return value.__name__, ""
    return "", f"it was an object of class {type(value).__name__}, which has no source"


def shared_kept(shared: Any, secrets: AbstractSet[str] | None) -> list[list[Any]]:
    """Return the shared store as it is before a run: key, value, and the value's class; each as text.

    A value that has no form in a journal, or a long one, is None.
    """
    if not isinstance(shared, dict):
        return []
    kept: list[list[Any]] = []
    for key, value in list(shared.items())[:_MOST_KEYS]:
        # Under its key, by whose name a secret is known.
        whole = _text_or_none({key: value}, secrets)
        if whole is not None and len(whole) <= _LONGEST:
            kept.append([whole, ""])
        elif (alone := _text_or_none({key: None}, secrets)) is not None:
            kept.append([alone, type(value).__name__])
    return kept


def _has_form(value: Any) -> bool:
    return _text_or_none(value, None) is not None


def _text_or_none(value: Any, secrets: AbstractSet[str] | None) -> str | None:
    try:
        return encoded(value, secrets)
    except Exception:  # noqa: BLE001 - a client, a lock, somebody's object
        return None
