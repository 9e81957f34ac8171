"""The classes of pocketflow-throttled under their own names: flows, nodes, limiters and presets.

It may import everything but `notebook` and `testing`.
"""
