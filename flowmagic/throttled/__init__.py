"""The classes of pocketflow-throttled under their own names: flows, nodes and limiters.

It may import everything but `notebook` and `testing`.
"""
