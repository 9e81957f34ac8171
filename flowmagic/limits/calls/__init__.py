"""Limits on calls, shared by all instances, event loops and threads of the process.

`call_limit` has the class that users set and watch; `named` finds a limit by its name. Below them,
`context` is what `with` enters or a decorator uses, `queue` lets calls in one after the other, as
`capacity` allows, and `waiters` are the tasks and threads in the queue. It may import what `limits`
may import.
"""

from .call_limit import CallLimit

__all__ = ["CallLimit"]
