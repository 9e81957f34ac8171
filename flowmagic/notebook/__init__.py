"""The notebook: the magic, the panel, the saved summary and the terminal.

It may import everything but `throttled` and `testing`; no other package may import IPython.
"""

from .display import start_in_panel

__all__ = ["start_in_panel"]
