"""The limit at the call: kept by all instances, loops and threads of the process together.

`calllimit` is what one sets and watches, `named` finds one by its name; below them, `queue` lets
calls in, `call` is one of them, `calling` what is entered or decorates, `callers` are those who wait,
`meter` counts the last minute. `registry` gives the same under pocketflow-throttled's names.
"""

from .call_limit import CallLimit

__all__ = ["CallLimit"]
