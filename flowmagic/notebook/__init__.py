"""The notebook: the magic, the panel, the saved summary and the terminal.

It may import everything but `throttled` and `testing`; it alone may import IPython and the widget
libraries.
"""

from .display import start_in_panel

__all__ = ["start_in_panel"]
