"""A run at a terminal: a live progress line and table, and the summary at the end.

It may import all of the core, and IPython.
"""
