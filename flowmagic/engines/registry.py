"""Turns the `engine` option into an engine: a name, an engine, or None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import EngineError, describe
from .base import Engine
from .local import LocalEngine


def _dask_engine() -> Engine:
    from .dask.engine import DaskEngine  # noqa: PLC0415 - imported when it is first used

    return DaskEngine()


NAMES: dict[str, Callable[[], Engine]] = {"local": LocalEngine, "dask": _dask_engine}
"""The functions that make an engine, by the name that users write."""


def engine_of(value: Any) -> Engine:
    """Return the engine for a value of the `engine` option; None stands for the local engine.

    Raises:
        EngineError (a RuntimeError): the value is neither the name of an engine nor an engine.
        MissingExtraError (an ImportError): the engine needs a package that is not installed.
    """
    if value is None:
        return LocalEngine()
    if isinstance(value, str):
        if value in NAMES:
            return NAMES[value]()
        where = f'DaskEngine("{value}")' if "://" in value else 'DaskEngine("tcp://host:8786")'
        raise EngineError(
            f'engine is {describe(value)}, neither "local" nor "dask". Write engine="dask" for a '
            f"cluster on this machine, or engine=flowmagic.{where}."
        )
    if isinstance(value, type):
        raise EngineError(
            f"engine is {describe(value)}, not an object of it. Write engine={value.__name__}()."
        )
    if not callable(getattr(value, "begin", None)):
        raise EngineError(
            f"engine is {describe(value)}, not an engine. For a Dask client or cluster write "
            "engine=flowmagic.DaskEngine(client)."
        )
    engine: Engine = value
    return engine
