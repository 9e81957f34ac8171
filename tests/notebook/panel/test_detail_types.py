"""The parts of the messages about an opened row, which kernel and page must know alike."""

from __future__ import annotations

from typing import get_type_hints, is_typeddict

import pytest

from flowmagic.notebook.panel import detail_types

from .test_protocol import typedefs

PARTS = {name: kind for name, kind in vars(detail_types).items() if is_typeddict(kind)}


@pytest.mark.parametrize("name", PARTS)
def test_the_page_knows_each_part_by_the_same_fields(name):
    """What is typed here is typed there, in the same order."""
    assert typedefs()[name] == list(get_type_hints(PARTS[name]))
