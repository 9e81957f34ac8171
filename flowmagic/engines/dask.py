"""Instances on the workers of a Dask cluster."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import EngineError, MissingExtraError, found
from . import Work
from .daskrunner import DaskRunner


@dataclass(frozen=True)
class DaskEngine:
    """A Dask cluster, on whose workers instances run.

    Each instance has a snapshot of the shared store, taken when the run begins, as with isolate: what
    it writes comes back when it has ended, as its `writes`, and no other instance sees it.

    Args:
        where: the address of a scheduler ("tcp://host:8786"), a `distributed.Client`, or a cluster;
            None starts a cluster of processes on this machine for each run, and closes it.

    Raises:
        EngineError (a RuntimeError): `where` is something else.
        MissingExtraError (an ImportError): distributed is not installed.
    """

    where: Any = None

    name: ClassVar[str] = "dask"
    isolates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise MissingExtraError(
                'engine="dask" needs dask.distributed: pip install "jupyter-flowmagic[dask]"'
            )
        where = self.where
        known = where is None or any(
            hasattr(where, name) for name in ("scheduler_address", "scheduler")
        )
        if not (known or (isinstance(where, str) and "://" in where)):
            raise EngineError(
                f"DaskEngine was given {found(where)}, not the address of a scheduler, a client or "
                'a cluster. Write DaskEngine("tcp://host:8786"), DaskEngine(client), or DaskEngine() '
                "for a cluster on this machine."
            )

    def begin(self, work: Work) -> DaskRunner:
        """Return what runs the instances of one run; see `Engine`.

        Raises:
            EngineError: something in the flow or the shared store cannot travel.
        """
        return DaskRunner(self.where, work)
