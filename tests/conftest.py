"""What holds for every test."""

from __future__ import annotations

import gc


def pytest_collection_finish():
    """Spare what was imported and collected each look for garbage: it stays to the end.

    With thousands of tests and the libraries that they import, one look took half a second of what
    is now some milliseconds, and many tests have one.
    """
    gc.collect()
    gc.freeze()
