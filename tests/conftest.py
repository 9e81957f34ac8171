"""What holds for every test."""

from __future__ import annotations

import gc


def pytest_collection_finish():
    """Spare what was imported and collected each look for garbage: it stays to the end.

    A look walked half a million objects of pytest and of libraries, and many tests have one.
    """
    gc.collect()
    gc.freeze()
