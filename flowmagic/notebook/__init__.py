"""The notebook wing: turns cells into calls of the core, and records into pixels."""

from .panel.standalone import start_in_panel

__all__ = ["start_in_panel"]
