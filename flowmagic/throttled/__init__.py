"""The classes of pocketflow-throttled under their own names: flows, batch nodes, limiters, presets.

This package may import everything but `notebook`.
"""
