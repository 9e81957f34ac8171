"""A run of a journal as a Python script.

It may import what `journal` may import.
"""
