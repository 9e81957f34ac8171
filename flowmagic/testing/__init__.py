"""Tools to test flows without waiting and without paying.

`run_virtual` and `virtual` run a test on a clock that jumps. `FakeProvider` stands for a provider, in
the test or, with `serve`, as an HTTP service. `assert_no_leaks` checks that a run has left nothing.

It is imported only by whoever uses it, and may import everything but `notebook/` and `throttled/`.
"""

from .fake_provider import FakeProvider, Fault, ProviderCall, ProviderError, heavy_tailed
from .http_service import ProviderService, serve
from .leaks import assert_no_leaks
from .virtual_clock import VirtualLoop, run_virtual, virtual

__all__ = [
    "FakeProvider",
    "Fault",
    "ProviderCall",
    "ProviderError",
    "ProviderService",
    "VirtualLoop",
    "assert_no_leaks",
    "heavy_tailed",
    "run_virtual",
    "serve",
    "virtual",
]
