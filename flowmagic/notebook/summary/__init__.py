"""The static summary of a run that a saved notebook keeps, as HTML and as text.

It may import all of the core.
"""
