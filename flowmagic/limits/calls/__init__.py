"""Limits on calls, shared by all instances, event loops and threads of the process.

It may import what `limits` may import.
"""

from .call_limit import CallLimit

__all__ = ["CallLimit"]
