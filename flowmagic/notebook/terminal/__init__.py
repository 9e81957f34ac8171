"""A run at a terminal: a live line or table.

It may import all of the core, and IPython.
"""
