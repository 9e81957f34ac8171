"""What the tests of a panel leave behind is taken away."""

from __future__ import annotations

import pytest

from flowmagic import named_limits, remove_limit
from flowmagic.notebook.panel import ticker


@pytest.fixture(autouse=True)
def _no_other_panel_is_live():
    yield
    ticker._live.clear()
    for name in named_limits():
        remove_limit(name)
