"""A secret, and objects of several kinds that hold one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

KEY = "sk-very-secret-0123456789"


@dataclass
class Client:
    api_key: str
    retries: int = 3


class Pair(NamedTuple):
    name: str
    token: str


class Model:
    """As pydantic makes them."""

    model_fields = {"api_key": ..., "retries": ...}

    def __init__(self, api_key):
        self.api_key = api_key
        self.retries = 3

    def __repr__(self):
        return f"Model(api_key={self.api_key!r}, retries={self.retries})"
