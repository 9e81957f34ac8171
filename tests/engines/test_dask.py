"""What a user writes to run on Dask."""

from __future__ import annotations

import pytest

from flowmagic import DaskEngine, EngineError, MissingExtraError
from flowmagic.engines.named import engine_of

from ..imported import imported_by


def test_an_engine_is_a_value():
    """Two of the same are equal, and one can be used for many runs."""
    assert DaskEngine() == DaskEngine(None) == engine_of("dask")
    assert DaskEngine("tcp://a:1") == DaskEngine("tcp://a:1") != DaskEngine()
    assert DaskEngine.isolates


@pytest.mark.parametrize("wrong", ["a:8786", 8786, object(), ["tcp://a:1"]])
def test_what_leads_to_no_cluster_is_refused(wrong):
    """RuntimeError, with the corrected line."""
    with pytest.raises(EngineError, match=r'not the address of a scheduler.*DaskEngine\("tcp://'):
        DaskEngine(wrong)


def test_without_distributed_the_line_to_install_it_is_said(monkeypatch):
    """As an extra of this package."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "jupyter-flowmagic\[dask\]"'):
        engine_of("dask")


def test_distributed_is_imported_only_by_a_run_on_it():
    """Who does not ask for it does not pay for it."""
    code = "import flowmagic; flowmagic.DaskEngine()"
    assert imported_by(code, "dask", "distributed", "cloudpickle", "tblib") == "[]"
