"""The options of a run as its journal keeps them: plain values."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..engines.base import Engine
from ..engines.registry import NAMES
from ..journal.codec import encoded_or_none
from ..journal.snapshot import location_of
from .options import Options


def options_kept(options: Options) -> dict[str, Any]:
    """Return the options of a run as plain values, named as `batchflow` takes them.

    An `Adaptive` or a `Retries` is a dict of the fields that differ from the defaults. A function or
    class is "module:name". What cannot be stored is described in words.
    """
    budget, sharing = options.max_errors, options.sharing
    return {
        "limit": options.limits.concurrency,
        "per_minute": options.limits.per_minute,
        "burst": options.limits.burst,
        "adaptive": None if options.adaptive is None else _changed_fields(options.adaptive),
        "timeout": options.timeout,
        "max_errors": None
        if budget is None
        else budget.count
        if budget.share is None
        else (budget.share, budget.sample),
        "retries": _changed_fields(options.retries) or 0,
        "threads": options.threads,
        "keep": options.keep,
        "keep_bytes": options.keep_bytes,
        "isolate": sharing.isolate,
        "fill_shared": sharing.fill,
        "merge": None if sharing.merge is None else location_of(sharing.merge),
        "allow_shared": _keys(sharing.allowed),
        "track_shared": sharing.track,
        "engine": _engine(options.engine),
    }


def _changed_fields(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from the defaults."""
    changed = {
        field.name: getattr(value, field.name)
        for field in fields(value)
        if getattr(value, field.name) != field.default
    }
    if "on" in changed:
        on = changed["on"]
        changed["on"] = list(map(location_of, on)) if isinstance(on, tuple) else location_of(on)
    return changed


def _keys(allowed: frozenset[Any]) -> Any:
    if encoded_or_none(allowed, None) is None:
        return "keys that cannot be stored"
    return sorted(allowed, key=repr)


def _engine(engine: Engine) -> str | None:
    """Return the name of an engine that a name says all of; else a description."""
    if engine.name == "local":
        return None
    where = getattr(engine, "where", None)
    if where is None and engine.name in NAMES:
        return engine.name
    kind = type(engine).__name__
    if isinstance(where, str):
        return f"{kind}({where!r})"
    return f"an object of class {kind}" + (
        "" if where is None else f" for a {type(where).__name__}"
    )
