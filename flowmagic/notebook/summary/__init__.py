"""What a saved notebook keeps of a run: a static summary, as HTML and as text.

It may import all of the core.
"""
